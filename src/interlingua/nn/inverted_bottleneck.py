"""The inverted bottleneck: wide inside, narrow outside.

Shape legend: M pictures, C channels, H height, W width.

Sources: Sandler et al. 2018 (arXiv 1801.04381), section 3.3; with squeeze-and-excitation, Tan & Le
2019 (arXiv 1905.11946), section 4; stochastic depth, Huang et al. 2016 (arXiv 1603.09382),
section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from interlingua.nn.conv import Activation, ConvNormActivation, Padding, SqueezeExcite


class InvertedBottleneck(nn.Module):
    """Expand, depthwise, squeeze-excite, project, and a residual where it is said.

    Args:
        in_channels: C.
        out_channels: C'.
        kernel: side of the depthwise kernel.
        stride: of the depthwise convolution.
        expansion: the inner width divided by C.
        activation: after the first two convolutions.
        squeeze_excite: whether to weight channels by their averages.
        residual: whether to add the input; the shapes must agree.
        padding: of the depthwise convolution.
        norm_eps: of the batch norms.
        drop: share of samples whose block a training step skips, where there is a residual.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int,
        stride: int,
        expansion: int,
        activation: Activation,
        squeeze_excite: bool,
        residual: bool,
        padding: Padding = "same",
        norm_eps: float = 1e-3,
        drop: float = 0.0,
    ):
        super().__init__()
        inner = in_channels * expansion
        self.has_residual = residual
        self.drop = drop
        self.expand: nn.Module | None = None
        if expansion > 1:
            self.expand = ConvNormActivation(
                in_channels, inner, 1, activation=activation, norm_eps=norm_eps
            )
        self.depthwise = ConvNormActivation(
            inner,
            inner,
            kernel,
            stride=stride,
            groups=inner,
            activation=activation,
            norm_eps=norm_eps,
            padding=padding,
        )
        self.squeeze_excite: nn.Module | None = None
        if squeeze_excite:  # the paper's ratio of 0.25 counts from the block's input
            self.squeeze_excite = SqueezeExcite(inner, max(1, in_channels // 4))
        self.project = ConvNormActivation(inner, out_channels, 1, norm_eps=norm_eps)

    def forward(self, states: Tensor) -> Tensor:
        """[M, C, H, W] to [M, C', H / stride, W / stride]."""
        inner = states if self.expand is None else self.expand(states)
        inner = self.depthwise(inner)
        if self.squeeze_excite is not None:
            inner = self.squeeze_excite(inner)
        if self.has_residual and self.drop and self.training:
            return states + drop_samples(self.project(inner), self.drop)
        return self.project(inner, states if self.has_residual else None)


def drop_samples(states: Tensor, share: float) -> Tensor:
    """Whole samples set to zero at random, the rest scaled so that the mean stays.

    Args:
        states: [M, ...].
        share: of samples that are dropped, below 1.
    """
    kept = torch.rand(states.shape[0], device=states.device) >= share
    scale = kept.to(states.dtype) / (1 - share)
    return states * scale.view(-1, *[1] * (states.dim() - 1))
