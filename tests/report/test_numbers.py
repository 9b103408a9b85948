from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlingua.evaluate import Estimate
from interlingua.report import numbers


@pytest.mark.parametrize(
    ("fraction", "shown"),
    [(0.567, "57 %"), (0.005, "0.5 %"), (0.05, "5.0 %"), (1.0, "100 %"), (0.0, "0 %")],
)
def test_percent(fraction: float, shown: str) -> None:
    assert numbers.percent(fraction).replace(numbers.THIN, " ") == shown


def test_no_number_is_a_dash() -> None:
    assert numbers.percent(math.nan) == "–"
    assert numbers.interval(Estimate(0.5, math.nan, math.nan)) == "–"
    assert numbers.signed(math.nan) == "–"


def test_intervals_and_signs() -> None:
    assert numbers.interval(Estimate(0.57, 0.51, 0.63)) == "51–63"
    assert numbers.interval(Estimate(0.03, 0.012, 0.055)) == "1.2–5.5"
    assert numbers.signed(-0.153) == "−0.15"


@pytest.mark.parametrize(
    ("place", "shown"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (22, "22nd"), (112, "112th")],
)
def test_ordinal(place: int, shown: str) -> None:
    assert numbers.ordinal(place) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.5, "0.5 s"), (59, "59 s"), (60, "1 min 0 s"), (119.7, "2 min 0 s"), (3700, "1 h 1 min")],
)
def test_duration(seconds: float, shown: str) -> None:
    assert numbers.duration(seconds).replace(numbers.THIN, " ") == shown


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_few_ordered_and_inside(low: float, span: float) -> None:
    high = low + span
    ticks = numbers.ticks(low, high)
    assert len(ticks) <= 6
    assert ticks == sorted(ticks)
    slack = span * 1e-6 + abs(low) * 1e-9
    assert all(low - slack <= tick <= high + slack for tick in ticks)


def test_ticks_without_a_span() -> None:
    assert numbers.ticks(3, 3) == [3]
    assert numbers.ticks(math.nan, math.nan) == []
