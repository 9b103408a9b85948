"""One query's attention against the attention of all, in fp64."""

from __future__ import annotations

import pytest
import torch

from interlingua.nn.attention import AttentionPattern
from interlingua.nn.attention_pool import AttentionPool, MeanQueryPool
from interlingua.nn.frozen_linear import freeze_linears
from interlingua.nn.single_query import attend_once
from interlingua.nn.transformer import SelfAttention

M, N, D, H = 3, 7, 24, 4


@pytest.mark.parametrize("masked", [False, True])
def test_equals_the_row_of_whole_attention_with_its_gradients(masked: bool) -> None:
    attention = SelfAttention(D, H).double()
    states = torch.randn(M, N, D, dtype=torch.float64, requires_grad=True)
    real = torch.ones(M, N, dtype=torch.bool)
    real[1, 4:] = False
    mask = real if masked else None
    rows, at = torch.arange(M), torch.tensor([0, 2, 6])
    whole = attention(states, AttentionPattern(key_mask=mask))[rows, at]
    weights = torch.randn(M, D, dtype=torch.float64)
    inputs = (states, *attention.parameters())
    exact = torch.autograd.grad((whole * weights).sum(), inputs)
    weight, bias = attention.qkv.weight, attention.qkv.bias
    once = attention.out(attend_once(states[rows, at], states, weight, bias, H, mask))
    ours = torch.autograd.grad((once * weights).sum(), inputs)
    assert torch.allclose(once, whole, atol=1e-12)
    for a, b in zip(ours, exact, strict=True):
        assert torch.allclose(a, b, atol=1e-12)


@pytest.mark.parametrize("masked", [False, True])
def test_the_probe_is_torchs_multihead_attention(masked: bool) -> None:
    pool = AttentionPool(D, H, 40)
    pool.init_weights()
    torch.nn.init.normal_(pool.qkv.bias)
    reference = torch.nn.MultiheadAttention(D, H, batch_first=True)
    reference.load_state_dict(
        {"in_proj_weight": pool.qkv.weight, "in_proj_bias": pool.qkv.bias,
         "out_proj.weight": pool.out.weight, "out_proj.bias": pool.out.bias}
    )  # fmt: skip
    states = torch.randn(M, N, D)
    mask = torch.arange(N) < torch.tensor([7, 3, 5])[:, None] if masked else None
    probe = pool.probe.expand(M, 1, D)
    ignored = None if mask is None else ~mask
    read = reference(probe, states, states, key_padding_mask=ignored)[0][:, 0]
    exact = read + pool.feed_forward(pool.norm(read))
    assert torch.allclose(pool(states, mask), exact, atol=1e-5)
    with torch.inference_mode():
        frozen = freeze_linears(pool, torch.bfloat16)(states, mask)
    assert torch.cosine_similarity(frozen.float(), exact, dim=-1).min() > 0.999


def test_the_mean_is_one_of_the_tokens_that_it_asks() -> None:
    pool = MeanQueryPool(2, D, H, output_width=D)
    pool.init_weights()
    tokens = torch.randn(M, 4, D)
    whole = torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1) + pool.position_embedding
    attention = SelfAttention(D, H)
    kept = {n: t for n, t in pool.state_dict().items() if n != "position_embedding"}
    attention.load_state_dict(kept)
    assert torch.allclose(pool(tokens, (2, 2)), attention(whole)[:, 0], atol=1e-5)
    assert pool(torch.randn(M, 6, D), (3, 2)).shape == (M, D)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    for make in (lambda: AttentionPool(D, 5, 40), lambda: MeanQueryPool(2, D, 5, 8)):
        with pytest.raises(ValueError, match="5 heads do not divide a width of 24"):
            make()
