"""What the columns of a table are taken for: by their values, or as it is asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from interlingua.comparison.own_table.checks import counts_rows
from interlingua.data.columns import Columns, Kind, almost_numbers, kind_of, numbers_of
from interlingua.errors import ConfigError, DataError

TEST_WORDS = frozenset(("test", "true", "1", "yes", "y", "held out", "held_out", "heldout"))
TRAIN_WORDS = frozenset(("train", "training", "false", "0", "no", "n"))
OPTIONS: dict[str, Kind] = {
    "--picture": "picture",
    "--sound": "sound",
    "--speech": "speech",
    "--text": "text",
    "--number": "number",
}


def chosen_kinds(
    columns: Columns, root: Path, asked: Mapping[str, Collection[str]], others: Collection[str]
) -> tuple[dict[str, Kind], list[str]]:
    """By column, in the order of the table, what it holds; and what the reader must know.

    Args:
        columns: the table.
        root: what relative paths start from.
        asked: by option, the columns of which it is said.
        others: columns that are no features.

    Raises:
        DataError: no column is left, a column that is asked to be numbers has none, or one names
            files that are not there.
    """
    said = {name: OPTIONS[option] for option, names in asked.items() for name in names}
    notes = [
        f"{name!r} is the label or decides what is tested: it is no feature."
        for name in said
        if name in others
    ]
    kinds: dict[str, Kind] = {}
    for name, cells in columns.cells.items():
        if name in others:
            continue
        kind = said.get(name) or kind_of(cells, root, name, str(columns.path))
        if name not in said and counts_rows(cells):
            notes.append(f"{name!r} counts the rows: left out (--number {name!r} takes it).")
            continue
        notes += _about_numbers(columns, name, kind, name in said)
        kinds[name] = kind or "text"  # of words like "none" alone
    if not kinds:
        raise DataError(
            "The table has no column to learn from beside the label.",
            where=str(columns.path),
            next_step="Add columns of pictures, sounds, texts or numbers.",
        )
    return kinds, notes


def number_groups(given: Iterable[str], kinds: Mapping[str, Kind]) -> dict[str, tuple[str, ...]]:
    """The modalities of columns of numbers that are asked for: ``NAME=COLUMN,COLUMN``.

    Args:
        given: as written.
        kinds: by column.

    Raises:
        ConfigError: not of this form, a column that holds no numbers, or is named twice.
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in given:
        name, equals, listed = text.partition("=")
        names = tuple(one.strip() for one in listed.split(",") if one.strip())
        if not (name.strip() and equals and names) or name.strip() in found:
            raise ConfigError(
                f"{text!r} is no group of columns.",
                next_step="Write --number-group NAME=COLUMN,COLUMN.",
            )
        found[name.strip()] = names
    taken = [name for names in found.values() for name in names]
    for name in taken:
        if kinds.get(name) != "number" or taken.count(name) > 1:
            why = "is named twice" if kinds.get(name) == "number" else "is no column of numbers"
            raise ConfigError(
                f"{name!r} {why}, in --number-group.",
                next_step="Columns of numbers: "
                f"{', '.join(repr(n) for n, kind in kinds.items() if kind == 'number') or 'none'}.",
            )
    return found


def in_test(columns: Columns, name: str) -> npt.NDArray[np.bool_]:
    """[N] which rows a column says are tested on.

    Raises:
        DataError: a value that says neither, or one side is empty.
    """
    cells = [(cell or "").casefold() for cell in columns.require(name, "--test-column")]
    unknown = sorted(set(cells) - TEST_WORDS - TRAIN_WORDS - {""})
    if unknown:
        raise DataError(
            f"The column {name!r} has the value {unknown[0]!r}, which says neither train nor test.",
            where=str(columns.path),
            next_step="Write test in the rows to be tested on, train (or nothing) in the others.",
        )
    tested = np.array([cell in TEST_WORDS for cell in cells])
    if tested.all() or not tested.any():
        side = "all rows are" if tested.all() else "no row is"
        raise DataError(
            f"By the column {name!r} {side} to be tested on.",
            where=str(columns.path),
            next_step="Write test in some of the rows.",
        )
    return tested


def _about_numbers(columns: Columns, name: str, kind: Kind | None, said: bool) -> Sequence[str]:
    """What is to be said of a column that is not all numbers."""
    cells = columns.cells[name]
    if kind == "text" and not said:
        odd = almost_numbers(cells)
        if odd:
            place, cell = odd[0]
            return [
                f"{name!r} is read as text for {len(odd)} values that are no numbers, "
                f"{cell[:40]!r} in line {columns.lines[place]} first; --number {name!r} counts "
                "them as missing."
            ]
    if kind == "number":
        found = numbers_of(cells)
        if np.isnan(found.values).all():
            raise DataError(
                f"The column {name!r} has no number, but is given as --number.",
                where=str(columns.path),
                next_step=f"Leave the option out, or the column: --leave-out {name!r}.",
            )
        if found.odd:
            place, cell = found.odd[0]
            return [
                f"{name!r}: {len(found.odd)} values are no numbers and count as missing, "
                f"{cell[:40]!r} in line {columns.lines[place]} first."
            ]
    return []
