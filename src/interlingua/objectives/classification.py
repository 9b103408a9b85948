"""Which class a sample is of: cross entropy with smoothed labels.

Sources: label smoothing, Szegedy et al. 2015 (arXiv 1512.00567), section 7.

Shape legend: M media, C classes.
"""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from interlingua.batch import Batch
from interlingua.errors import DataError
from interlingua.objectives.objective import Loss, ObjectiveConfig


def classification_loss(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """The mean cross entropy against ``1 - smoothing`` for the true class and the rest over all.

    Args:
        logits: [M, C]; computed in fp32 (or fp64 where that is given).
        labels: [M] int64; negative ones are passed over.
        smoothing: share of the probability that is spread evenly over all C classes.

    Returns:
        Scalar; 0, still differentiable, where no label counts.
    """
    known = labels >= 0
    if not bool(known.any()):
        return 0.0 * logits.sum()
    exact = torch.float64 if logits.dtype == torch.float64 else torch.float32
    with torch.autocast(logits.device.type, enabled=False):
        return functional.cross_entropy(
            logits[known].to(exact), labels[known], label_smoothing=smoothing
        )


class ClassificationObjective:
    """Reads ``outputs.logits`` [M, C], ``outputs.logit_owner`` [M] and ``batch.labels`` [B]."""

    needs: frozenset[str] = frozenset({"logits"})

    class Config(ObjectiveConfig):
        """Settings.

        Attributes:
            smoothing: share of the probability that is spread over all classes.
        """

        name: str = "classification"
        smoothing: float = Field(default=0.1, ge=0, lt=1)

    def __init__(self, config: Config):
        self.config = config

    def __call__(self, outputs: Any, batch: Batch) -> Loss:
        """The loss of one batch; samples of no class are passed over.

        Raises:
            DataError: the batch has no labels at all.
        """
        if batch.labels is None:
            raise DataError(
                "The samples have no classes.",
                where="objectives.classification",
                next_step="Train a model that has classes, model.name=classifier.",
            )
        labels = batch.labels[outputs.logit_owner]
        known = labels >= 0
        total = classification_loss(outputs.logits, labels, self.config.smoothing)
        count = int(known.sum())
        right = (outputs.logits.detach().argmax(1) == labels)[known].float()
        accuracy = right.mean() if count else torch.zeros((), device=labels.device)
        return Loss(
            total,
            {"classes": total.detach(), "accuracy": accuracy},
            {"classes": count, "accuracy": count},
        )
