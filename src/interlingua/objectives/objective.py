"""The contract that every objective keeps: ``objective(outputs, batch) -> Loss``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from torch import Tensor

from interlingua.batch import Batch
from interlingua.config import NamedConfig


@dataclass(slots=True)
class Loss:
    """What an objective gives.

    Attributes:
        total: scalar, what is minimised; carries the gradient.
        parts: named scalars for the log, detached.
        counts: how many targets each part counted.
        of_all_ranks: True where ``total`` is already the loss over the batches of all processes
            (a contrastive loss that gathered); False where it is a mean over this process' own
            targets, which the loop then weights by their number.
    """

    total: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    of_all_ranks: bool = False


class Objective(Protocol):
    """A loss; ``needs`` are the named outputs that the model must compute for it."""

    needs: frozenset[str]

    def __call__(self, outputs: Any, batch: Batch) -> Loss:
        """The loss of one batch, in fp32."""


class ObjectiveConfig(NamedConfig):
    """Every objective's own settings derive from this."""

    folder: ClassVar[str] = "objectives"
