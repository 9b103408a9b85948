"""What the table and the page of a comparison of fusions have in common: its figures, looked up.

They take the plain data of ``comparison.json``, in which what is not a number is None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from interlingua.evaluate.intervals import Estimate

Data = Mapping[str, Any]
ALL = "all"  # the robustness curve of all modalities made worse at once


class Figures:
    """Lookups in a comparison.

    Attributes:
        data: the whole of it.
        rows: all methods.
        fusions, singles, dropped: the methods without modality dropout, of several modalities and
            of one, and those with it.
        metric: ``success`` where the methods act, else ``accuracy``.
    """

    def __init__(self, data: Data):
        self.data = data
        self.rows: list[Data] = list(data["rows"])
        self.fusions = [row for row in self.rows if not row["single"] and not row["dropout"]]
        self.singles = [row for row in self.rows if row["single"]]
        self.dropped = [row for row in self.rows if not row["single"] and row["dropout"]]
        acts = bool(self.rows) and all(row.get("success") for row in self.rows)
        self.metric = "success" if acts else "accuracy"
        self._differences = {
            (one["row"], one["other"], one["metric"]): estimate(one["value"])
            for one in data["differences"]
        }

    def headline(self, row: Data) -> Estimate:
        """What a method is judged by: its rate of success, or its accuracy."""
        return estimate(row["success"]["rate"] if self.metric == "success" else row["accuracy"])

    def row(self, key: str) -> Data | None:
        """The method of this key."""
        return next((row for row in self.rows if row["key"] == key), None)

    def difference(self, key: str, other: str, metric: str = "") -> Estimate | None:
        """One method minus another, paired, whichever way round it was measured."""
        metric = metric or self.metric
        if (key, other, metric) in self._differences:
            return self._differences[key, other, metric]
        found = self._differences.get((other, key, metric))
        return None if found is None else Estimate(-found.value, -found.high, -found.low)

    def best(self) -> Data | None:
        """The method with the highest figure, of those without modality dropout."""
        among = [*self.fusions, *self.singles]
        return max(among, key=lambda row: self.headline(row).value) if among else None

    def tied(self) -> list[Data]:
        """Methods without modality dropout that can't be told apart from the best one."""
        best = self.best()
        if best is None:
            return []
        return [
            row
            for row in (*self.fusions, *self.singles)
            if row is not best and not self._apart(best, row)
        ]

    def _apart(self, best: Data, row: Data) -> bool:
        paired = self.difference(best["key"], row["key"])
        if paired is not None and not math.isnan(paired.low):
            return paired.excludes(0.0)
        one, other = self.headline(best), self.headline(row)
        return one.low > other.high or other.low > one.high

    def times(self, row: Data, measure: str) -> float:
        """A cost as a multiple of the dearest single modality's; nan where it is not known."""
        value = ((row.get("costs") or {}).get("times") or {}).get(measure)
        return math.nan if value is None else float(value)

    def robustness(self, row: Data, modality: str = ALL) -> Data | None:
        """The curve of a method while a modality gets worse."""
        found = row.get("robustness") or []
        return next((one for one in found if one["modality"] == modality), None)

    def relative(self, row: Data) -> float:
        """Area under the curve of all modalities made worse, or the only one that there is."""
        curve = self.robustness(row) or next(iter(row.get("robustness") or []), None)
        return math.nan if curve is None else number(curve.get("relative"))

    def one_gone(self, row: Data) -> float:
        """What a method is judged by, with the worst one modality missing; nan where not known."""
        wanted = len(row["modalities"]) - 1
        found = [
            with_present(one, self.metric)
            for one in row["presence"]
            if len(one["present"]) == wanted
        ]
        values = [one.value for one in found if one is not None]
        return min(values, default=math.nan)

    def curve_modalities(self) -> list[str]:
        """The modalities that have robustness curves, in order, all of them together last."""
        found = {one["modality"] for row in self.rows for one in row.get("robustness") or []}
        ordered = [name for name in self.data["task"]["modalities"] if name in found]
        return [*ordered, *([ALL] if ALL in found and len(ordered) > 1 else [])]


def with_present(presence: Data, metric: str) -> Estimate | None:
    """Accuracy or success with some modalities; None where acting without the rest wasn't asked."""
    if metric == "accuracy":
        return estimate(presence["accuracy"])
    return estimate(presence["success"]["rate"]) if presence.get("success") else None


def shapley_of(row: Data, metric: str) -> Mapping[str, float | None]:
    """By modality what it adds to accuracy or success; empty where that is not known."""
    values: Mapping[str, float | None] = (
        row["shapley"] if metric == "accuracy" else (row.get("success") or {}).get("shapley") or {}
    )
    return values


def estimate(value: Mapping[str, float | None]) -> Estimate:
    """An estimate of plain data."""
    return Estimate(number(value["value"]), number(value["low"]), number(value["high"]))


def number(value: float | None) -> float:
    """A number of plain data; nan for None."""
    return math.nan if value is None else float(value)


def names(rows: Sequence[Data]) -> str:
    """``a, b and c``: the keys of methods."""
    keys = [row["key"] for row in rows]
    return keys[0] if len(keys) == 1 else f"{', '.join(keys[:-1])} and {keys[-1]}" if keys else ""
