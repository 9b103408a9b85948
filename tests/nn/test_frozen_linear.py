from __future__ import annotations

import pytest
import torch
from torch import nn

from interlingua.nn.frozen_linear import FrozenLinear, freeze_linears


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 16), (2, 5, 16), (0, 16)])
def test_frozen_equals_the_layer(bias: bool, shape: tuple[int, ...]) -> None:
    linear = nn.Linear(16, 8, bias=bias)
    frozen = FrozenLinear(linear, torch.float32)
    states = torch.randn(shape)
    exact = linear(states)
    assert torch.allclose(frozen(states), exact, atol=1e-5)  # the path with gradients
    with torch.inference_mode():
        assert torch.allclose(frozen(states), exact, atol=1e-5)  # the oneDNN path


def test_bf16_weights_take_and_keep_apart_from_fp32_states() -> None:
    linear = nn.Linear(64, 32)
    states = torch.randn(4, 64)
    with torch.inference_mode():
        product = FrozenLinear(linear, torch.bfloat16)(states)
    assert product.dtype == torch.bfloat16
    assert (product.float() - linear(states)).abs().max() < 0.05
    assert (states + product.repeat(1, 2)).dtype == torch.float32  # a residual stream stays exact


def test_freezing_keeps_named_parts_exact() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4))
    frozen = freeze_linears(net, torch.bfloat16, keep_exact=("0",))
    assert frozen[0].weight.dtype == torch.float32
    assert frozen[1].weight.dtype == torch.float32
    assert frozen[2].weight.dtype == torch.bfloat16
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
