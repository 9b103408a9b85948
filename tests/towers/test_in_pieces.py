from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import Tensor

from interlingua.tokens import Tokens
from interlingua.towers import in_pieces
from interlingua.towers.bert import Bert
from interlingua.towers.efficientnet import EfficientNet
from interlingua.towers.in_pieces import encode_by_length, encode_in_pieces, pieces_by_length
from interlingua.towers.pretrained import build_tower


def encode(values: Tensor, mask: Tensor | None, layers: Sequence[int]) -> Tokens:
    """Says what it was given, and on which thread and with which switches."""
    assert not torch.is_grad_enabled()
    pooled = values.float() * 2
    return Tokens(
        states=pooled[:, None],
        mask=mask,
        pooled=pooled,
        time=torch.arange(1),
        layers={number: pooled + number for number in layers} or None,
    )


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("size", [0, 1, 4, 5, 13])
@pytest.mark.parametrize("at_once", [0, 1, 4])
@pytest.mark.parametrize("with_mask", [True, False])
def test_pieces_are_joined_in_order(size: int, at_once: int, with_mask: bool) -> None:
    values = torch.arange(size * 3).view(size, 3)
    mask = values % 2 == 0 if with_mask else None
    with torch.no_grad():
        tokens = encode_in_pieces(encode, values, mask, (0, 2), at_once)
    assert torch.equal(tokens.pooled, values.float() * 2)
    assert torch.equal(tokens.states, values.float()[:, None] * 2)
    assert (tokens.mask is None) if mask is None else torch.equal(tokens.mask, mask)
    assert torch.equal(tokens.time, torch.arange(1))
    assert torch.equal(tokens.layers[2], values.float() * 2 + 2)


def test_workers_keep_the_callers_switches_and_one_core_each() -> None:
    seen = []

    def look(values: Tensor, mask: Tensor | None, layers: Sequence[int]) -> Tokens:
        seen.append(
            (
                torch.is_inference_mode_enabled(),
                torch.get_num_threads(),
                threading.current_thread() is threading.main_thread(),
            )
        )
        return encode(values, mask, layers)

    for inference in (True, False):
        seen.clear()
        with torch.inference_mode(inference), torch.no_grad():
            tokens = encode_in_pieces(look, torch.ones(4, 1), None, (), at_once=1)
        assert seen == [(inference, 1, False)] * 4
        assert tokens.pooled is not None and tokens.pooled.is_inference() == inference
    assert torch.get_num_threads() == 2


def test_with_gradients_it_is_one_plain_call() -> None:
    values = torch.ones(4, 1, requires_grad=True)
    tokens = encode_in_pieces(lambda v, m, n: Tokens(pooled=v * 3), values, None, (), at_once=1)
    assert tokens.pooled is not None
    tokens.pooled.sum().backward()
    assert torch.equal(values.grad, torch.full((4, 1), 3.0))


def test_an_error_in_a_piece_arrives() -> None:
    def fail(values: Tensor, mask: Tensor | None, layers: Sequence[int]) -> Tokens:
        raise ValueError(f"piece of {len(values)}")

    with torch.no_grad(), pytest.raises(ValueError, match="piece of 2"):
        encode_in_pieces(fail, torch.ones(4, 1), None, (), at_once=2)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_the_bits_do_not_depend_on_the_number_of_threads(precision: torch.dtype) -> None:
    tower = build_tower(EfficientNet.Config(width_multiplier=0.25, depth_multiplier=0.3))
    frozen = tower.for_inference(precision)
    pixels = torch.randint(0, 256, (19, 3, 64, 64), dtype=torch.uint8)
    results = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        with torch.inference_mode():
            results.append(frozen(pixels).pooled)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def prefixes(lengths: list[int], longest: int) -> Tensor:
    return torch.arange(longest) < torch.tensor(lengths)[:, None]


@pytest.mark.parametrize(
    "lengths",
    [[1], [5, 5, 5], [3, 200, 4, 199, 3, 256, 1], list(range(1, 120)), [250] * 3 + [2] * 300],
)
def test_pieces_hold_each_row_once_and_little_padding(lengths: list[int]) -> None:
    pieces = pieces_by_length(torch.tensor(lengths))
    assert sorted(torch.cat(pieces).tolist()) == list(range(len(lengths)))
    for rows in pieces:
        of = [lengths[row] for row in rows.tolist()]
        assert of == sorted(of)
        assert len(of) == 1 or len(of) * of[-1] <= in_pieces.TOKENS_AT_ONCE
        assert len(of) * of[-1] - sum(of) <= in_pieces.NEW_PIECE
    assert pieces_by_length(torch.tensor(lengths))[0].tolist() == pieces[0].tolist()


def test_texts_by_length_come_back_in_their_places() -> None:
    lengths = [20, 2, 40, 2, 1, 39, 20]
    mask = prefixes(lengths, 45)
    values = torch.arange(7 * 45).view(7, 45) + 1
    seen: list[tuple[int, int, bool]] = []

    def read(ids: Tensor, mask: Tensor | None, layers: Sequence[int]) -> Tokens:
        seen.append((*ids.shape, mask is None))
        real = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask
        states = (ids * real).float()[:, :, None].expand(-1, -1, 3)
        return Tokens(
            states=states,
            mask=real,
            pooled=states.sum(1),
            layers={number: states + number for number in layers} or None,
        )

    with torch.no_grad():
        tokens = encode_by_length(read, values, mask, (0, 4), mask.sum(1))
    expected = (values * mask).float()
    assert torch.equal(tokens.states[:, :, 0], expected)
    assert torch.equal(tokens.pooled[:, 1], expected.sum(1))
    assert torch.equal(tokens.mask, mask)
    assert torch.equal(tokens.layers[4][mask][:, 0], expected[mask] + 4)
    assert not tokens.layers[4][:, 40:].any()  # no piece is as long
    assert (2, 20, True) in seen  # the two of 20 tokens have no padding, so no mask
    assert max(longest for _, longest, _ in seen) == 40


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_frozen_bert_gives_the_same_in_pieces(pooling: str) -> None:
    config = Bert.Config(
        vocabulary=50, width=16, num_layers=2, num_heads=2, hidden_width=32, pooling=pooling
    )  # type: ignore[arg-type]
    tower = build_tower(config).eval()
    frozen = tower.for_inference(torch.float32)
    lengths = [3, 60, 1, 3, 17, 59, 0, 3]  # one has nothing real in it
    mask = prefixes(lengths, 64)
    ids = torch.randint(1, 50, mask.shape)
    with torch.inference_mode():
        whole, pieces = tower(ids, mask, layers=(1,)), frozen(ids, mask, layers=(1,))
        plain = frozen(ids, None)
    real = torch.tensor(lengths) > 0
    assert (whole.pooled - pieces.pooled)[real].abs().max() < 1e-5
    assert pieces.pooled.isfinite().all()
    assert (whole.states - pieces.states)[mask].abs().max() < 1e-5
    assert (whole.layers[1] - pieces.layers[1])[mask].abs().max() < 1e-5
    assert torch.equal(pieces.mask, mask) and pieces.states.shape == whole.states.shape
    assert plain.pooled.shape == whole.pooled.shape
