"""The pattern against loops over every query and key; the kernels against fp64 arithmetic."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from interlingua.nn import attention
from interlingua.nn.attention import AttentionPattern, attend

B, H, Q, K, D = 3, 2, 5, 8, 4
CPU = torch.device("cpu")

KEY_MASK = torch.ones(B, K, dtype=torch.bool)
KEY_MASK[1, 5:] = False
KEY_MASK[2, :] = False
SEGMENTS = torch.tensor([[1, 1, 1, 2, 2, 2, 2, 0], [1] * 8, [1, 2, 3, 4, 5, 6, 7, 8]])
PREFIX = torch.tensor([0, 4, 8])

CASES = [
    (key_mask, causal, prefix, segments, window)
    for key_mask, causal, prefix, segments, window in itertools.product(
        (None, KEY_MASK), (False, True), (None, PREFIX), (None, SEGMENTS), (None, 1, 3)
    )
    if causal or prefix is None
]


def may_look(pattern: AttentionPattern, sample: int, query: int, key: int, offset: int) -> bool:
    """The definition, for one query and one key."""
    position = query + offset
    if pattern.key_mask is not None and not pattern.key_mask[sample, key]:
        return False
    if pattern.segments is not None:
        own, other = pattern.segments[sample, position], pattern.segments[sample, key]
        if own != other or other == 0:
            return False
    if pattern.window is not None and abs(position - key) >= pattern.window:
        return False
    if pattern.causal and key > position:
        return pattern.prefix is not None and key < int(pattern.prefix[sample])
    return True


def definition(pattern: AttentionPattern, num_queries: int) -> Tensor:
    offset = K - num_queries
    return torch.tensor(
        [
            [[[may_look(pattern, b, q, k, offset) for k in range(K)] for q in range(num_queries)]]
            for b in range(B)
        ]
    )  # [B, 1, Q, K]


def reference(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor) -> Tensor:
    scores = query.double() @ key.double().transpose(-2, -1) * query.shape[-1] ** -0.5
    weights = scores.masked_fill(~allowed, -torch.inf).softmax(-1)
    return weights.nan_to_num(0.0) @ value.double()


@pytest.mark.parametrize("num_queries", [Q, K])
@pytest.mark.parametrize("case", CASES)
def test_pattern_and_kernel_follow_the_definition(
    case: tuple[Tensor | None, bool, Tensor | None, Tensor | None, int | None], num_queries: int
) -> None:
    pattern = AttentionPattern(*case)
    allowed = definition(pattern, num_queries)
    dense = pattern.dense(num_queries, K, CPU)
    if dense is None:
        assert allowed.all()
    else:
        assert torch.equal(dense.expand(B, 1, num_queries, K), allowed)

    query, key, value = torch.randn(B, H, num_queries, D), *torch.randn(2, B, H, K, D)
    ours = attend(query, key, value, pattern)
    assert (ours - reference(query, key, value, allowed)).abs().max() < 1e-5


@pytest.mark.parametrize("case", CASES[::5])
def test_bf16_follows_the_definition(
    case: tuple[Tensor | None, bool, Tensor | None, Tensor | None, int | None],
) -> None:
    pattern = AttentionPattern(*case)
    query, key, value = torch.randn(3, B, H, K, D).bfloat16()
    with torch.inference_mode():
        ours = attend(query, key, value, pattern)
    assert ours.dtype == torch.bfloat16
    exact = reference(query, key, value, definition(pattern, K))
    assert (ours - exact).abs().max() < 0.05


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_query_that_sees_nothing_gives_zeros_and_finite_gradients(dtype: torch.dtype) -> None:
    pattern = AttentionPattern(key_mask=KEY_MASK)
    query, key, value = (torch.randn(B, H, K, D, dtype=dtype, requires_grad=True) for _ in range(3))
    states = attend(query, key, value, pattern)
    assert torch.equal(states[2], torch.zeros(H, K, D, dtype=dtype))
    states.float().square().sum().backward()
    for tensor in (query, key, value):
        assert tensor.grad is not None and tensor.grad.isfinite().all()
        assert tensor.grad[0].abs().sum() > 0


@pytest.mark.parametrize("most_scores", [1, K * K, 3 * K * K, H * K * K])
def test_explicit_attention_in_pieces_equals_one_piece(
    monkeypatch: pytest.MonkeyPatch, most_scores: int
) -> None:
    pattern = AttentionPattern(key_mask=KEY_MASK, causal=True)
    query, key, value = torch.randn(3, B, H, K, D).bfloat16()
    with torch.inference_mode():
        whole = attend(query, key, value, pattern)
        monkeypatch.setattr(attention, "MAX_CACHED_SCORES", most_scores)
        assert torch.equal(attend(query, key, value, pattern), whole)


def test_scale_is_used() -> None:
    query, key, value = torch.randn(3, B, H, K, D)
    assert torch.allclose(
        attend(query, key, value, scale=0.0),
        value.mean(2, keepdim=True).expand_as(value),
        atol=1e-6,
    )


def test_impossible_patterns_are_refused() -> None:
    with pytest.raises(ValueError, match="prefix"):
        AttentionPattern(prefix=PREFIX)
    with pytest.raises(ValueError, match="window"):
        AttentionPattern(window=0)
