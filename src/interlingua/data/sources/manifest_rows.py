"""The rows of a CSV, TSV or JSONL file with their line numbers; bad lines are noted, not fatal."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from interlingua.data.source import Problem
from interlingua.errors import DataError

MAX_LINE = 1 << 20
MAX_ROWS = 10_000_000


def read_rows(path: Path, problems: list[Problem]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Each row with the number of the line it ends on, the first line being 1.

    Raises:
        DataError: no such file, an unknown ending, no header, two columns of one name, or bytes
            that are no text.
    """
    ending = path.suffix.lower()
    if ending not in (".csv", ".tsv", ".jsonl"):
        raise DataError(
            f"A manifest ends in .csv, .tsv or .jsonl, not in {ending or 'nothing'!r}.",
            where=str(path),
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = _limited(file, path)
            if ending == ".jsonl":
                yield from _json_rows(lines, path, problems)
            else:
                yield from _table_rows(lines, path, ending, problems)
    except FileNotFoundError as error:
        raise DataError(
            "There is no such manifest.", where=str(path), next_step="Check the path."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            "The manifest is not UTF-8 text.",
            where=str(path),
            next_step="Save it as UTF-8 (in a spreadsheet: `CSV UTF-8`).",
        ) from error
    except OSError as error:
        raise DataError(
            f"The manifest can't be read: {error.strerror}.", where=str(path)
        ) from error


def _limited(file: Any, path: Path) -> Iterator[str]:
    """Lines, each of a bounded length: a file without line ends isn't read whole."""
    for number in range(1, MAX_ROWS + 1):
        line = file.readline(MAX_LINE + 1)
        if not line:
            return
        if len(line) > MAX_LINE:
            raise DataError(
                "A line of the manifest has more than a million characters.",
                where=f"{path}:{number}",
                next_step="A manifest has one row per line and names files; it doesn't hold them.",
            )
        yield line
    raise DataError(f"The manifest has more than {MAX_ROWS:,} lines.", where=str(path))


def _json_rows(
    lines: Iterable[str], path: Path, problems: list[Problem]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            yield number, row
        else:
            problems.append(Problem("not a JSON object", f"{path}:{number}"))


def _table_rows(
    lines: Iterator[str], path: Path, ending: str, problems: list[Problem]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    first = next(lines, "")
    if not first.strip():
        raise DataError(
            "The manifest has no header line.",
            where=f"{path}:1",
            next_step="Its first line names the columns, for instance: image,text",
        )
    # Spreadsheets in much of Europe write `;` into a .csv.
    delimiter = "\t" if ending == ".tsv" else max(",;\t", key=first.count)
    reader = csv.reader(_chain(first, lines), delimiter=delimiter)
    header = next(reader)
    _require_different(header, path)
    while True:
        try:
            row = next(reader, None)
        except csv.Error:
            problems.append(Problem("not a row of a table", f"{path}:{reader.line_num}"))
            continue
        if row is None:
            return
        if len(row) > len(header):
            problems.append(Problem("more cells than columns", f"{path}:{reader.line_num}"))
        elif any(cell.strip() for cell in row):
            # A short row lacks its last cells.
            yield reader.line_num, dict(zip(header, row, strict=False))


def _require_different(header: list[str], path: Path) -> None:
    """Refuse a name that two columns bear: one of them would go unseen."""
    names = [name.strip() for name in header if name.strip()]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(
            f"The table has two columns {twice!r}.",
            where=f"{path}:1",
            next_step="Rename one of them.",
        )


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest
