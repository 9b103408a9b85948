from __future__ import annotations

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlingua.data.check.spread import spread_of

NUMBERS = st.lists(st.floats(0, 1e12, allow_subnormal=False), min_size=1, max_size=60)


@settings(max_examples=300, deadline=None)
@given(values=NUMBERS)
def test_every_number_falls_into_one_bin(values: list[float]) -> None:
    found = spread_of(values)
    assert sum(found.counts) == found.count == len(values)
    assert found.low <= found.p5 <= found.median <= found.p95 <= found.high
    assert {found.low, found.p5, found.median, found.p95, found.high} <= set(map(float, values))
    assert all(left < right for left, right in zip(found.edges, found.edges[1:], strict=False))


@settings(max_examples=300, deadline=None)
@given(values=st.lists(st.integers(0, 100_000), min_size=1, max_size=60))
def test_a_bin_of_whole_numbers_begins_with_one(values: list[int]) -> None:
    found = spread_of(values, whole=True)
    assert sum(found.counts) == len(values)
    assert all(edge == int(edge) for edge in found.edges)
    for low, high, count in zip(found.edges, found.edges[1:], found.counts, strict=False):
        assert count == sum(low <= value < high for value in values)


def test_small_ranges_have_a_bin_for_each_number() -> None:
    found = spread_of([1, 1, 2, 5], whole=True)
    assert found.edges == (1, 2, 3, 4, 5, 6)
    assert found.counts == (2, 1, 0, 0, 1)
    assert (found.total, found.median) == (9, 2)


def test_a_wide_range_is_cut_by_ratio() -> None:
    found = spread_of(numpy.geomspace(1, 1e6, 1000))
    ratios = numpy.divide(found.edges[1:], found.edges[:-1])
    assert ratios.max() / ratios.min() == pytest.approx(1)


def test_nothing_has_no_spread() -> None:
    assert spread_of([]) is None
    assert spread_of([7.5]).counts == (1,)
