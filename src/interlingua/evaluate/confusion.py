"""What is taken for what: counts of predictions per class.

Shape legend: N pictures, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Mistake:
    """Pictures of one class that were taken for another.

    Attributes:
        true, taken_for: numbers of classes.
        count: how many.
        share: of the class's pictures.
    """

    true: int
    taken_for: int
    count: int
    share: float


def confusion(labels: npt.ArrayLike, predicted: npt.ArrayLike, num_classes: int) -> IntArray:
    """Counts [C, C]: row = the true class, column = the predicted one.

    Raises:
        ValueError: not one prediction per label, or a number that is no class.
    """
    true, taken = np.asarray(labels, np.int64), np.asarray(predicted, np.int64)
    if true.shape != taken.shape or true.ndim != 1:
        raise ValueError(f"labels {true.shape} and predictions {taken.shape}")
    both = np.concatenate([true, taken])
    if len(both) and (both.min() < 0 or both.max() >= num_classes):
        raise ValueError(f"classes are 0 to {num_classes - 1}, not {both.min()} to {both.max()}")
    counts = np.bincount(true * num_classes + taken, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def mistakes(matrix: IntArray, most: int = 20) -> list[Mistake]:
    """The commonest confusions, most first; equal counts in the order of the classes."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    totals = matrix.sum(1)
    found = []
    for true, taken in zip(*np.unravel_index(order, matrix.shape), strict=True):
        count = int(wrong[true, taken])
        if count:
            found.append(Mistake(int(true), int(taken), count, count / int(totals[true])))
    return found
