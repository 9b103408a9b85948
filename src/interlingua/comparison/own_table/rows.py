"""The rows of a table that can be learned from: with an answer, and what belongs together known.

Shape legend: N rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from interlingua.comparison.own_table.checks import (
    check_constant,
    classes_of,
    groups_of,
    leaks,
    shown_counts,
    too_few,
)
from interlingua.comparison.own_table.columns import OPTIONS, chosen_kinds
from interlingua.data.columns import MEDIA_KINDS, Columns, Kind, check_asked, read_columns
from interlingua.data.source import count_reasons
from interlingua.errors import DataError

IntArray = npt.NDArray[np.int64]


@dataclass(slots=True)
class OwnRows:
    """What a table holds.

    Attributes:
        columns: of the N rows.
        kinds: by column that is a feature, what it holds.
        labels: [N] numbers of classes.
        groups: [N] what must not be divided.
        classes: their names.
        notes: what the reader must know.
    """

    columns: Columns
    kinds: dict[str, Kind]
    labels: IntArray
    groups: IntArray
    classes: tuple[str, ...]
    notes: list[str] = field(default_factory=list)


def own_rows(
    path: Path, label: str, root: Path, asked: Mapping[str, tuple[str, ...]], min_rows: int
) -> OwnRows:
    """Read a table and refuse what can't be learned from.

    Args:
        path: of the table.
        label: the column of the answers.
        root: what relative paths start from.
        asked: by option, the columns that it names: kinds, ``--leave-out``, ``--group``,
            ``--test-column``.
        min_rows: classes with fewer independent rows are left out; 0 = refuse such a table.

    Raises:
        ConfigError: a column that isn't there.
        DataError: an empty table, columns that say nothing, classes that can't be told apart.
    """
    columns = read_columns(path)
    columns.require(label, "--label")
    for option in asked.keys() - OPTIONS.keys():
        for name in asked[option]:
            columns.require(name, option)
    features = {option: names for option, names in asked.items() if option in OPTIONS}
    check_asked(columns, features)
    others = {label}.union(*(asked[option] for option in asked.keys() - OPTIONS.keys()))
    columns, notes = _with_label(columns, label)
    classes_of(_answers(columns, label), str(path), label)
    check_constant(columns, [name for name in columns.cells if name not in others])
    kinds, told = chosen_kinds(columns, root, features, others)
    groups = groups_of(
        columns,
        root,
        [name for name, kind in kinds.items() if kind in MEDIA_KINDS],
        [name for name, kind in kinds.items() if kind == "text"],
        "".join(asked.get("--group", ())),
    )
    columns, groups, small = _of_large_classes(columns, groups, label, min_rows)
    answers = _answers(columns, label)
    classes = classes_of(answers, str(path), label)
    number = {name: place for place, name in enumerate(classes)}
    leaking = leaks(columns, [n for n, kind in kinds.items() if kind not in MEDIA_KINDS], answers)
    return OwnRows(
        columns,
        kinds,
        np.array([number[answer] for answer in answers], np.int64),
        groups,
        classes,
        [*leaking, *notes, *told, *small],
    )


def _answers(columns: Columns, label: str) -> list[str]:
    return [answer or "" for answer in columns.cells[label]]


def _with_label(columns: Columns, label: str) -> tuple[Columns, list[str]]:
    notes = []
    if columns.problems:
        notes.append(f"Lines that are no rows: {shown_counts(count_reasons(columns.problems))}.")
    cells = columns.cells[label]
    having = [row for row, cell in enumerate(cells) if cell is not None]
    if len(having) < len(cells):
        notes.append(f"{len(cells) - len(having)} rows have no label: left out.")
    return columns.take(having), notes


def _of_large_classes(
    columns: Columns, groups: IntArray, label: str, min_rows: int
) -> tuple[Columns, IntArray, list[str]]:
    """The rows without those of classes too small, where that is asked for, and what was left out.

    Raises:
        DataError: a class is too small to be on both sides of a division.
    """
    answers = _answers(columns, label)
    where = str(columns.path)
    wanted = max(2, min_rows)
    small = too_few(answers, groups, wanted)
    if not small:
        return columns, groups, []
    if not min_rows:
        raise DataError(
            "Classes with fewer than 2 independent rows can't be trained and tested: "
            f"{shown_counts(small)}.",
            where=where,
            next_step="Add rows, join classes, or leave small ones out with --min-rows 2.",
        )
    kept = [row for row, answer in enumerate(answers) if answer not in small]
    told = (
        f"Classes with fewer than {wanted} independent rows are left out: {shown_counts(small)} "
        f"({len(answers) - len(kept)} rows)."
    )
    return columns.take(kept), groups[kept], [told]
