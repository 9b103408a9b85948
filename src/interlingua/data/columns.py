"""A table of your own as columns, and what each column holds, found by looking at all its values.

A column names pictures or sounds where its values end as such files do and the files are there; it
holds numbers where every value is one; everything else is text, categories too.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from interlingua.config import nearest
from interlingua.data.endings import AUDIO_ENDINGS, IMAGE_ENDINGS
from interlingua.data.source import Problem, count_reasons
from interlingua.data.sources.manifest_rows import read_rows
from interlingua.errors import ConfigError, DataError

Kind = Literal["picture", "sound", "speech", "text", "number"]
MEDIA_KINDS = ("picture", "sound", "speech")

# what people and programs write where a number or a file is not there
NOT_THERE = frozenset(
    ("na", "n/a", "nan", "null", "none", "-", "--", "?", ".", "inf", "-inf", "infinity")
)
LARGEST = 1e30  # squares of larger ones don't fit float32
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"([+-]?\d+),(\d+)")


@dataclass(slots=True)
class Columns:
    """A table.

    Attributes:
        path: of the file.
        lines: [N] the line of each row.
        cells: by column name, [N] texts without spaces at their ends; None = empty.
        problems: rows that were left out.
    """

    path: Path
    lines: list[int]
    cells: dict[str, list[str | None]]
    problems: list[Problem] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)

    def require(self, name: str, purpose: str) -> list[str | None]:
        """The cells of a column.

        Raises:
            ConfigError: there is none; names the nearest.
        """
        if name not in self.cells:
            raise ConfigError(
                f"The table has no column {name!r}{nearest(name, self.cells)}, given as {purpose}.",
                where=str(self.path),
                next_step=f"Its columns: {', '.join(map(repr, self.cells))}.",
            )
        return self.cells[name]

    def take(self, rows: Sequence[int]) -> Columns:
        """Some of the rows."""
        cells = {name: [column[row] for row in rows] for name, column in self.cells.items()}
        return Columns(self.path, [self.lines[row] for row in rows], cells, self.problems)


@dataclass(slots=True)
class Numbers:
    """A column as numbers.

    Attributes:
        values: [N], nan where there is none.
        odd: (place, text) of what is no number and counts as missing.
    """

    values: list[float]
    odd: list[tuple[int, str]]


def read_columns(path: Path) -> Columns:
    """Read a CSV, TSV or JSONL file.

    Raises:
        DataError: it isn't there, is empty or no table, or has two columns of one name.
    """
    problems: list[Problem] = []
    rows: list[tuple[int, Mapping[str, Any]]] = []
    try:
        rows.extend(read_rows(path, problems))
    except csv.Error as error:
        raise DataError(f"The table can't be read: {error}.", where=str(path)) from error
    if not rows:
        reasons = ", ".join(f"{n}× {reason}" for reason, n in count_reasons(problems).items())
        raise DataError(
            f"The table has no rows{f' that can be used: {reasons}' if reasons else ''}.",
            where=problems[0].where if problems else str(path),
            next_step="Its first line names the columns; each line after it is one thing.",
        )
    names = list(dict.fromkeys(name for _, row in rows for name in row if name and name.strip()))
    cells = {name.strip(): [_cell(row.get(name)) for _, row in rows] for name in names}
    if len(cells) < len(names):  # of JSON; the header of a table was looked at already
        twice = next(name for name in names if name != name.strip()).strip()
        raise DataError(
            f"The table has two columns {twice!r}.",
            where=str(path),
            next_step="Rename one of them.",
        )
    return Columns(path, [line for line, _ in rows], cells, problems)


def kind_of(cells: Sequence[str | None], root: Path, name: str, where: str) -> Kind | None:
    """What a column holds; None where it is empty.

    Args:
        cells: of the column.
        root: what relative paths start from.
        name, where: for messages.

    Raises:
        DataError: the values are names of pictures or sounds, and no such file is there.
    """
    there = [cell for cell in cells if cell is not None and cell.lower() not in NOT_THERE]
    if not there:
        return None
    endings = [Path(cell).suffix.lower() for cell in there if _may_be_a_path(cell)]
    pictures = sum(ending in IMAGE_ENDINGS for ending in endings)
    sounds = sum(ending in AUDIO_ENDINGS for ending in endings)
    if 2 * max(pictures, sounds) > len(there):
        kind: Kind = "picture" if pictures >= sounds else "sound"
        if any(is_file(root, cell) for cell in there):
            return kind
        raise DataError(
            f"The column {name!r} names {max(pictures, sounds):,} {kind}s, and none of these files "
            f"is there, for instance {there[0]!r}.",
            where=where,
            next_step="Paths are relative to the table's folder; --root FOLDER gives another one, "
            f"--text {name!r} takes the names as words.",
        )
    return "number" if all(_NUMBER.fullmatch(cell) for cell in there) else "text"


def numbers_of(cells: Sequence[str | None]) -> Numbers:
    """A column as numbers; a comma is taken for a decimal point."""
    values, odd = [], []
    for place, cell in enumerate(cells):
        value = math.nan
        if cell is not None and cell.lower() not in NOT_THERE:
            text = _DECIMAL_COMMA.sub(r"\1.\2", cell, count=1)
            if _NUMBER.fullmatch(text) and abs(float(text)) <= LARGEST:
                value = float(text)
            else:
                odd.append((place, cell))
        values.append(value)
    return Numbers(values, odd)


def almost_numbers(cells: Sequence[str | None], share: float = 0.9) -> list[tuple[int, str]]:
    """(place, text) of the few values that keep a column from being numbers; else none."""
    there = sum(cell is not None for cell in cells)
    odd = numbers_of(cells).odd
    return odd if 0 < len(odd) <= (1 - share) * there else []


def is_file(root: Path, cell: str) -> bool:
    """Whether a cell names a file that is there."""
    try:
        return (root / cell).is_file()
    except (OSError, ValueError):  # a name too long or with a null character
        return False


def check_asked(columns: Columns, asked: Mapping[str, Collection[str]]) -> None:
    """Refuse options that name no column, or one column for two kinds.

    Args:
        columns: the table.
        asked: by option (``--text``), the columns that it names.

    Raises:
        ConfigError: names the option.
    """
    given: dict[str, str] = {}
    for option, names in asked.items():
        for name in names:
            columns.require(name, option)
            if given.setdefault(name, option) != option:
                raise ConfigError(
                    f"The column {name!r} is given as {given[name]} and as {option}.",
                    next_step="Give it once.",
                )


def _may_be_a_path(cell: str) -> bool:
    return len(cell) < 1024 and "\n" not in cell


def _cell(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = " ".join(value)
    if isinstance(value, bool | list | dict):
        value = json.dumps(value, ensure_ascii=False)
    text = str(value).strip()
    return text or None
