"""Calibration: whether a model that is 80 % sure is right 80 % of the time.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks" (arXiv:1706.04599), section 2:
expected calibration error with equal-width bins.

Shape legend: N pictures, C classes, K bins.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from interlingua.evaluate.intervals import FloatArray

BINS = 15
SMALLEST = 1e-12  # a probability of 0 for the truth would make the likelihood infinite


@dataclass(frozen=True, slots=True)
class Bin:
    """Pictures whose confidence is in one range.

    Attributes:
        low, high: of the confidence.
        n: how many.
        confidence, accuracy: their means, 0 where there are none.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far confidence and accuracy are apart.

    Attributes:
        error: expected calibration error: the mean gap, weighted by how many are in each bin.
        confidence: mean probability of the predicted class.
        accuracy: share of right predictions.
        nll: mean negative log-likelihood of the true class, in nats.
        bins: K of them.
    """

    error: float
    confidence: float
    accuracy: float
    nll: float
    bins: tuple[Bin, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return asdict(self)


def probabilities(scores: npt.ArrayLike, scale: float) -> FloatArray:
    """Softmax over the classes of scores [N, C] times an inverse temperature."""
    logits = np.asarray(scores, np.float64) * scale
    exponent = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(exponent / exponent.sum(1, keepdims=True))


def model_scale(model: Any) -> float:
    """The inverse temperature that a model has learned; 1 where it has none."""
    log_scale = getattr(model, "log_scale", None)
    return 1.0 if log_scale is None else math.exp(float(log_scale.detach()))


def calibration(chances: npt.ArrayLike, labels: npt.ArrayLike, bins: int = BINS) -> Calibration:
    """How well probabilities [N, C] say what is right.

    Raises:
        ValueError: nothing to judge, or probabilities that don't add up to 1.
    """
    table, true = np.asarray(chances, np.float64), np.asarray(labels, np.int64)
    if table.ndim != 2 or len(table) != len(true) or not len(true):
        raise ValueError(f"probabilities {table.shape} and {true.shape} labels")
    if not np.allclose(table.sum(1), 1, atol=1e-4):
        raise ValueError("the probabilities of a picture must add up to 1")
    confidence = table.max(1)
    right = (table.argmax(1) == true).astype(np.float64)
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    sums = [np.bincount(place, values, bins) for values in (confidence, right)]
    means = [total / np.maximum(counts, 1) for total in sums]
    gap = np.abs(means[0] - means[1])
    truth = table[np.arange(len(true)), true]
    return Calibration(
        error=float((counts * gap).sum() / len(true)),
        confidence=float(confidence.mean()),
        accuracy=float(right.mean()),
        nll=float(-np.log(np.maximum(truth, SMALLEST)).mean()),
        bins=tuple(
            Bin(number / bins, (number + 1) / bins, int(count), float(sure), float(share))
            for number, (count, sure, share) in enumerate(zip(counts, *means, strict=True))
        ),
    )
