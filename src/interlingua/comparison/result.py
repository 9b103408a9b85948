"""What a comparison found: plain values, written to ``comparison.json`` and read by the report.

Rows (``rows/row.py``) are named by their ``key``: ``early``, ``early+dropout``, ``only image``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlingua.comparison.plain_data import built, plain
from interlingua.comparison.rows.row import Row
from interlingua.errors import DataError
from interlingua.evaluate.intervals import Estimate

FORMAT = "interlingua-comparison"
FORMAT_VERSION = 1


@dataclass(slots=True)
class TaskFacts:
    """The task, for the reader.

    Attributes:
        name, title: see ``FusionTask``.
        classes: the answers.
        modalities: in order.
        towers: by modality, what reads it, in words (``efficientnet, frozen``).
        train, test: things in one fold, on average.
        clusters: different clusters that were tested, over all folds.
        folds: how many.
        seeds: of the runs.
        chance: 1 / number of classes.
        majority: accuracy of always answering what is commonest in training.
        settings: the task's Config as plain data; the command that repeats it needs no more.
        budget: of each run, by name: steps, batch size, learning rate ...
        notes: what the reader must know.
    """

    name: str
    title: str
    classes: list[str]
    modalities: list[str]
    towers: dict[str, str]
    train: float
    test: float
    clusters: int
    folds: int
    seeds: list[int]
    chance: float
    majority: float
    settings: dict[str, Any]
    budget: dict[str, float]
    notes: list[str]


@dataclass(slots=True)
class Difference:
    """Two rows on the same things, paired.

    Attributes:
        row, other: keys.
        metric: ``accuracy`` or ``success``.
        value: of ``row`` minus ``other``; the interval excludes 0 where they differ.
    """

    row: str
    other: str
    metric: str
    value: Estimate


@dataclass(slots=True)
class FailedRun:
    """A run that gave nothing; the rest went on.

    Attributes:
        key: of the row.
        fold, seed: of the run.
        message: what happened, where, and what to do.
    """

    key: str
    fold: int
    seed: int
    message: str


@dataclass(slots=True)
class Comparison:
    """See the module's text.

    Attributes:
        task: what was asked.
        rows: fusions, single modalities, then those with modality dropout.
        differences: each fusion against the best single modality, against late averaging, against
            each other, and with modality dropout against without.
        best_single: key of the single modality with the highest accuracy; empty if there is none.
        failed: runs that gave nothing.
        measured: how each figure was measured, by name, one sentence each.
        notes: of the comparison: parameters that could not be matched, what was left out.
        machine: what it ran on, by name.
        seconds: wall clock of this call.
    """

    task: TaskFacts
    rows: list[Row]
    differences: list[Difference]
    best_single: str
    failed: list[FailedRun]
    measured: dict[str, str]
    notes: list[str]
    machine: dict[str, str]
    seconds: float
    format: str = FORMAT
    format_version: int = FORMAT_VERSION

    def to_json(self) -> dict[str, Any]:
        """Plain data; what is not a number is None."""
        data: dict[str, Any] = plain(self)
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Comparison:
        """The reverse of ``to_json``.

        Raises:
            DataError: it is no comparison, or one of a newer version.
        """
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise DataError("This is no comparison of fusions.")
        if data.get("format_version", 0) > FORMAT_VERSION:
            raise DataError(
                f"The comparison has format version {data['format_version']}, this library reads "
                f"up to {FORMAT_VERSION}.",
                next_step="Take a newer version of the library.",
            )
        return built(cls, data)

    def row(self, key: str) -> Row | None:
        """The row of this key."""
        return next((one for one in self.rows if one.key == key), None)

    def difference(self, row: str, other: str, metric: str = "accuracy") -> Estimate | None:
        """``row`` minus ``other``, where it was measured, in either order."""
        for one in self.differences:
            if (one.row, one.other, one.metric) == (row, other, metric):
                return one.value
            if (one.row, one.other, one.metric) == (other, row, metric):
                return Estimate(-one.value.value, -one.value.high, -one.value.low)
        return None


def read_comparison(path: Path) -> Comparison:
    """Read ``comparison.json``.

    Raises:
        DataError: it isn't there, or is no comparison.
    """
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(
            "There is no comparison here.",
            where=str(path),
            next_step="interlingua fusion compare TASK --out FOLDER makes one.",
        ) from None
    except ValueError:
        raise DataError("The comparison can't be read.", where=str(path)) from None
    return Comparison.from_json(data)
