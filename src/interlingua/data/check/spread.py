"""Many numbers as few: how many, from where to where, quantiles, and how often which size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 24
_WIDE = 30.0  # a range of more than this factor is cut into bins of equal ratio


@dataclass(frozen=True, slots=True)
class Spread:
    """What is kept of many numbers.

    Attributes:
        count: how many there are.
        total: their sum.
        low, p5, median, p95, high: the least, quantiles, the greatest.
        edges: [K + 1] of the bins.
        counts: [K] how many fall into each bin, the last edge included.
    """

    count: int
    total: float
    low: float
    p5: float
    median: float
    p95: float
    high: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]


def spread_of(
    values: Sequence[float] | NDArray[np.generic], *, whole: bool = False
) -> Spread | None:
    """The spread of numbers of any order; None where there is none.

    Args:
        values: finite, not negative.
        whole: they are counts: a bin never parts two neighbouring whole numbers.
    """
    numbers = np.sort(np.asarray(values, dtype=np.float64))
    if not len(numbers):
        return None
    p5, median, p95 = np.quantile(numbers, (0.05, 0.5, 0.95), method="nearest").tolist()
    edges = _edges(float(numbers[0]), float(numbers[-1]), whole)
    counts, _ = np.histogram(numbers, edges)
    return Spread(
        count=len(numbers),
        total=round(float(numbers.sum()), 3),
        low=float(numbers[0]),
        p5=p5,
        median=median,
        p95=p95,
        high=float(numbers[-1]),
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
    )


def _edges(low: float, high: float, whole: bool) -> NDArray[np.float64]:
    if low == high:
        return np.array([low, low + 1.0])
    if whole and high - low < BINS:
        return np.arange(low, high + 2.0)
    if low > 0 and high / low > _WIDE:
        edges = np.geomspace(low, high, BINS + 1)
    else:
        edges = np.linspace(low, high, BINS + 1)
    if whole:
        edges = np.unique(np.floor(edges))
        edges[-1] += 1.0
    edges[0], edges[-1] = min(edges[0], low), max(edges[-1], high)  # rounding loses nobody
    return edges
