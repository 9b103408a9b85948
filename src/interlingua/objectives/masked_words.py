"""Which words were hidden, or come next: cross entropy over the guessed places.

Sources: Devlin et al. 2018 (BERT, arXiv 1810.04805), section 3.1; Radford et al. 2018 (GPT),
equation 1.

Shape legend: K guessed places, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from interlingua.batch import Batch
from interlingua.objectives.objective import Loss, ObjectiveConfig


def masked_words_loss(logits: Tensor, target: Tensor) -> Tensor:
    """The mean cross entropy of the true tokens, in fp32 (or fp64 where that is given).

    Args:
        logits: [K, V].
        target: [K] int64.

    Returns:
        Scalar; 0, still differentiable, where nothing is guessed.
    """
    if not len(target):
        return 0.0 * logits.sum()
    exact = torch.float64 if logits.dtype == torch.float64 else torch.float32
    with torch.autocast(logits.device.type, enabled=False):
        return functional.cross_entropy(logits.to(exact), target)


class MaskedWordsObjective:
    """Reads ``outputs.logits`` [K, V] and ``outputs.target`` [K]."""

    needs: frozenset[str] = frozenset({"words"})

    class Config(ObjectiveConfig):
        """No settings: what is hidden is the model's."""

        name: str = "masked_words"

    def __init__(self, config: Config):
        self.config = config

    def __call__(self, outputs: Any, batch: Batch) -> Loss:
        """The loss of one batch; ``counts`` is in words (tokens)."""
        total = masked_words_loss(outputs.logits, outputs.target)
        count = len(outputs.target)
        right = (outputs.logits.detach().argmax(1) == outputs.target).float()
        accuracy = right.mean() if count else torch.zeros((), device=total.device)
        return Loss(
            total,
            {"words": total.detach(), "accuracy": accuracy},
            {"words": count, "accuracy": count},
        )
