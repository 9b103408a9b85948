"""A check of everything that an index holds: rows, matrix, and the files that rows name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from interlingua.errors import SearchIndexError
from interlingua.index import matrix_files, snapshot
from interlingua.index.codes import BLOCK
from interlingua.index.files import FileState, compared
from interlingua.index.info import IndexInfo
from interlingua.index.integrity import verify_files
from interlingua.index.matrix import Matrix
from interlingua.index.record import record_id

UNIT = 1e-4  # a length this near to 1 is 1
MAX_TOLD = 20  # problems of a kind that are named
_ROWS_AT_A_TIME = 1 << 14


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong: of which kind, where, and what."""

    kind: str
    where: str
    what: str


@dataclass(slots=True)
class Report:
    """What was checked.

    Attributes:
        rows: that were read.
        problems: the first of each kind.
        counts: of problems by kind.
        files: media by what has become of them; empty where they weren't looked at.
        matrix: rows of the matrix that were compared with the table.
    """

    rows: int = 0
    problems: list[Problem] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    matrix: int = 0

    @property
    def passed(self) -> bool:
        """Nothing is wrong."""
        return not self.counts

    def tell(self, kind: str, where: str, what: str) -> None:
        """Count a problem, and keep it if it is one of the first of its kind."""
        self.counts[kind] += 1
        if self.counts[kind] <= MAX_TOLD:
            self.problems.append(Problem(kind, where, what))


def verify(
    folder: Path, info: IndexInfo, table: Any, *, files: bool = False, digests: bool = False
) -> Report:
    """``Index.verify``."""
    report = Report()
    ids: set[str] = set()
    looked_at: dict[str, None] = {}
    columns = ["id", "key", "kind", "text", "path", "source", "language", "vector"]
    known = [name for name in ("size", "modified", "digest") if name in table.schema.names]
    for batch in table.search().select([*columns, *known]).limit(None).to_batches():
        rows = batch.drop_columns(["vector"]).to_pylist()
        _check_vectors(batch.column("vector"), rows, info, report)
        for row in rows:
            _check_row(row, ids, info, report)
            if files and row["path"] and row["path"] not in looked_at:
                looked_at[row["path"]] = None
                _check_file(row, digests, report)
        report.rows += len(rows)
    if report.rows != table.count_rows():
        report.tell("rows", str(folder), f"{report.rows} of {table.count_rows()} can be read")
    if info.matrix is not None:
        _check_matrix(folder, info, table, report)
    return report


def _check_vectors(column: Any, rows: list[Any], info: IndexInfo, report: Report) -> None:
    if column.null_count:
        report.tell("vector", "", f"{column.null_count} rows have none")
        return
    vectors = column.flatten().to_numpy().reshape(-1, info.dimension)
    with np.errstate(all="ignore"):
        lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    for place in np.flatnonzero(~np.isfinite(vectors).all(1)):
        report.tell("vector", rows[place]["key"], "it has numbers that are not finite")
    odd = np.isfinite(lengths) & (np.abs(lengths - 1) > UNIT)
    if info.format_version < 2:  # vectors were kept as they were given
        odd = lengths == 0
    for place in np.flatnonzero(odd):
        report.tell("vector", rows[place]["key"], f"it has length {lengths[place]:.4f}, not 1")


def _check_row(row: dict[str, Any], ids: set[str], info: IndexInfo, report: Report) -> None:
    if row["id"] in ids:
        report.tell("double", row["key"], f"the record {row['id']} is there twice")
    ids.add(row["id"])
    if not row["kind"] or row["key"] is None:
        report.tell("record", str(row["id"]), "it has no key or no kind")
    content = row["text"] if row["kind"] == "text" else row["path"]
    parts = (row["source"], row["key"], row["kind"], row["language"], content)
    # names that are no UTF-8 were named by what they were before they were stored
    if "?" not in "".join(str(part) for part in parts) and record_id(*parts) != row["id"]:
        report.tell("record", row["key"], f"its name {row['id']} doesn't fit what it says")


def _check_file(row: dict[str, Any], digests: bool, report: Report) -> None:
    before = FileState(row.get("size"), row.get("modified"), row.get("digest") or "")
    state = compared(row["path"], before, with_digest=digests)
    report.files[state] += 1
    if state in ("changed", "missing", "unreadable"):
        report.tell(f"file {state}", row["path"], f"of {row['key']!r}")


def _check_matrix(folder: Path, info: IndexInfo, table: Any, report: Report) -> None:
    """Each row of the matrix that is in the table has its vector, and a bound that holds."""
    assert info.matrix is not None
    place = str(folder / info.matrix.folder)
    try:
        verify_files(folder / info.matrix.folder, info.matrix.files, set())
        matrix, records = matrix_files.read(folder / info.matrix.folder)
    except (SearchIndexError, OSError, ValueError, KeyError) as error:
        report.tell("matrix", place, f"it can't be read ({error}); index compact writes it anew")
        return
    places = {address: row for row, address in enumerate(matrix.addresses.tolist()) if address >= 0}
    for vectors, addresses, columns in _pieces(table, info):
        rows = np.array([places.get(address, -1) for address in addresses.tolist()])
        there = rows >= 0
        report.matrix += int(np.count_nonzero(there))
        wrong = np.abs(matrix.vectors[rows[there]] - vectors[there]).max(1, initial=0) > 1e-6
        for number in np.flatnonzero(wrong):
            report.tell("matrix", place, f"row {rows[there][number]} has another vector")
        keys = columns.column("key").to_pylist()
        kept = records.column("key").take(snapshot.row_numbers(rows[there])).to_pylist()
        for number, key in zip(np.flatnonzero(there), kept, strict=True):
            if keys[number] != key:
                report.tell("matrix", place, f"row {rows[number]} has another key")
    for block in _too_small_bounds(matrix):
        report.tell("matrix", place, f"the bound of block {block} doesn't hold")


def _pieces(table: Any, info: IndexInfo) -> Iterator[tuple[Any, Any, Any]]:
    addresses = snapshot.addresses_of(table)
    for start in range(0, len(addresses), _ROWS_AT_A_TIME):
        yield snapshot.rows_at(table, info, addresses[start : start + _ROWS_AT_A_TIME])


def _too_small_bounds(matrix: Matrix) -> Iterator[int]:
    """Blocks with a row that its codes are farther from than they say."""
    assert matrix.coding is not None and matrix.codes is not None
    for start in range(0, len(matrix.vectors), _ROWS_AT_A_TIME):
        rows = slice(start, min(start + _ROWS_AT_A_TIME, len(matrix.vectors)))
        blocks = slice(rows.start // BLOCK, rows.stop // BLOCK)
        turned = matrix.coding.turned(matrix.vectors[rows])
        meant = matrix.codes.codes[rows] * np.repeat(matrix.codes.steps[blocks], BLOCK)[:, None]
        lost = np.linalg.norm(turned - meant, axis=1)
        lost[~matrix.real[rows]] = 0
        worst = lost.reshape(-1, BLOCK).max(1)
        yield from (np.flatnonzero(worst > matrix.codes.errors[blocks]) + blocks.start).tolist()
