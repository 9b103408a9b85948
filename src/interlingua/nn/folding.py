"""Convolutions for frozen towers: batch norm folded in, quick and still close in bf16.

A batch norm that no longer learns is a scale and a shift per channel, so it disappears into the
weights and a bias (Jacob et al. 2017, arXiv 1712.05877, section 3.2). Beside it:

- Channels-last order, and the activation inside the kernel where oneDNN is there.
- No padded copy of the input. TensorFlow's padding puts a pixel more at the end of a stride-2
  layer, which kernels can't do by themselves; a kernel with a row and a column of zeros in
  front gives the same sums under symmetric padding.
- In bf16, weights are rounded so that the sum of each small kernel stays what it was: drawings
  are flat nearly everywhere, and there a kernel acts by its sum alone. Biases stay in fp32.

Shape legend: B batch, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from interlingua.nn.conv import Activation, ConvNormActivation, edge_padding

ModuleType = TypeVar("ModuleType", bound=nn.Module)

# an activation as oneDNN's fused convolution names it
FUSED_ACTIVATIONS: dict[Activation, tuple[str, list[float]]] = {
    "none": ("none", []),
    "relu": ("relu", []),
    "relu6": ("hardtanh", [0.0, 6.0]),
    "swish": ("swish", []),
}


def has_fused_convolution() -> bool:
    """True where torch has the convolution that ``torch.compile`` uses on CPUs."""
    return torch.backends.mkldnn.is_available() and hasattr(
        torch.ops.mkldnn, "_convolution_pointwise"
    )


class FoldedConv(nn.Module):
    """A ``ConvNormActivation`` in evaluation mode as one convolution with a bias.

    Args:
        block: what to fold; it is not changed.
        precision: of the weights and of the output.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, block: ConvNormActivation, precision: torch.dtype):
        super().__init__()
        conv, norm = block.conv, block.norm
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()  # [C']
        weight = (conv.weight * scale[:, None, None, None]).detach()
        self.kernel, self.stride, self.groups = conv.kernel_size[0], conv.stride[0], conv.groups
        if precision != weight.dtype and self.kernel > 1:
            weight = round_keeping_sums(weight, precision)
        self.edges = conv.edges
        self.has_zero_edge = self.stride == 2 and self.kernel > 1 and self.edges != "symmetric"
        if self.has_zero_edge:
            weight = functional.pad(weight, (1, 0, 1, 0))  # [C', C / groups, K + 1, K + 1]
        weight = weight.to(precision, memory_format=torch.channels_last)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", (norm.bias - norm.running_mean * scale).detach())
        self.activation: Activation = block.activation_name
        self.fuse = has_fused_convolution()

    def forward(self, pixels: Tensor, residual: Tensor | None = None) -> Tensor:
        """[B, C, H, W] to [B, C', ceil(H / stride), ceil(W / stride)]."""
        pixels, weight, padding = self._padded(pixels.to(self.weight.dtype))
        if self.fuse and pixels.device.type == "cpu" and not torch.is_grad_enabled():
            name, limits = FUSED_ACTIVATIONS[self.activation]
            stride = [self.stride, self.stride]
            states = torch.ops.mkldnn._convolution_pointwise(
                pixels, weight, self.bias, padding, stride, [1, 1], self.groups, name, limits, ""
            )
            return states if residual is None else states.add_(residual)
        bias = self.bias.to(weight.dtype)
        states = functional.conv2d(pixels, weight, bias, self.stride, padding, groups=self.groups)
        if self.activation == "relu":
            states = functional.relu(states)
        elif self.activation == "relu6":
            states = functional.relu6(states)
        elif self.activation == "swish":
            states = functional.silu(states)
        return states if residual is None else states + residual

    def _padded(self, pixels: Tensor) -> tuple[Tensor, Tensor, list[int]]:
        """The input, the kernel and the symmetric padding that together give the block's own."""
        top, bottom = edge_padding(pixels.shape[-2], self.kernel, self.stride, self.edges)
        left, right = edge_padding(pixels.shape[-1], self.kernel, self.stride, self.edges)
        if not self.has_zero_edge:
            return pixels, self.weight, [top, left]
        if bottom == top + 1 and right == left + 1:
            return pixels, self.weight, [bottom, right]
        plain = self.weight[:, :, 1:, 1:].contiguous(memory_format=torch.channels_last)
        if (top, left) == (bottom, right):  # odd sides
            return pixels, plain, [top, left]
        return functional.pad(pixels, (left, right, top, bottom)), plain, [0, 0]


def round_keeping_sums(weight: Tensor, precision: torch.dtype) -> Tensor:
    """Round kernels so that the sum of each stays close to what it was.

    What is lost on the large weights of a kernel is carried on to its smaller ones, which lie
    on a finer grid (error diffusion).

    Args:
        weight: [C', C, K, K].
        precision: whose grid the result lies on.

    Returns:
        [C', C, K, K], in the dtype of ``weight``.
    """
    flat = weight.flatten(2)  # [C', C, K * K]
    order = flat.abs().argsort(dim=-1, descending=True)
    ordered = flat.gather(-1, order)
    rounded = torch.empty_like(ordered)
    carry = torch.zeros_like(ordered[..., 0])
    for place in range(ordered.shape[-1]):
        exact = ordered[..., place] + carry
        rounded[..., place] = exact.to(precision).to(exact.dtype)
        carry = exact - rounded[..., place]
    return torch.empty_like(flat).scatter_(-1, order, rounded).view_as(weight)


def fold_for_inference(
    module: ModuleType, precision: torch.dtype, keep_exact: Sequence[str] = ()
) -> ModuleType:
    """Fold every ``ConvNormActivation`` inside a module, in place; cast and freeze the rest.

    Args:
        module: in evaluation mode, fp32.
        precision: of the weights.
        keep_exact: names of parts that stay in fp32.
    """
    for name, part in list(module.named_modules()):
        exact = any(name == kept or name.startswith(f"{kept}.") for kept in keep_exact)
        dtype = torch.float32 if exact else precision
        if isinstance(part, ConvNormActivation):
            parent, _, last = name.rpartition(".")
            setattr(module.get_submodule(parent), last, FoldedConv(part, dtype))
        elif not list(part.children()):
            part.to(dtype)
    return module.requires_grad_(False)
