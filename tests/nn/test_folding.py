"""The folded convolution against the block that it replaces."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from interlingua.nn.conv import Activation, ConvNormActivation, Padding
from interlingua.nn.folding import FoldedConv, fold_for_inference, round_keeping_sums


def trained_block(
    kernel: int, stride: int, groups: int, activation: Activation, padding: Padding = "same"
) -> ConvNormActivation:
    block = ConvNormActivation(
        6, 6, kernel, stride=stride, groups=groups, activation=activation, padding=padding
    ).eval()
    with torch.no_grad():
        block.norm.weight.uniform_(0.5, 2.0)
        block.norm.bias.normal_()
    assert block.norm.running_mean is not None and block.norm.running_var is not None
    block.norm.running_mean.normal_()
    block.norm.running_var.uniform_(0.5, 2.0)
    return block


@pytest.mark.parametrize("size", [(8, 8), (9, 9), (8, 9), (1, 1)])
@pytest.mark.parametrize("padding", ["same", "end", "symmetric"])
@pytest.mark.parametrize("activation", ["none", "relu", "relu6", "swish"])
@pytest.mark.parametrize(
    ("kernel", "stride", "groups"), [(1, 1, 1), (3, 2, 1), (3, 1, 6), (3, 2, 6), (5, 2, 6)]
)
def test_folded_equals_the_block(
    kernel: int,
    stride: int,
    groups: int,
    activation: Activation,
    padding: Padding,
    size: tuple[int, int],
) -> None:
    if size == (1, 1) and padding == "end" and stride == 2:
        pytest.skip("one pixel and one of padding are less than the kernel")
    block = trained_block(kernel, stride, groups, activation, padding)
    folded = FoldedConv(block, torch.float32)
    pixels = torch.randn(2, 6, *size).to(memory_format=torch.channels_last)
    exact = block(pixels)
    assert torch.allclose(folded(pixels), exact, atol=1e-5)  # the path with gradients
    with torch.inference_mode():
        assert torch.allclose(folded(pixels), exact, atol=1e-5)  # the fused path
        residual = torch.randn_like(exact)
        assert torch.allclose(folded(pixels, residual), exact + residual, atol=1e-5)


def test_bf16_stays_close_and_keeps_its_input() -> None:
    block = trained_block(3, 1, 6, "swish")
    pixels = torch.randn(2, 6, 8, 8)
    before = pixels.clone()
    with torch.inference_mode():
        output = FoldedConv(block, torch.bfloat16)(pixels)
    assert output.dtype == torch.bfloat16
    assert (output.float() - block(pixels)).abs().max() < 0.05
    assert torch.equal(pixels, before)


def test_rounding_keeps_the_sums_of_kernels() -> None:
    weight = torch.randn(64, 4, 3, 3)
    rounded = round_keeping_sums(weight, torch.bfloat16)
    assert torch.equal(rounded, rounded.bfloat16().float())

    def worst(candidate: torch.Tensor) -> float:
        return float((candidate.sum((2, 3)) - weight.sum((2, 3))).abs().mean())

    assert worst(rounded) < 0.2 * worst(weight.bfloat16().float())
    # no single weight moves by more than two steps of the grid at the largest weight
    step = weight.abs().amax((2, 3), keepdim=True) * 2**-8
    assert ((rounded - weight).abs() <= 2 * step).all()


def test_named_parts_stay_exact() -> None:
    net = nn.Sequential(trained_block(3, 1, 6, "none"), trained_block(3, 2, 6, "none")).eval()
    exact = net(torch.ones(1, 6, 4, 4))
    folded = fold_for_inference(net, torch.bfloat16, keep_exact=("0",))
    assert [part.weight.dtype for part in folded] == [torch.float32, torch.bfloat16]
    assert not any(parameter.requires_grad for parameter in folded.parameters())
    assert (folded(torch.ones(1, 6, 4, 4)).float() - exact).abs().max() < 0.05
