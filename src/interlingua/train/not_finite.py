"""Numbers that are not finite: the step they spoil leaves no trace, and weights of them no file.

An optimizer step is easily left out. But the forward has moved the running averages of BatchNorm
before anybody could look at the loss: they are put back.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from interlingua.errors import TrainingError
from interlingua.train import sharding

_FROM_CHECKPOINT = "The weights of the last checkpoint are finite."


class Buffers:
    """What the modules in training mode hold beside their weights, as it is now.

    Args:
        model: whose forward comes next.
    """

    def __init__(self, model: nn.Module):
        self._kept: list[tuple[Tensor, Tensor]] = [
            (buffer, buffer.detach().clone())
            for module in model.modules()
            if module.training
            for buffer in module.buffers(recurse=False)
        ]

    def put_back(self) -> None:
        """Undo what a forward did to them."""
        with torch.no_grad():
            for buffer, kept in self._kept:
                buffer.copy_(kept)


def spoiled(model: nn.Module, *, frozen: bool = False) -> str:
    """The name of a parameter or running average that is not finite; empty if there is none.

    Args:
        model: perhaps cut over several processes; what this one holds is looked at.
        frozen: look at the parameters that aren't trained as well.
    """
    for name, parameter in model.named_parameters():
        if (frozen or parameter.requires_grad) and not _is_finite(parameter):
            return name
    # of other buffers a mask may well hold -inf
    for prefix, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            for name, buffer in module.named_buffers(prefix, recurse=False):
                if not _is_finite(buffer):
                    return name
    return ""


def too_many_steps(count: int, figures: str, model: nn.Module, errors: Path) -> TrainingError:
    """Why a run ends in which steps are skipped one after another.

    Args:
        count: of the steps in a row.
        figures: loss and gradient norm of the last one.
        model: if its own weights are to blame, frozen ones among them, they are named.
        errors: the file that names the samples.
    """
    what = f"{count} steps in a row were not finite ({figures})"
    if name := spoiled(model, frozen=True):
        return TrainingError(
            f"{what}: the weights themselves are not, {name} first.",
            where=str(errors.parent),
            next_step=f"Read the weights that it began with again, or lower the learning rate. "
            f"{_FROM_CHECKPOINT}",
        )
    return TrainingError(
        f"{what}.",
        where=f"{errors} names the samples",
        next_step=f"Lower the learning rate, or look at these samples. {_FROM_CHECKPOINT}",
    )


def _is_finite(tensor: Tensor) -> bool:
    return bool(sharding.local(tensor).isfinite().all())
