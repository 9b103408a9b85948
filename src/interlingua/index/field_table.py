"""Fields of samples from a table of your own: a CSV, TSV or JSONL file with a column ``key``.

What a column holds is found by looking at all its values: true and false, numbers, times in ISO
8601, else text. Columns that every record has anyway (``group``, ``text`` ...) are passed over.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from interlingua.data.source import Problem
from interlingua.data.sources.manifest_rows import read_rows
from interlingua.errors import ConfigError, DataError
from interlingua.index.fields import BUILT_IN, FieldKind, Value, as_kind, declared

KEY_COLUMNS = ("key", "id")
_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class FieldTable:
    """Fields of samples.

    Attributes:
        kinds: of the fields.
        values: by key, then by field; what has no value isn't there.
        path: of the file, for messages.
    """

    kinds: Mapping[str, FieldKind]
    values: Mapping[str, Mapping[str, Value]]
    path: Path

    @classmethod
    def read(cls, path: Path) -> FieldTable:
        """Of a file.

        Raises:
            DataError: it can't be read, has no column ``key`` or no other, or two rows of one key
                that differ.
        """
        problems: list[Problem] = []
        rows = [row for _, row in read_rows(path, problems)]
        names = list(dict.fromkeys(name for row in rows for name in row if name and name.strip()))
        key = next((name for name in names if name.strip().lower() in KEY_COLUMNS), None)
        if key is None:
            raise DataError(
                f"The table of fields has no column 'key'; it has {', '.join(map(repr, names))}.",
                where=str(path),
                next_step="Its column 'key' says which sample a row is of.",
            )
        columns = {name: _plain_name(name) for name in names if name != key}
        columns = {name: plain for name, plain in columns.items() if plain not in BUILT_IN}
        kinds: dict[str, FieldKind] = {}
        read: dict[str, list[Value | None]] = {}
        for name, plain in columns.items():
            kinds[plain], read[plain] = _column([row.get(name) for row in rows])
        if not kinds:
            raise DataError("The table of fields has no field beside its key.", where=str(path))
        values: dict[str, dict[str, Value]] = {}
        for number, row in enumerate(rows):
            told = {n: one[number] for n, one in read.items()}
            there = {name: value for name, value in told.items() if value is not None}
            named = str(row.get(key) or "").strip()
            if values.setdefault(named, there) != there:
                raise DataError(
                    f"Two rows of the table of fields have the key {named!r} and differ.",
                    where=str(path),
                )
        values.pop("", None)
        return cls(declared(kinds), values, path)


def _plain_name(name: str) -> str:
    return "_".join(name.strip().split()).replace("-", "_")


def _column(cells: Sequence[Any]) -> tuple[FieldKind, list[Value | None]]:
    """The kind that all cells of a column fit, and their values."""
    texts = [cell.strip() if isinstance(cell, str) else cell for cell in cells]
    kept = [None if cell == "" else cell for cell in texts]
    for kind, convert in (("bool", _as_bool), ("number", _as_number), ("time", _as_time)):
        values = [None if cell is None else convert(cell) for cell in kept]
        pairs = zip(kept, values, strict=True)
        if any(cell is not None for cell in kept) and all(
            (cell is None) == (value is None) for cell, value in pairs
        ):
            return kind, values  # type: ignore[return-value]
    return "text", [None if cell is None else str(cell) for cell in kept]


def _as_bool(cell: Any) -> bool | None:
    return cell if isinstance(cell, bool) else _TRUTH.get(str(cell).lower())


def _as_number(cell: Any) -> float | None:
    if isinstance(cell, bool):
        return None
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _as_time(cell: Any) -> Value | None:
    if not isinstance(cell, str | datetime):
        return None
    try:
        return as_kind(cell, "time", "")
    except ConfigError:
        return None
