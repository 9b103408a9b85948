from __future__ import annotations

import pytest
import torch
from torch import nn

from interlingua.nn.conv import (
    ConvNormActivation,
    Padding,
    SameConv2d,
    SqueezeExcite,
    edge_padding,
    init_conv_weights,
    same_padding,
)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    # what TensorFlow's documentation of "SAME" gives
    [
        (224, 3, 2, (0, 1)),
        (225, 3, 2, (1, 1)),
        (112, 5, 2, (1, 2)),
        (75, 5, 2, (2, 2)),
        (14, 5, 1, (2, 2)),
        (7, 1, 1, (0, 0)),
        (1, 3, 2, (1, 1)),
    ],
)
def test_same_padding(size: int, kernel: int, stride: int, padding: tuple[int, int]) -> None:
    assert same_padding(size, kernel, stride) == padding


@pytest.mark.parametrize(
    ("padding", "kernel", "stride", "pixels"),
    [
        ("end", 3, 2, (0, 1)),
        ("end", 5, 2, (1, 2)),
        ("end", 3, 1, (1, 1)),
        ("end", 1, 2, (0, 0)),
        ("symmetric", 5, 2, (2, 2)),
        ("symmetric", 1, 1, (0, 0)),
    ],
)
def test_other_paddings_do_not_look_at_the_size(
    padding: Padding, kernel: int, stride: int, pixels: tuple[int, int]
) -> None:
    assert {edge_padding(size, kernel, stride, padding) for size in (8, 9, 75)} == {pixels}


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("size", [(8, 8), (9, 9), (8, 9)])
def test_output_position_sees_the_pixels_that_tensorflow_gives_it(
    size: tuple[int, int], kernel: int, stride: int
) -> None:
    conv = SameConv2d(2, 3, kernel, stride)
    pixels = torch.randn(1, 2, *size)
    output = conv(pixels)
    assert output.shape[-2:] == (-(-size[0] // stride), -(-size[1] // stride))
    top, left = (same_padding(side, kernel, stride)[0] for side in size)
    wide = nn.functional.pad(pixels, (kernel,) * 4)
    for row, column in ((0, 0), (output.shape[2] - 1, output.shape[3] - 1), (1, 2)):
        y, x = row * stride - top + kernel, column * stride - left + kernel
        seen = wide[0, :, y : y + kernel, x : x + kernel]
        exact = (conv.weight * seen).sum((1, 2, 3))
        assert torch.allclose(output[0, :, row, column], exact, atol=1e-5)


def test_block_normalises_activates_and_adds_the_residual_last() -> None:
    block = ConvNormActivation(3, 3, 3, activation="relu6").eval()
    pixels = torch.randn(2, 3, 6, 6) * 20
    plain = block(pixels)
    assert plain.min() >= 0 and plain.max() <= 6
    assert torch.equal(block(pixels, pixels), plain + pixels)


def test_squeeze_excite_weights_whole_channels() -> None:
    layer = SqueezeExcite(4, 2)
    states = torch.rand(2, 4, 5, 5) + 0.5
    gates = layer(states) / states
    assert torch.allclose(gates, gates[:, :, :1, :1].expand_as(gates), atol=1e-5)
    assert gates.min() > 0 and gates.max() < 1


def test_initial_weights_keep_the_size_of_the_signal() -> None:
    conv = SameConv2d(64, 64, 3)
    with torch.no_grad():
        conv.weight.fill_(torch.nan)
    init_conv_weights(conv)
    output = conv(torch.randn(2, 64, 16, 16))
    assert output[:, :, 2:-2, 2:-2].std().item() == pytest.approx(2**0.5, rel=0.1)
