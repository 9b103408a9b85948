"""What hidden patches of a picture look like: distance to pixels that each patch normalises.

Notable: a patch is compared after its own mean is taken off and its own deviation divided out, so
that structure counts and not brightness; a plain patch's target is all zeros.

Sources: He et al. 2021 (MAE, arXiv 2111.06377), section 3 and table 1d (normalised targets, mean
square); Xie et al. 2022 (SimMIM, arXiv 2111.09886), section 3.4 (absolute distance).

Shape legend: K hidden patches, P side of a patch.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from interlingua.batch import Batch
from interlingua.objectives.objective import Loss, ObjectiveConfig

EPSILON = 1e-6  # added to the variance, as in MAE


def masked_patches_loss(
    predicted: Tensor, target: Tensor, distance: str = "square", normalise: bool = True
) -> Tensor:
    """The mean distance over all numbers of all hidden patches, in fp32 (or fp64).

    Args:
        predicted: [K, 3 * P * P].
        target: the same shape.
        distance: ``square`` or ``absolute``.
        normalise: each target patch by its own mean and (unbiased) variance.

    Returns:
        Scalar; 0, still differentiable, where nothing is hidden.
    """
    if not len(predicted):
        return 0.0 * predicted.sum()
    exact = torch.float64 if predicted.dtype == torch.float64 else torch.float32
    target = target.detach().to(exact)
    if normalise:
        centred = target - target.mean(1, keepdim=True)
        target = centred / (target.var(1, keepdim=True) + EPSILON).sqrt()
    difference = predicted.to(exact) - target
    return (difference.square() if distance == "square" else difference.abs()).mean()


class MaskedPatchesObjective:
    """Reads ``outputs.predicted`` and ``outputs.target``, [K, 3 * P * P] each."""

    needs: frozenset[str] = frozenset({"patches"})

    class Config(ObjectiveConfig):
        """Settings.

        Attributes:
            distance: ``square`` (MAE) or ``absolute`` (SimMIM).
            normalise: the target by each patch's own mean and deviation.
        """

        name: str = "masked_patches"
        distance: Literal["square", "absolute"] = "square"
        normalise: bool = True

    def __init__(self, config: Config):
        self.config = config

    def __call__(self, outputs: Any, batch: Batch) -> Loss:
        """The loss of one batch; ``counts`` is in patches."""
        total = masked_patches_loss(
            outputs.predicted, outputs.target, self.config.distance, self.config.normalise
        )
        return Loss(total, {"patches": total.detach()}, {"patches": len(outputs.predicted)})
