"""A linear layer that trains in bf16 on CPUs at the speed of the bare matrix product.

Under autocast torch lays the bias out as a whole matrix and then adds the product to it, which
costs as much as a fifth of the product. oneDNN's own linear layer adds the bias while it writes.

Shape legend: I input width, O output width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from interlingua.nn.frozen_linear import has_onednn_linear

_HAS_ONEDNN = has_onednn_linear()


class Linear(nn.Linear):
    """``torch.nn.Linear`` in all but the time that it takes; same names, same values."""

    def forward(self, states: Tensor) -> Tensor:
        """[..., I] to [..., O]."""
        if self.bias is None or not _trains_in_bf16_on_a_cpu(states):
            return super().forward(states)
        product: Tensor = _OneDNNLinear.apply(states, self.weight, self.bias)
        return product


def _trains_in_bf16_on_a_cpu(states: Tensor) -> bool:
    return (
        _HAS_ONEDNN
        and states.device.type == "cpu"
        and torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and not torch.compiler.is_compiling()
    )


class _OneDNNLinear(torch.autograd.Function):
    """The products in bf16, the gradients of weight and bias given back in the weight's dtype."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        rows, matrix = states.to(torch.bfloat16), weight.to(torch.bfloat16)
        ctx.save_for_backward(rows, matrix)
        ctx.dtypes = states.dtype, weight.dtype
        product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, matrix, bias, "none", [], "")
        return product

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, matrix = ctx.saved_tensors
        states_dtype, weight_dtype = ctx.dtypes
        flat = gradient.reshape(-1, gradient.shape[-1])  # [M, O]
        of_states = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            of_states = (flat @ matrix).view(rows.shape).to(states_dtype)
        if ctx.needs_input_grad[1]:
            of_weight = (flat.T @ rows.reshape(-1, rows.shape[-1])).to(weight_dtype)
        if ctx.needs_input_grad[2]:
            of_bias = flat.sum(0).to(weight_dtype)  # accumulates in fp32
        return of_states, of_weight, of_bias
