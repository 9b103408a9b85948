"""How well a method keeps its accuracy while its input gets worse: MultiBench's two measures.

*Relative* robustness is the area under the curve of accuracy over the level of noise. *Effective*
robustness is how far the curve lies above that of late fusion, which is first moved up or down
to the same start: what a method keeps beyond what its accuracy on clean input explains.

MultiBench measures at levels 0, 0.1, ..., 1; curves with other levels are read between theirs by a
straight line, so that the sums mean the same.

Source: Liang et al. 2021 (MultiBench, arXiv 2107.07502), section 4; the exact formulas from its
code, ``eval_scripts/robustness.py``: ``relative_robustness_helper``,
``effective_robustness_helper`` and ``maxmin_normalize``.

Shape legend: L levels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from interlingua.evaluate.intervals import FloatArray

STEP = 0.1  # between two of MultiBench's levels


def relative_robustness(levels: npt.ArrayLike, accuracy: npt.ArrayLike) -> float:
    """The area under accuracy [L] over levels [L], by trapezia.

    A method that keeps an accuracy of 1 up to level 1 has 1.

    Raises:
        ValueError: fewer than two levels, not in rising order, or not one accuracy each.
    """
    x, y = _curve(levels, accuracy)
    return float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum())


def effective_robustness(
    levels: npt.ArrayLike, accuracy: npt.ArrayLike, baseline: npt.ArrayLike
) -> float:
    """The sum over the levels 0, 0.1, ... of accuracy minus the baseline moved to its start.

    Args:
        levels: [L], from 0 on.
        accuracy: [L] of the method.
        baseline: [L] of late fusion at the same levels.

    Returns:
        0 for the baseline itself and for every curve that is parallel to it.

    Raises:
        ValueError: as ``relative_robustness``.
    """
    x, y = _curve(levels, accuracy)
    _, late = _curve(levels, baseline)
    moved = late + (y[0] - late[0])
    count = round((x[-1] - x[0]) / STEP + 1e-6) + 1
    grid = x[0] + STEP * np.arange(count)
    gap = np.interp(grid[grid <= x[-1] + 1e-9], x, y - moved)
    return float(gap.sum())


def scaled(values: Mapping[str, float]) -> dict[str, float]:
    """From 0 for the lowest of these methods to 1 for the highest; nan where all are the same."""
    numbers = np.array(list(values.values()), np.float64)
    if not len(numbers):
        return {}
    lowest, highest = numbers.min(), numbers.max()
    with np.errstate(invalid="ignore"):
        places = (numbers - lowest) / (highest - lowest) if highest > lowest else numbers * np.nan
    return dict(zip(values, places.tolist(), strict=True))


def _curve(levels: npt.ArrayLike, accuracy: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    x, y = np.asarray(levels, np.float64), np.asarray(accuracy, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"{x.shape} levels and {y.shape} accuracies")
    if len(x) < 2 or (np.diff(x) <= 0).any():
        raise ValueError("a curve needs two levels at least, in rising order")
    return x, y
