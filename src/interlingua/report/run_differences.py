"""How runs differ: settings, costs, curves over each other, held-out figures with paired intervals.

The first run is what the others are set against.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlingua.evaluate.intervals import Estimate, Seed
from interlingua.evaluate.single_queries import Paired
from interlingua.report.curves import panels_from_metrics
from interlingua.report.data import Line, Panel
from interlingua.report.run_directions import DirectionOfRuns, directions_of_runs
from interlingua.report.run_record import RunRecord
from interlingua.report.run_settings import Setting, different_settings

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Fact:
    """Something counted or timed; ``kind`` says how it is read: count, seconds, bytes, rate."""

    name: str
    kind: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class RunDifferences:
    """What ``compare_runs`` found.

    Attributes:
        runs: their names, the first is the one that others are set against.
        folders: where they are, in the same order.
        settings: in which they differ.
        facts: what training took.
        directions: retrieval, all sides.
        losses: of towers that learned alone: name -> run -> estimate.
        panels: curves, a line for each run.
    """

    runs: Sequence[str]
    folders: Sequence[str]
    settings: Sequence[Setting]
    facts: Sequence[Fact]
    directions: Sequence[DirectionOfRuns]
    losses: Mapping[str, Mapping[str, Estimate]]
    panels: Sequence[Panel]

    @property
    def k(self) -> int:
        """The k that is shown first: 10, or the largest that all runs have; 0 without figures."""
        measured = [set(one.recall) for row in self.directions for one in row.figures.values()]
        shared = set.intersection(*measured) if measured else set()
        return 10 if 10 in shared else max(shared, default=0)

    def to_json(self) -> dict[str, Any]:
        """Plain values; of curves the points that a run has logged."""
        return {
            "format_version": FORMAT_VERSION,
            "runs": [
                {"name": name, "folder": folder}
                for name, folder in zip(self.runs, self.folders, strict=True)
            ],
            "settings": {one.path: dict(one.values) for one in self.settings},
            "facts": {one.name: dict(one.values) for one in self.facts},
            "directions": [row.to_json() for row in self.directions],
            "losses": {
                name: {run: one.to_json() for run, one in values.items()}
                for name, values in self.losses.items()
            },
            "curves": [
                {
                    "title": panel.title,
                    "lines": {
                        line.name: [list(line.steps), list(line.values)] for line in panel.lines
                    },
                }
                for panel in self.panels
            ],
        }


def compare_runs(
    runs: Sequence[RunRecord], *, bootstrap: int = 1000, seed: Seed = 0
) -> RunDifferences:
    """Everything in which runs differ.

    Args:
        runs: two or more, the one that others are set against first.
        bootstrap: resamples of the things of each paired difference.
        seed: of the resampling.
    """
    return RunDifferences(
        runs=[run.name for run in runs],
        folders=[str(run.path) for run in runs],
        settings=different_settings(runs),
        facts=_facts(runs),
        directions=directions_of_runs(runs, bootstrap=bootstrap, seed=seed),
        losses=_losses(runs),
        panels=curves_of_runs(runs),
    )


def verdict(found: RunDifferences) -> list[str]:
    """What the paired differences come to: one sentence for each run but the first."""
    said = []
    for run in found.runs[1:]:
        pairs = [
            one
            for row in found.directions
            if isinstance(one := row.against_first.get(run, {}).get(found.k), Paired)
        ]
        if not pairs:
            reason = why_not_paired(found, run)
            said.append(f"{run} can't be paired with {found.runs[0]}: {reason}.")
            continue
        better = sum(one.difference.low > 0 for one in pairs)
        worse = sum(one.difference.high < 0 for one in pairs)
        said.append(
            f"{run} against {found.runs[0]}, R@{found.k}: better in {better} of {len(pairs)} "
            f"directions, worse in {worse}, not to be told apart in {len(pairs) - better - worse}."
        )
    return said


def why_not_paired(found: RunDifferences, run: str) -> str:
    """The commonest reason why a run has no paired difference."""
    reasons = [
        one
        for row in found.directions
        for one in row.against_first.get(run, {}).values()
        if isinstance(one, str)
    ]
    if not reasons:
        return "they have no held-out direction in common"
    return max(reasons, key=reasons.count)


def curves_of_runs(runs: Sequence[RunRecord]) -> list[Panel]:
    """One panel for each curve that a run has logged, one line for each run.

    A run without that curve has an empty line: the colours stay those of the runs.
    """
    drawn: dict[tuple[str, str], dict[str, Line]] = {}
    for run in runs:
        for panel in panels_from_metrics(run.training):
            for line in panel.lines:
                drawn.setdefault((panel.title, line.name), {})[run.name] = line
    panels = []
    for (title, name), lines in drawn.items():
        whole = name == "learning rate" or (title, name) == ("Training loss", "total")
        panels.append(
            Panel(
                title if whole else f"{title}: {name}",
                [
                    Line(run.name, lines[run.name].steps, lines[run.name].values)
                    if run.name in lines
                    else Line(run.name, (), ())
                    for run in runs
                ],
            )
        )
    return panels


def _facts(runs: Sequence[RunRecord]) -> list[Fact]:
    def last(key: str) -> Callable[[RunRecord], Any]:
        return lambda run: run.training[-1].get(key) if run.training else None

    def counted(key: str) -> Callable[[RunRecord], Any]:
        return lambda run: (run.figures.get("counts") or {}).get(key)

    def rate(run: RunRecord) -> Any:
        rates = [row["rate"] for row in run.training if isinstance(row.get("rate"), (int, float))]
        return statistics.median(rates) if rates else None

    wanted: tuple[tuple[str, str, Callable[[RunRecord], Any]], ...] = (
        ("steps", "count", last("step")),
        ("time of training", "seconds", last("seconds")),
        ("samples a second", "rate", rate),
        ("peak memory", "bytes", last("peak_memory")),
        ("steps left out", "count", last("skipped_steps")),
        ("things trained on", "count", counted("train")),
        ("things held out", "count", counted("held_out")),
    )
    facts = []
    for name, kind, value_of in wanted:
        values = {run.name: value_of(run) for run in runs}
        numbers = {run: float(v) for run, v in values.items() if isinstance(v, (int, float))}
        if numbers and (name != "steps left out" or any(numbers.values())):
            facts.append(Fact(name, kind, numbers))
    return facts


def _losses(runs: Sequence[RunRecord]) -> dict[str, dict[str, Estimate]]:
    found: dict[str, dict[str, Estimate]] = {}
    for run in runs:
        for name, one in (run.figures.get("held_out_losses") or {}).items():
            if isinstance(one, Mapping) and "value" in one:
                ends = {end: one.get(end) for end in ("low", "high")}
                estimate = Estimate.from_json({"value": one["value"], **ends})
                found.setdefault(name, {})[run.name] = estimate
    return found
