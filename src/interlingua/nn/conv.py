"""Convolutional blocks: convolution + batch norm + activation, depthwise ones, squeeze-excite.

Padding is TensorFlow's "SAME" unless it is said otherwise, which puts the odd pixel at the end;
the public EfficientNet weights were trained with it, and torch's symmetric padding shifts every
stride-2 layer. For odd sides of a picture the port of these weights in transformers, ALIGN's too,
pads otherwise than TensorFlow does; ResNets pad symmetrically.

Shape legend: B batch, C channels, H height, W width.

Sources: depthwise separable convolution, Howard et al. 2017 (arXiv 1704.04861), section 3.1;
squeeze-and-excitation, Hu et al. 2017 (arXiv 1709.01507), section 3.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

Activation = Literal["none", "relu", "relu6", "swish"]
Padding = Literal["same", "end", "symmetric"]


def activation_layer(name: Activation) -> nn.Module:
    """The module of an activation's name."""
    if name == "relu":
        return nn.ReLU()
    if name == "relu6":
        return nn.ReLU6()
    return nn.SiLU() if name == "swish" else nn.Identity()


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pixels before and after one axis, so that the output has ``ceil(size / stride)``."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def edge_padding(size: int, kernel: int, stride: int, padding: Padding) -> tuple[int, int]:
    """Pixels before and after one axis.

    Args:
        size: of the axis.
        kernel: side, odd.
        stride: of the convolution.
        padding: ``same`` is TensorFlow's; ``end`` is that of an even size, whatever the size;
            ``symmetric`` is half the kernel on both sides.
    """
    if padding == "same":
        return same_padding(size, kernel, stride)
    half = kernel // 2
    return (half - 1, half) if padding == "end" and stride == 2 and half else (half, half)


class SameConv2d(nn.Conv2d):
    """A convolution without bias that keeps the size but for its stride; see ``edge_padding``."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        edges: Padding = "same",
    ):
        super().__init__(in_channels, out_channels, kernel, stride, groups=groups, bias=False)
        self.edges: Padding = edges

    def forward(self, pixels: Tensor) -> Tensor:
        """[B, C, H, W] to [B, C', ceil(H / stride), ceil(W / stride)]; ``end`` rounds down."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        top, bottom = edge_padding(pixels.shape[-2], kernel, stride, self.edges)
        left, right = edge_padding(pixels.shape[-1], kernel, stride, self.edges)
        if (top, left) == (bottom, right):
            return functional.conv2d(
                pixels, self.weight, None, self.stride, (top, left), groups=self.groups
            )
        padded = functional.pad(pixels, (left, right, top, bottom))
        return functional.conv2d(padded, self.weight, None, self.stride, groups=self.groups)


class ConvNormActivation(nn.Module):
    """Convolution, batch norm, activation, and a residual added at the end where one is given.

    Args:
        in_channels: C.
        out_channels: C'.
        kernel: side of the kernel.
        stride: of the convolution.
        groups: ``in_channels`` makes it depthwise.
        activation: after the norm.
        norm_eps, norm_momentum: of the batch norm; 0.01 is one minus TensorFlow's 0.99.
        padding: at the edges.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        groups: int = 1,
        activation: Activation = "none",
        norm_eps: float = 1e-3,
        norm_momentum: float = 0.01,
        padding: Padding = "same",
    ):
        super().__init__()
        self.conv = SameConv2d(in_channels, out_channels, kernel, stride, groups, padding)
        self.norm = nn.BatchNorm2d(out_channels, eps=norm_eps, momentum=norm_momentum)
        self.activation_name: Activation = activation
        self.activation = activation_layer(activation)

    def forward(self, pixels: Tensor, residual: Tensor | None = None) -> Tensor:
        """[B, C, H, W] to [B, C', ceil(H / stride), ceil(W / stride)]."""
        states = self.activation(self.norm(self.conv(pixels)))
        return states if residual is None else states + residual


class SqueezeExcite(nn.Module):
    """Weights channels by a small network of their averages.

    Args:
        channels: C.
        squeezed: width of the bottleneck.
    """

    def __init__(self, channels: int, squeezed: int):
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.activation = nn.SiLU()
        self.expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, states: Tensor) -> Tensor:
        """[B, C, H, W] to [B, C, H, W]."""
        averages = states.mean((2, 3), keepdim=True)  # [B, C, 1, 1]
        gates = self.expand(self.activation(self.reduce(averages)))
        return states * gates.sigmoid()


def init_conv_weights(module: nn.Module) -> None:
    """Normal weights by fan out, zero biases, batch norms at one and zero, in place.

    Source: the initialiser of the published EfficientNet code (Tan & Le 2019).
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            fan_out = part.kernel_size[0] * part.kernel_size[1] * part.out_channels // part.groups
            nn.init.normal_(part.weight, std=(2.0 / fan_out) ** 0.5)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.BatchNorm2d):
            part.reset_parameters()
        elif isinstance(part, nn.Linear):
            bound = part.in_features**-0.5
            nn.init.uniform_(part.weight, -bound, bound)
            nn.init.zeros_(part.bias)
