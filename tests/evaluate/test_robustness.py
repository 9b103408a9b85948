"""MultiBench's two measures of robustness, against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from interlingua.evaluate.robustness import effective_robustness, relative_robustness, scaled

GRID = np.arange(11) / 10  # MultiBench's own levels


def test_relative_is_the_area_under_the_curve() -> None:
    assert relative_robustness([0, 0.5, 1], [1.0, 0.6, 0.2]) == pytest.approx(0.4 + 0.2)
    assert relative_robustness(GRID, np.ones(11)) == pytest.approx(1.0)
    assert relative_robustness([0, 0.25, 1], [0.8, 0.8, 0.8]) == pytest.approx(0.8)


def test_relative_is_the_formula_of_the_code() -> None:
    curve = np.array([0.9, 0.85, 0.8, 0.6, 0.55, 0.5, 0.4, 0.4, 0.3, 0.2, 0.1])
    by_hand = sum((curve[i] + curve[i + 1]) * 0.1 / 2 for i in range(10))
    assert relative_robustness(GRID, curve) == pytest.approx(by_hand)


def test_effective_is_the_sum_above_the_moved_baseline() -> None:
    curve = np.linspace(0.9, 0.5, 11)
    late = np.linspace(0.8, 0.3, 11)
    by_hand = float(np.sum(curve - (late + (curve[0] - late[0]))))  # 0.1 * (0 + ... + 1) * ...
    assert by_hand == pytest.approx(0.55)  # the gap grows from 0 to 0.1 in ten steps
    assert effective_robustness(GRID, curve, late) == pytest.approx(by_hand)


def test_effective_means_the_same_on_other_levels() -> None:
    # straight lines: read between the levels they are the lines of the test before
    assert effective_robustness([0, 0.5, 1], [0.9, 0.7, 0.5], [0.8, 0.55, 0.3]) == pytest.approx(
        0.55
    )


def test_effective_leaves_the_start_out() -> None:
    late = np.linspace(0.8, 0.3, 11)
    assert effective_robustness(GRID, late, late) == pytest.approx(0)
    assert effective_robustness(GRID, late + 0.1, late) == pytest.approx(0)
    assert effective_robustness(GRID, np.full(11, 0.2), late) > 0
    assert effective_robustness(GRID, late**2, late) != pytest.approx(0)


def test_levels_may_end_below_one() -> None:
    assert effective_robustness([0, 0.3], [1.0, 1.0], [1.0, 0.7]) == pytest.approx(0.1 + 0.2 + 0.3)


def test_scaled_goes_from_worst_to_best() -> None:
    assert scaled({"a": 0.2, "b": 0.6, "c": 0.4}) == pytest.approx({"a": 0.0, "b": 1.0, "c": 0.5})
    assert all(math.isnan(value) for value in scaled({"a": 1.0, "b": 1.0}).values())
    assert scaled({}) == {}


@pytest.mark.parametrize(
    ("levels", "accuracy"), [([0], [1]), ([0, 0], [1, 1]), ([0, 1], [1]), ([1, 0], [1, 1])]
)
def test_what_is_no_curve_is_refused(levels: list[float], accuracy: list[float]) -> None:
    with pytest.raises(ValueError):
        relative_robustness(levels, accuracy)
