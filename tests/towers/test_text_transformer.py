"""The cut behind the last end token, and which state is pooled."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from interlingua.towers.pretrained import build_tower
from interlingua.towers.text_transformer import TextTransformer

END = 49
SMALL: dict[str, Any] = {"vocabulary": 50, "width": 16, "num_layers": 2, "num_heads": 2,
                         "hidden_width": 32, "end_id": END}  # fmt: skip


def make(**options: Any) -> Any:
    return build_tower(TextTransformer.Config(**{**SMALL, **options})).eval()


def texts(lengths: tuple[int, ...], width: int = 77, padding: int = 0) -> tuple[Tensor, Tensor]:
    """Ids that end with ``END``, padded to ``width``, and their mask."""
    ids = torch.full((len(lengths), width), padding)
    for row, length in enumerate(lengths):
        ids[row, : length - 1] = torch.randint(1, END, (length - 1,))
        ids[row, length - 1] = END
    return ids, torch.arange(width) < torch.tensor(lengths)[:, None]


def uncut(tower: Any, ids: Tensor, mask: Tensor | None, monkeypatch: pytest.MonkeyPatch) -> Any:
    with monkeypatch.context() as patch:
        patch.setattr(TextTransformer, "_may_cut", lambda self, values: False)
        return tower(ids, mask)


@pytest.mark.parametrize("padding", [0, END])
@pytest.mark.parametrize("with_mask", [True, False])
def test_the_cut_is_exact(padding: int, with_mask: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    tower = make(width=64, num_layers=6, num_heads=4, hidden_width=256)
    ids, mask = texts((16, 4, 9, 2), padding=padding)
    given = mask if with_mask else None
    whole = uncut(tower, ids, given, monkeypatch)
    cut = tower(ids, given)
    assert whole.states.shape[1] == 77 and cut.states.shape[1] == 16
    assert torch.equal(cut.mask, mask[:, :16])
    assert (cut.pooled - whole.pooled).abs().max() < 1e-5
    assert (cut.states - whole.states[:, :16])[mask[:, :16]].abs().max() < 1e-5


def test_gradients_of_the_cut_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    tower = make()
    ids, mask = texts((12, 4, 9))
    gradients = []
    for run in (lambda: tower(ids, mask), lambda: uncut(tower, ids, mask, monkeypatch)):
        tower.zero_grad()
        (run().pooled * torch.linspace(-1, 1, 16)).sum().backward()
        gradients.append([parameter.grad.clone() for parameter in tower.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        assert (ours - theirs).abs().max() < 1e-5 * max(1.0, float(theirs.abs().max()))


@pytest.mark.parametrize("options", [{"causal": False}, {"pooling": "last"}, {"pooling": "mean"}])
def test_no_cut_where_it_would_not_be_exact(options: dict[str, Any]) -> None:
    ids, mask = texts((5, 3), width=20)
    assert make(**options)(ids, mask).states.shape[1] == 20


def test_a_text_without_an_end_is_pooled_at_its_last_real_token() -> None:
    tower = make()
    ids = torch.randint(1, END, (3, 10))
    ids[0, 4:] = 0
    mask = torch.ones(3, 10, dtype=torch.bool)
    mask[0, 4:] = False
    ids[2, 6] = END
    tokens = tower(ids, mask)
    assert tokens.states.shape[1] == 10  # the second text has no end: nothing may be cut
    ends = torch.tensor([3, 9, 6])
    assert torch.equal(tokens.pooled, tokens.states[torch.arange(3), ends])
    assert torch.allclose(tower(ids[:1, :4]).pooled, tokens.pooled[:1], atol=1e-5)


def test_the_first_of_several_ends_counts() -> None:
    ids, _ = texts((6, 3), padding=END)
    tokens = make()(ids)
    assert torch.equal(tokens.pooled[1], tokens.states[1, 2])


def test_padding_counts_only_where_the_tower_was_trained_on_it() -> None:
    ids, mask = texts((5, 8), width=12)
    for pooling in ("last", "mean", "end"):
        masked = make(causal=False, pooling=pooling)
        alone = masked(ids[:1, :5]).pooled
        assert torch.allclose(masked(ids, mask).pooled[:1], alone, atol=1e-5)
        padded = make(causal=False, pooling=pooling, pad_to_max=True)
        assert torch.equal(padded(ids, mask).pooled, padded(ids).pooled)
        assert padded.preprocess.pad_to_max
        if pooling != "end":
            assert not torch.allclose(padded(ids, mask).pooled[:1], alone, atol=1e-3)


@pytest.mark.parametrize(
    "options",
    [{}, {"causal": False}, {"causal": False, "pooling": "last", "pad_to_max": True},
     {"pooling": "last"}, {"pooling": "mean"}],
)  # fmt: skip
def test_the_pooled_vector_alone_is_the_same_with_the_same_gradients(
    options: dict[str, Any],
) -> None:
    tower = make(**options)
    ids, mask = texts((9, 4, 6), width=20)
    results = []
    for alone in (False, True):
        tower.pooled_only = alone
        tower.zero_grad()
        tokens = tower(ids, mask)
        (tokens.pooled * torch.linspace(-1, 1, 16)).sum().backward()
        results.append((tokens, {n: p.grad.clone() for n, p in tower.named_parameters()}))
    (whole, gradients), (pooled, other) = results
    assert whole.states is not None and pooled.states is None
    assert torch.allclose(whole.pooled, pooled.pooled, atol=1e-5)
    for name, gradient in gradients.items():
        largest = max(1.0, float(gradient.abs().max()))
        assert (gradient - other[name]).abs().max() < 1e-5 * largest, name


def test_frozen_pooling_sorts_texts_by_length_and_gives_their_own_order() -> None:
    tower = make()
    lengths = tuple(int(n) for n in torch.randint(2, 70, (40,)))
    ids, mask = texts(lengths)
    with torch.inference_mode():
        exact = tower(ids, mask).pooled
        frozen = tower.for_inference(torch.float32)
        assert (frozen(ids, mask).pooled - exact).abs().max() < 1e-5
        frozen.pooled_only = True
        assert (frozen(ids, mask).pooled - exact).abs().max() < 1e-5
        assert (frozen(ids).pooled - exact).abs().max() < 1e-5


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValidationError, match="end_id 50 is not in 0 to 49"):
        TextTransformer.Config(**{**SMALL, "end_id": 50})
    with pytest.raises(ValueError, match="9 tokens, but 8 positions"):
        make(max_positions=8, causal=False)(torch.ones(1, 9, dtype=torch.int64))
