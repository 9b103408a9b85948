"""The rules of a comparison: outputs first, then interleaved rounds, medians and their spread.

Both sides get the same inputs, threads and process. Their outputs are compared before anything is
timed; where they differ nothing is timed and the run fails. Rounds of all sides alternate, so
that a machine that grows hot or busy slows all of them; each ratio is taken within one round.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch

Precision = Literal["fp32", "bf16"]
Compare = Callable[[Any, Any], "list[Check]"]


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison of ours with a peer's output.

    Attributes:
        what: is compared.
        value: what came out.
        limit: that it is held to.
        at_least: the value must not be below the limit; else it must not be above it.
    """

    what: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def passed(self) -> bool:
        """NaN never passes."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass(slots=True)
class Prepared:
    """A side that is ready to run.

    Attributes:
        run: does the work of a round, given its number; gives the outputs.
        check: gives the outputs that are compared, untimed; None = those of ``run(0)``.
        figures: more that was measured in the rounds, by name, asked for after them.
    """

    run: Callable[[int], Any]
    check: Callable[[], Any] | None = None
    figures: Callable[[], dict[str, float]] | None = None

    def outputs(self) -> Any:
        """What is compared."""
        return self.run(0) if self.check is None else self.check()


@dataclass(frozen=True, slots=True)
class Side:
    """One contestant.

    Attributes:
        name: with version or flags where they matter.
        prepare: builds everything that is not timed.
        precision: of its matrix products; which ceiling its share is of.
        goal: how many times as fast as this one ours is meant to be; None = no such aim.
        compare: ours with this one's outputs, where it can't be held to the case's limits: a peer
            whose bf16 is itself farther from fp32 than ours may be. None = as the case says.
    """

    name: str
    prepare: Callable[[], Prepared]
    precision: Precision = "fp32"
    goal: float | None = None
    compare: Compare | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """The same work done by ours (the first side) and by peers.

    Attributes:
        name: unique within the benchmark.
        sides: ours first; alone where there is no peer.
        amount: work in one round.
        unit: of it.
        compare: ours with one peer's outputs.
        exact: more checks, made before the sides are prepared, such as all in fp32.
        flops: floating point operations that the work of a round needs, counted analytically; work
            that a side does on padding isn't part of it. None = no share of the ceiling is given.
        axis: what grows over several cases, with ``at``; they are drawn as one chart.
        at: the place on the axis.
        note: for the reader.
        memory_rounds: before a side's peak memory is read: 2 where the first makes what stays (an
            optimizer's state).
    """

    name: str
    sides: Sequence[Side]
    amount: float
    unit: str
    compare: Compare = lambda ours, peer: []
    exact: Callable[[], list[Check]] | None = None
    flops: float | None = None
    axis: str = ""
    at: float = 0.0
    note: str = ""
    memory_rounds: int = 1
    needs: Sequence[str] = ()


@dataclass(slots=True)
class Findings:
    """What a benchmark made by itself.

    Attributes:
        figures: goes into the JSON.
        lines: what is printed.
        passed: False makes the exit code 1.
        charts: SVG by name.
    """

    figures: dict[str, Any]
    lines: list[str] = field(default_factory=list)
    passed: bool = True
    charts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """How the rounds are run.

    Attributes:
        rounds: timed, of each side.
        warmup: rounds before them, beside the one that gave the outputs.
        device: is waited for before a clock is read.
    """

    rounds: int = 5
    warmup: int = 0
    device: str = "cpu"


@dataclass(slots=True)
class SideResult:
    """The figures of one side: seconds of each round, and what follows from them."""

    name: str
    precision: str
    seconds: list[float] = field(default_factory=list)
    rate: float = 0.0  # amount of work in a second, at the median
    ceiling_share: float | None = None
    memory: dict[str, float] | None = None  # MB: see memory.py
    figures: dict[str, float] = field(default_factory=dict)  # see Prepared

    @property
    def median(self) -> float:
        """Seconds of a round."""
        return statistics.median(self.seconds)


@dataclass(slots=True)
class Ratio:
    """How many times as fast ours is as one peer; low and high are those of single rounds."""

    peer: str
    median: float
    low: float
    high: float
    goal: float | None = None


@dataclass(slots=True)
class CaseResult:
    """What ``run_case`` found."""

    name: str
    amount: float
    unit: str
    flops: float | None = None
    axis: str = ""
    at: float = 0.0
    note: str = ""
    checks: dict[str, list[Check]] = field(default_factory=dict)  # by peer
    sides: list[SideResult] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """All outputs agreed."""
        return all(check.passed for checks in self.checks.values() for check in checks)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        result = asdict(self)
        result["checks"] = {
            peer: [asdict(check) | {"passed": check.passed} for check in checks]
            for peer, checks in self.checks.items()
        }
        for side, plain in zip(self.sides, result["sides"], strict=True):
            plain["median"] = side.median if side.seconds else None
        return result | {"passed": self.passed}


def run_case(
    case: Case, settings: Settings, ceilings: dict[str, float] | None = None
) -> CaseResult:
    """Compare the outputs, then time the sides in turn.

    Args:
        case: what is compared.
        settings: how often.
        ceilings: FLOP/s by precision.

    Returns:
        The figures; without times where the outputs differ.
    """
    result = CaseResult(
        case.name, case.amount, case.unit, case.flops, case.axis, case.at, case.note
    )
    if case.exact is not None:
        result.checks["the reference"] = case.exact()
    prepared = [side.prepare() for side in case.sides]
    ours, *others = [one.outputs() for one in prepared]
    for side, theirs in zip(case.sides[1:], others, strict=True):
        result.checks[side.name] = (side.compare or case.compare)(ours, theirs)
    result.sides = [SideResult(side.name, side.precision) for side in case.sides]
    if not result.passed:
        return result
    del ours, others
    for number in range(-settings.warmup, settings.rounds):
        order = list(range(len(prepared)))
        if number % 2:  # nobody always runs behind the same neighbour
            order.reverse()
        for place in order:
            seconds = _timed(prepared[place], max(number, 0), settings.device)
            if number >= 0:
                result.sides[place].seconds.append(seconds)
    for side, ready in zip(result.sides, prepared, strict=True):
        side.figures = {} if ready.figures is None else ready.figures()
    _derive(case, result, ceilings or {})
    return result


def _timed(prepared: Prepared, number: int, device: str) -> float:
    gc.collect()
    _wait(device)
    began = time.perf_counter()
    prepared.run(number)
    _wait(device)
    return max(time.perf_counter() - began, 1e-9)  # some clocks are coarse


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def _derive(case: Case, result: CaseResult, ceilings: dict[str, float]) -> None:
    for side in result.sides:
        side.rate = case.amount / side.median
        if case.flops and side.precision in ceilings:
            side.ceiling_share = case.flops / side.median / ceilings[side.precision]
    ours = result.sides[0]
    for peer, timed in zip(case.sides[1:], result.sides[1:], strict=True):
        ratios = [theirs / own for theirs, own in zip(timed.seconds, ours.seconds, strict=True)]
        result.ratios.append(
            Ratio(peer.name, statistics.median(ratios), min(ratios), max(ratios), peer.goal)
        )


def select(cases: Iterable[Case], wanted: str) -> list[Case]:
    """The cases whose name holds the text; all for an empty one.

    Raises:
        SystemExit: there is none.
    """
    cases = list(cases)
    chosen = [case for case in cases if wanted in case.name]
    if not chosen:
        names = ", ".join(case.name for case in cases)
        raise SystemExit(f"No case has {wanted!r} in its name. There are: {names}.")
    return chosen
