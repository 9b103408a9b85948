"""What is wrong with a table that is to be learned from: refused with a reason, or pointed out.

Shape legend: N rows, C classes.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from interlingua.content import FileContent, digest
from interlingua.data.columns import Columns, is_file, numbers_of
from interlingua.data.component import DisjointSets
from interlingua.errors import DataError, MediaError

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

MOST_NUMERIC_CLASSES = 100  # a label of more different numbers is a quantity
LEAK_ROWS = 20  # repeated values that always go with one label


def classes_of(labels: Sequence[str], where: str, column: str) -> tuple[str, ...]:
    """The classes in order: numbers by size, names by the alphabet.

    Args:
        labels: [N] of the rows that have one.
        where, column: for messages.

    Raises:
        DataError: one class, or a quantity in the place of classes.
    """
    counts = Counter(labels)
    if len(counts) < 2:
        what = f"one class, {labels[0]!r}" if labels else "no value"
        raise DataError(
            f"The label {column!r} has {what}: there is nothing to tell apart.",
            where=where,
            next_step="Choose another --label, or add rows of a second class.",
        )
    numeric = not numbers_of(labels).odd
    many = len(counts) >= MOST_NUMERIC_CLASSES
    if numeric and (many or (len(counts) > 20 and 2 * len(counts) > len(labels))):
        raise DataError(
            f"The label {column!r} is a number with {len(counts):,} different values. Classes are "
            "told apart here; predicting a quantity (regression) is not offered.",
            where=where,
            next_step="Make a column of ranges (low, middle, high) and give that as --label.",
        )
    return tuple(sorted(counts, key=float if numeric else None))


def too_few(labels: Sequence[str], groups: Sequence[int] | IntArray, wanted: int) -> dict[str, int]:
    """Classes with fewer than ``wanted`` independent groups of rows, and how many they have."""
    having: dict[str, set[int]] = defaultdict(set)
    for label, group in zip(labels, groups, strict=True):
        having[label].add(int(group))
    return {label: len(found) for label, found in sorted(having.items()) if len(found) < wanted}


def groups_of(
    columns: Columns, root: Path, media: Iterable[str], texts: Iterable[str], group: str
) -> IntArray:
    """[N] the group of each row: what must not be divided between training and test.

    Rows belong together that name the same file, or files with the same bytes, that have the same
    value in the column ``group``, or, where none is given, the same text (in columns of texts that
    mostly differ: categories repeat on purpose); and rows that are equal in everything.

    Args:
        columns: the table.
        root: what relative paths start from.
        media, texts: names of columns.
        group: name of a column, or empty.
    """
    sets = DisjointSets(len(columns))
    for marks in _marks(columns, root, media, texts, group):
        first: dict[Hashable, int] = {}
        for row, mark in enumerate(marks):
            if mark is not None:
                sets.join(first.setdefault(mark, row), row)
    numbers: dict[int, int] = {}
    found = [numbers.setdefault(sets.find(row), len(numbers)) for row in range(len(columns))]
    return np.asarray(found, np.int64)


def _marks(
    columns: Columns, root: Path, media: Iterable[str], texts: Iterable[str], group: str
) -> Iterable[Sequence[Hashable]]:
    yield list(zip(*columns.cells.values(), strict=True))
    for name in media:
        marks = _file_marks(root, {cell for cell in columns.cells[name] if cell is not None})
        yield [marks.get(cell) if cell is not None else None for cell in columns.cells[name]]
    if group:
        yield columns.require(group, "--group")
        return
    for name in texts:
        lowered = [None if cell is None else cell.casefold() for cell in columns.cells[name]]
        if 2 * len(set(lowered) - {None}) > len([cell for cell in lowered if cell is not None]):
            yield lowered


def _file_marks(root: Path, cells: Collection[str]) -> dict[str, Hashable]:
    """What tells files apart: their size, and their bytes where sizes are equal."""
    sizes = {cell: (root / cell).stat().st_size for cell in cells if is_file(root, cell)}
    often = Counter(sizes.values())
    marks: dict[str, Hashable] = {}
    for cell, size in sizes.items():
        marks[cell] = size
        if often[size] > 1:
            try:
                marks[cell] = (size, digest(FileContent(root / cell)))
            except MediaError:
                marks[cell] = cell  # found out when it is read
    return marks


def check_constant(columns: Columns, names: Iterable[str]) -> None:
    """Refuse columns that say nothing, all of them in one message.

    Raises:
        DataError: empty columns, or columns with one value.
    """
    found = {}
    for name in names:
        values = set(columns.cells[name]) - {None}
        if not values:
            found[name] = "is empty in all rows"
        elif len(values) == 1 and None not in columns.cells[name]:
            found[name] = f"has the same value {str(next(iter(values)))[:40]!r} in all rows"
    if found:
        told = "; ".join(f"{name!r} {what}" for name, what in found.items())
        options = " ".join(f"--leave-out {name!r}" for name in found)
        raise DataError(
            f"Nothing can be learned from {_columns(len(found))}: {told}.",
            where=str(columns.path),
            next_step=f"Leave {'it' if len(found) == 1 else 'them'} out: {options}",
        )


def counts_rows(cells: Sequence[str | None]) -> bool:
    """Whether a column only counts the rows up, as ids do."""
    values = numbers_of(cells).values
    return len(values) > 2 and all(
        after - before == 1 for before, after in itertools.pairwise(values)
    )


def leaks(columns: Columns, names: Iterable[str], labels: Sequence[str]) -> list[str]:
    """A sentence for each column whose value settles the label in every row."""
    found = []
    for name in names:
        seen: dict[str, set[str]] = defaultdict(set)
        rows = Counter(cell for cell in columns.cells[name] if cell is not None)
        for cell, label in zip(columns.cells[name], labels, strict=True):
            if cell is not None:
                seen[cell].add(label)
        repeated = sum(count for cell, count in rows.items() if count > 1)
        if repeated >= LEAK_ROWS and 2 * repeated > rows.total() and len(seen) > 1:
            if all(len(answers) == 1 for answers in seen.values()):
                found.append(
                    f"Each value of {name!r} goes with one label only: if it is written down after "
                    f"the answer is known, it is a leak (--leave-out {name!r})."
                )
            continue
        told = sum(
            cell is not None and label.casefold() in cell.casefold()
            for cell, label in zip(columns.cells[name], labels, strict=True)
        )
        if len(labels) >= LEAK_ROWS and told >= 0.9 * len(labels):
            found.append(f"{name!r} names its own label in {told} of {len(labels)} rows.")
    return found


def check_presence(
    name: str, there: BoolArray, train: IntArray, test: IntArray, where: str, part: str
) -> None:
    """Refuse a modality that only one side of a division has.

    Args:
        name: of the modality.
        there: [N] which rows have it.
        train, test: rows of the two sides.
        where, part: for messages.

    Raises:
        DataError: says on which side it is missing.
    """
    in_train, in_test = int(there[train].sum()), int(there[test].sum())
    if in_train and in_test:
        return
    only = "training" if in_train else "test" if in_test else "neither"
    rows = "no row that can be read" if only == "neither" else f"rows of the {only} part only"
    raise DataError(
        f"The modality {name!r} is in {rows}{part}: {in_train} of {len(train)} rows to train on, "
        f"{in_test} of {len(test)} to test on.",
        where=where,
        next_step=f"Leave it out (--leave-out), or add rows with it; {int(there.sum())} have it.",
    )


def shown_counts(counts: Mapping[str, int], most: int = 6) -> str:
    """``cat 1, dog 1`` and how many more."""
    told = ", ".join(f"{name!r} {count}" for name, count in list(counts.items())[:most])
    return f"{told} and {len(counts) - most} more" if len(counts) > most else told


def _columns(count: int) -> str:
    return "a column" if count == 1 else f"{count} columns"
