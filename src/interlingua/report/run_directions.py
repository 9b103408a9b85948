"""Retrieval figures of several runs side by side, with paired differences to the first run.

Differences are paired by query: only where both runs were asked the same things among the same
things, which a hash of what was searched tells.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from interlingua.evaluate.intervals import Estimate, Seed
from interlingua.evaluate.single_queries import Paired, paired
from interlingua.report.run_record import RunRecord

SIDES = ("held_out", "unseen_language", "seen")  # lists of directions in a run's figures
NOT_KEPT = "the single queries of {run} were not kept; `interlingua eval` writes them"
_TOLERANCE = 1e-6  # between the kept figure and the mean of the kept queries


@dataclass(frozen=True, slots=True)
class Figure:
    """One direction of one run: R@k with interval, chance and control, N and the gallery."""

    recall: Mapping[int, Estimate]
    chance: Mapping[int, float]
    control: Mapping[int, float]
    n: int
    gallery: int

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "r_at": {str(k): one.to_json() for k, one in self.recall.items()},
            "chance": {str(k): value for k, value in self.chance.items()},
            "control": {str(k): value for k, value in self.control.items()},
            "n": self.n,
            "gallery_size": self.gallery,
        }


@dataclass(frozen=True, slots=True)
class DirectionOfRuns:
    """One direction in all runs.

    Attributes:
        side: one of ``SIDES``.
        query, gallery: views.
        figures: by run; a run that didn't measure it is not there.
        against_first: by run and k, the paired difference to the first run, or why there is none;
            of held-out directions only.
    """

    side: str
    query: str
    gallery: str
    figures: Mapping[str, Figure]
    against_first: Mapping[str, Mapping[int, Paired | str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "side": self.side,
            "query": self.query,
            "gallery": self.gallery,
            "figures": {run: one.to_json() for run, one in self.figures.items()},
            "against_first": {
                run: {
                    str(k): {"not_paired": one} if isinstance(one, str) else one.to_json()
                    for k, one in by_k.items()
                }
                for run, by_k in self.against_first.items()
            },
        }


def directions_of_runs(
    runs: Sequence[RunRecord], *, bootstrap: int = 1000, seed: Seed = 0
) -> list[DirectionOfRuns]:
    """Every direction that any of the runs measured, in the order of the first that did.

    Args:
        runs: the one that others are set against first.
        bootstrap: resamples of the things of each paired difference.
        seed: of the resampling.
    """
    return [
        _direction(runs, side, pair, bootstrap, seed) for side in SIDES for pair in _of(runs, side)
    ]


def _of(runs: Sequence[RunRecord], side: str) -> Iterable[tuple[str, str]]:
    """The directions of one side that any of the runs measured."""
    return dict.fromkeys(
        (row["query"], row["gallery"]) for run in runs for row in run.figures.get(side) or ()
    )


def _direction(
    runs: Sequence[RunRecord], side: str, pair: tuple[str, str], bootstrap: int, seed: Seed
) -> DirectionOfRuns:
    figures: dict[str, Figure] = {}
    for run in runs:
        for row in run.figures.get(side) or ():
            if (row["query"], row["gallery"]) == pair:
                figures[run.name] = _figure(row)
    first, against = runs[0], {}
    if side == "held_out" and first.name in figures:
        for run in runs[1:]:
            if run.name in figures:
                ks = [k for k in figures[first.name].recall if k in figures[run.name].recall]
                against[run.name] = {
                    k: _paired(first, run, pair, k, figures, bootstrap, seed) for k in ks
                }
    return DirectionOfRuns(side, *pair, figures, against)


def _paired(
    first: RunRecord,
    other: RunRecord,
    pair: tuple[str, str],
    k: int,
    figures: Mapping[str, Figure],
    bootstrap: int,
    seed: Seed,
) -> Paired | str:
    for run in (first, other):
        asked = run.queries.get(pair)
        if asked is None or k not in asked.hits:
            return NOT_KEPT.format(run=run.name)
        mean = float(asked.hits[k].mean()) if len(asked.hits[k]) else math.nan
        if not abs(mean - figures[run.name].recall[k].value) < _TOLERANCE:
            return f"the single queries of {run.name} are of another measurement"
    return paired(first.queries[pair], other.queries[pair], k, bootstrap=bootstrap, seed=seed)


def _figure(row: Mapping[str, Any]) -> Figure:
    return Figure(
        {int(k): Estimate.from_json(one) for k, one in row["r_at"].items()},
        {int(k): float(value) for k, value in (row.get("chance") or {}).items()},
        {
            int(k): float(one["value"])
            for k, one in (row.get("control") or {}).items()
            if one.get("value") is not None
        },
        int(row["n"]),
        int(row["gallery_size"]),
    )
