"""Linear layers of frozen towers: the weights in bf16, what flows between the layers in fp32.

A frozen linear layer takes any dtype, computes in its own and gives that, so a residual stream
and LayerNorms that are in fp32 stay so; only the products, where the time goes, are in bf16. On
a CPU oneDNN does the product, in fp32 too: torch's usual one (MKL) leaves half of an AMD
processor unused.

Shape legend: N rows, I input width, O output width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

ModuleType = TypeVar("ModuleType", bound=nn.Module)


def has_onednn_linear() -> bool:
    """True where torch has the linear layer that ``torch.compile`` uses on CPUs."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class FrozenLinear(nn.Module):
    """A linear layer that no longer learns.

    Args:
        linear: what to freeze; it is not changed.
        precision: of the weights and of the output; the bias keeps its own.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear, precision: torch.dtype):
        super().__init__()
        self.register_buffer("weight", linear.weight.detach().to(precision))
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach())
        self.use_onednn = has_onednn_linear()

    def forward(self, states: Tensor, gelu: str | None = None) -> Tensor:
        """[..., I] to [..., O].

        Args:
            states: of any dtype.
            gelu: ``none`` or ``tanh``, torch's names for the exact one and its approximation: it is
                done while the product is written, before it is rounded.
        """
        states = states.to(self.weight.dtype)
        if self.use_onednn and states.device.type == "cpu" and not torch.is_grad_enabled():
            after: tuple[str, list[float], str] = (
                ("none", [], "") if gelu is None else ("gelu", [], gelu)
            )
            product: Tensor = torch.ops.mkldnn._linear_pointwise(
                states, self.weight, self.bias, *after
            )
            return product
        bias = None if self.bias is None else self.bias.to(states.dtype)
        product = functional.linear(states, self.weight, bias)
        return product if gelu is None else functional.gelu(product, approximate=gelu)


def freeze_linears(
    module: ModuleType, precision: torch.dtype, keep_exact: Sequence[str] = ()
) -> ModuleType:
    """Replace every linear layer inside a module by a frozen one, in place; freeze the rest.

    Args:
        module: in evaluation mode, fp32.
        precision: of the linear layers; all else stays in fp32.
        keep_exact: names of parts whose linear layers stay in fp32.
    """
    for name, part in list(module.named_modules()):
        if isinstance(part, nn.Linear):
            exact = any(name == kept or name.startswith(f"{kept}.") for kept in keep_exact)
            parent, _, last = name.rpartition(".")
            frozen = FrozenLinear(part, torch.float32 if exact else precision)
            setattr(module.get_submodule(parent), last, frozen)
    return module.requires_grad_(False)
