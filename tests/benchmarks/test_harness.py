"""The rules of a comparison, on small callables; a clock of our own stands in for time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import harness
from benchmarks.compare import apart, cosines, relatively_apart
from benchmarks.harness import Case, Check, Prepared, Settings, Side, run_case, select


class Clock:
    """Stands until somebody works; notes who did."""

    def __init__(self) -> None:
        self.now = 0.0
        self.worked: list[str] = []

    def side(self, name: str, seconds: Callable[[int], float], output: float = 1.0) -> Side:
        def run(number: int) -> float:
            self.now += seconds(number)
            self.worked.append(name)
            return output

        return Side(name, lambda: Prepared(run, lambda: output), goal=2.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(harness.time, "perf_counter", lambda: clock.now)
    return clock


def same(ours: float, peer: float) -> list[Check]:
    return [apart(ours, peer, "output", 0.1)]


def test_rounds_alternate_and_ratios_are_taken_within_one_round(clock: Clock) -> None:
    ours = clock.side("ours", lambda number: [1.0, 2.0, 4.0][number])
    peer = clock.side("peer", lambda number: [3.0, 6.0, 40.0][number])
    case = Case("work", [ours, peer], amount=8, unit="things", compare=same, flops=100.0)
    result = run_case(case, Settings(rounds=3, warmup=1), {"fp32": 200.0})
    # one warm-up and three rounds, each side first in every other one
    assert clock.worked == ["peer", "ours", "ours", "peer", "peer", "ours", "ours", "peer"]
    own, other = result.sides
    assert (own.seconds, other.seconds) == ([1.0, 2.0, 4.0], [3.0, 6.0, 40.0])
    assert (own.median, own.rate, own.ceiling_share) == (2.0, 4.0, 0.25)
    ratio = result.ratios[0]
    assert (ratio.peer, ratio.low, ratio.median, ratio.high) == ("peer", 3.0, 3.0, 10.0)
    assert ratio.goal == 2.0
    assert result.passed


def test_different_outputs_are_not_timed(clock: Clock) -> None:
    ours = clock.side("ours", lambda _: 1.0, output=1.0)
    peers = [clock.side("equal", lambda _: 1.0, 1.05), clock.side("other", lambda _: 1.0, 1.5)]
    result = run_case(Case("work", [ours, *peers], 1, "things", same), Settings())
    assert not result.passed
    assert clock.worked == []
    assert [check.passed for check in result.checks["equal"]] == [True]
    assert [check.passed for check in result.checks["other"]] == [False]
    assert result.plain()["passed"] is False
    assert result.plain()["sides"][0]["median"] is None


def test_a_peer_may_have_a_comparison_of_its_own(clock: Clock) -> None:
    ours = clock.side("ours", lambda _: 1.0, output=1.0)
    rough = dataclasses.replace(
        clock.side("rough", lambda _: 1.0, output=1.5),
        compare=lambda own, peer: [apart(own, peer, "output", 1.0)],
    )
    strict = clock.side("strict", lambda _: 1.0, output=1.05)
    case = Case("work", [ours, rough, strict], 1, "things", same)
    result = run_case(case, Settings(rounds=1))
    assert result.passed
    limits = {name: checks[0].limit for name, checks in result.checks.items()}
    assert limits == {"rough": 1.0, "strict": 0.1}


def test_the_exact_checks_count_too(clock: Clock) -> None:
    case = Case(
        "work",
        [clock.side("ours", lambda _: 1.0)],
        1,
        "things",
        exact=lambda: [Check("fp32", 0.2, 0.1)],
    )
    assert not run_case(case, Settings()).passed
    assert clock.worked == []


def test_a_side_without_a_check_is_compared_by_its_first_round(clock: Clock) -> None:
    sides = [
        Side("ours", lambda: Prepared(lambda number: float(number))),
        Side("peer", lambda: Prepared(lambda number: 10.0 * number)),
    ]
    assert run_case(Case("work", sides, 1, "things", same), Settings(rounds=1)).passed


def test_more_figures_are_asked_for_after_the_rounds() -> None:
    rounds: list[int] = []
    ready = Prepared(rounds.append, figures=lambda: {"rounds": float(len(rounds))})
    result = run_case(Case("work", [Side("ours", lambda: ready)], 1, "things"), Settings(rounds=3))
    assert result.sides[0].figures == {"rounds": 4.0}  # one of them gave the outputs
    assert result.plain()["sides"][0]["figures"] == {"rounds": 4.0}


def test_select_names_what_there_is() -> None:
    cases = [Case("batch 8", [], 1, "x"), Case("batch 16", [], 1, "x")]
    assert [case.name for case in select(cases, "16")] == ["batch 16"]
    assert len(select(cases, "")) == 2
    with pytest.raises(SystemExit, match="batch 8, batch 16"):
        select(cases, "picture")


def test_nan_never_passes() -> None:
    assert not Check("x", math.nan, 1.0).passed
    assert not Check("x", math.nan, 1.0, at_least=True).passed
    assert not apart(math.nan, 1.0, "loss", 10.0).passed


def test_cosines_see_what_plain_cosines_do_not() -> None:
    generator = np.random.default_rng(0)
    shared, own = generator.normal(size=64), generator.normal(size=(50, 64))
    vectors = 100 * shared + own  # as an untrained model gives them: all alike
    near = vectors + 0.01 * generator.normal(size=vectors.shape)
    assert all(check.passed for check in cosines(near, vectors, "v", 0.999))
    mixed = cosines(vectors[::-1], vectors, "v", 0.999)
    assert mixed[0].passed  # every cosine is high ...
    assert not mixed[1].passed  # ... and no row finds itself
    broken = near.copy()
    broken[3] = np.nan
    assert not cosines(broken, vectors, "v", 0.999)[0].passed


def test_equal_inputs_count_as_each_other() -> None:
    vectors = np.random.default_rng(0).normal(size=(10, 8))
    vectors[1] = vectors[0]
    assert all(check.passed for check in cosines(vectors, vectors.copy(), "v", 0.999))


def test_cosines_refuse_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(2, 4\) of ours, \(3, 4\)"):
        cosines(np.ones((2, 4)), np.ones((3, 4)), "v", 0.9)


def test_relative_difference() -> None:
    assert relatively_apart(1.04, 1.0, "norm", 0.05).passed
    assert not relatively_apart(1.06, 1.0, "norm", 0.05).passed
