"""The GRU tower against a plain loop over single texts."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from interlingua.towers.gru_text import GRUText
from interlingua.towers.pretrained import build_tower

SMALL: dict[str, Any] = {"vocabulary": 40, "embedding_width": 6, "width": 8}


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", ["last", "mean"])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_padding_changes_nothing(num_layers: int, pooling: str, bidirectional: bool) -> None:
    options = {**SMALL, "num_layers": num_layers, "pooling": pooling,
               "bidirectional": bidirectional}  # fmt: skip
    tower = build_tower(GRUText.Config.model_validate(options)).eval()
    ids = torch.randint(0, 40, (4, 9))
    lengths = (3, 9, 1, 6)
    mask = torch.arange(9) < torch.tensor(lengths)[:, None]
    tokens = tower(ids, mask, layers=(0, 1))
    other = tower(torch.where(mask, ids, 7), mask)
    assert torch.equal(tokens.pooled, other.pooled) and torch.equal(tokens.states, other.states)
    assert not tokens.states[~mask].any()
    for row, length in enumerate(lengths):
        alone = tower(ids[row : row + 1, :length])
        assert torch.allclose(tokens.pooled[row], alone.pooled[0], atol=1e-6)
        assert torch.allclose(tokens.states[row, :length], alone.states[0], atol=1e-6)


def test_states_follow_the_equations() -> None:
    tower: Any = build_tower(GRUText.Config.model_validate(SMALL)).eval()
    ids = torch.randint(0, 40, (1, 5))
    weights = {name: value.detach() for name, value in tower.blocks[0].named_parameters()}
    state = torch.zeros(8)
    for number in ids[0]:
        word = tower.token_embedding.weight[number].detach()
        from_word = weights["weight_ih_l0"] @ word + weights["bias_ih_l0"]
        from_state = weights["weight_hh_l0"] @ state + weights["bias_hh_l0"]
        (a, b, c), (d, e, f) = from_word.chunk(3), from_state.chunk(3)
        reset, update = torch.sigmoid(a + d), torch.sigmoid(b + e)
        state = (1 - update) * torch.tanh(c + reset * f) + update * state
    assert torch.allclose(tower(ids).pooled[0], state, atol=1e-6)


def test_a_text_without_a_real_token_is_defined() -> None:
    tower = build_tower(GRUText.Config.model_validate(SMALL)).eval()
    ids = torch.randint(0, 40, (2, 4))
    mask = torch.tensor([[True] * 4, [False] * 4])
    tokens = tower(ids, mask)
    assert tokens.pooled.isfinite().all()
    assert torch.allclose(tokens.pooled[1:], tower(ids[1:, :1]).pooled, atol=1e-6)


def test_words_begin_as_large_as_asked() -> None:
    small = build_tower(GRUText.Config.model_validate(SMALL)).token_embedding.weight
    large = build_tower(
        GRUText.Config.model_validate({**SMALL, "embedding_scale": 1.7})
    ).token_embedding.weight
    assert 0.05 < small.abs().max() <= 0.1
    assert 1.0 < large.abs().max() <= 1.7
