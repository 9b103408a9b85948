"""An exponential moving average of what is trained: smoother weights, for measuring and for use.

Source: Polyak & Juditsky 1992, SIAM J. Control Optim. 30(4) (averaging); Tan & Le 2019,
arXiv:1905.11946, section 5 (EMA of weights with decay 0.9999 in training pictures).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from interlingua.errors import CheckpointError
from interlingua.train import sharding


class Average:
    """The averaged copy of a model's trainable parameters.

    The decay of step n is ``min(decay, (1 + n) / (10 + n))``, so that the first weights, which know
    nothing yet, are forgotten soon. Buffers (running statistics) are not averaged.

    Args:
        model: its trainable parameters are copied now.
        decay: of the average; 0.9999 looks back on some ten thousand steps.

    Attributes:
        updates: how many steps went into it.
        tensors: by parameter name, cut as the parameters are.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.updates = 0
        self.tensors: dict[str, Tensor] = {
            name: parameter.detach().clone()
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }

    def update(self, model: nn.Module) -> None:
        """Take in the weights after a step."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        averages, weights = self._pairs(model)
        with torch.no_grad():
            torch._foreach_lerp_(averages, weights, 1 - decay)

    def give_to(self, model: nn.Module) -> None:
        """Put the averages into the model for good."""
        averages, weights = self._pairs(model)
        with torch.no_grad():
            torch._foreach_copy_(weights, averages)

    @contextmanager
    def within(self, model: nn.Module) -> Iterator[None]:
        """The model has the averages inside the block and its own weights after it."""
        _, weights = self._pairs(model)
        own = [weight.clone() for weight in weights]
        self.give_to(model)
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(weights, own)

    def restore(self, tensors: Mapping[str, Tensor], updates: int) -> None:
        """Put back what a checkpoint holds, as whole tensors.

        Raises:
            CheckpointError: they belong to other parameters.
        """
        if set(tensors) != set(self.tensors):
            raise CheckpointError(
                "The checkpoint's averaged weights belong to other parameters than this stage's.",
                next_step="Resume with the run's own recipe.yaml.",
            )
        for name, whole in tensors.items():
            sharding.put(self.tensors[name], whole)
        self.updates = updates

    def _pairs(self, model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
        parameters = dict(model.named_parameters())
        averages = [sharding.local(tensor) for tensor in self.tensors.values()]
        return averages, [sharding.local(parameters[name]) for name in self.tensors]
