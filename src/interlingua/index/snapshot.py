"""What a search sees: the state of an index after one finished change, in memory or mapped.

A snapshot has one part of rows that were there when its matrix was made, and, where records were
added since, a small second one. Rows that are gone are passed over. So a change of a few records in
a large index costs a few records.

Shape legend: P rows of a part's matrix, D width, Q queries.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from interlingua.errors import SearchIndexError
from interlingua.index import matrix_files
from interlingua.index.codes import Floats
from interlingua.index.columns import (
    columns_in_memory,
    of_length_one,
    plain_values,
    schema,
    searched_columns,
)
from interlingua.index.condition import Condition, Mask
from interlingua.index.info import IndexInfo
from interlingua.index.integrity import verify_files
from interlingua.index.lists import Places
from interlingua.index.matrix import Matrix, build
from interlingua.index.ranking import Found
from interlingua.index.scan import nearest

MANY_NEW = 0.2  # of the rows: beyond it a matrix in memory is made anew
ALWAYS_FEW = 4096
KEPT_MASKS = 8
PLAIN_UP_TO = 50_000  # rows

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Part:
    """Some rows of an index.

    Attributes:
        matrix: their vectors.
        records: a pyarrow table of P rows, in the matrix's order.
        alive: [P] False for padding and for rows that are gone; None = all are there.
    """

    matrix: Matrix
    records: Any
    alive: Mask | None = None
    _masks: OrderedDict[Condition, Mask] = field(default_factory=OrderedDict)
    _columns: dict[str, list[Any]] = field(default_factory=dict)

    def values(self, names: Sequence[str], places: Places) -> list[list[Any]]:
        """Some rows of some columns as plain Python values.

        Those of a small part are converted once and kept, since looking them up one by one takes
        longer than a search of so few vectors.
        """
        if len(self.matrix.vectors) > PLAIN_UP_TO:
            rows = row_numbers(places)
            return [plain_values(self.records.column(name).take(rows)) for name in names]
        for name in names:
            if name not in self._columns:
                self._columns[name] = plain_values(self.records.column(name))
        wanted = places.tolist()
        return [list(map(self._columns[name].__getitem__, wanted)) for name in names]

    def allowed(self, condition: Condition | None) -> Mask | None:
        """[P] rows that may be found; None = all."""
        if condition is None:
            return self.alive
        if condition not in self._masks:
            mask = condition.mask(self.records)
            self._masks[condition] = mask if self.alive is None else mask & self.alive
            while len(self._masks) > KEPT_MASKS:
                self._masks.popitem(last=False)
        return self._masks[condition]

    def count(self) -> int:
        """Rows that are there."""
        return len(self.records) if self.alive is None else int(np.count_nonzero(self.alive))


FoundIn: TypeAlias = tuple[Part, Sequence[Found]]  # rows of a part, of each query


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of an index.

    Attributes:
        info: of this state.
        parts: of the rows; none where the index is empty.
        matrix_folder: the name of the files' folder that the first part lies in; empty = memory.
    """

    info: IndexInfo
    parts: tuple[Part, ...]
    matrix_folder: str = ""
    _counts: dict[str, dict[str, int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(part.count() for part in self.parts)

    def search(
        self, queries: Floats, k: int, condition: Condition | None = None, lists: int = 0
    ) -> list[FoundIn]:
        """The k nearest rows of each query [Q, D] of length 1, in each part.

        Args:
            queries: are asked for.
            k: at most so many.
            condition: what a row must be, checked.
            lists: look into so many of the nearest lists only; 0 = exact.
        """
        return [
            (part, nearest(part.matrix, queries, k, part.allowed(condition), lists))
            for part in self.parts
        ]

    def matching(self, condition: Condition | None) -> list[tuple[Part, Places]]:
        """The rows that pass, by part."""
        found = []
        for part in self.parts:
            allowed = part.allowed(condition)
            places = np.arange(len(part.records)) if allowed is None else np.flatnonzero(allowed)
            if len(places):
                found.append((part, places))
        return found

    def counts(self, column: str) -> dict[str, int]:
        """How many rows have each value of a column of few values."""
        if column not in self._counts:
            counts: dict[str, int] = {}
            for part, places in self.matching(None):
                values = part.records.column(column).take(row_numbers(places)).value_counts()
                for one in values.to_pylist():
                    counts[one["values"]] = counts.get(one["values"], 0) + one["counts"]
            self._counts[column] = dict(sorted(counts.items()))
        return dict(self._counts[column])


def load(folder: Path, info: IndexInfo, table: Any, before: Snapshot | None = None) -> Snapshot:
    """The state that ``info`` tells of.

    Args:
        folder: of the index.
        info: read from it.
        table: LanceDB's, at the version of ``info``.
        before: an earlier state of the same table, what it has is used again.
    """
    base, name = _base(folder, info, before)
    if base is not None:
        present = addresses_of(table)
        alive, fresh = _compared(base.matrix.addresses, present)
        few = len(fresh) <= max(ALWAYS_FEW, MANY_NEW * len(present))
        if name or (few and np.count_nonzero(alive) * 2 >= len(alive)):
            first = Part(base.matrix, base.records, None if alive.all() else alive)
            parts = [first] if len(base.records) else []
            if len(fresh):
                parts.append(part_of(*rows_at(table, info, fresh), info))
            return Snapshot(info, tuple(parts), name)
    vectors, addresses, columns = all_rows(table, info)
    part = part_of(vectors, addresses, columns, info)
    return Snapshot(info, (part,) if len(addresses) else ())


def _compared(addresses: Places, present: Places) -> tuple[Mask, Places]:
    """[P] which of a matrix's addresses are present [N], sorted; and those that it lacks."""
    if not len(present):
        return np.zeros(len(addresses), bool), present
    places = np.minimum(np.searchsorted(present, addresses), len(present) - 1)
    alive: Mask = present[places] == addresses
    missing = np.ones(len(present), bool)
    missing[places[alive]] = False
    return alive, present[missing]


def _base(folder: Path, info: IndexInfo, before: Snapshot | None) -> tuple[Part | None, str]:
    """What the newest matrix has, and the name of its folder; an empty name: it is in memory."""
    if info.matrix is not None:
        name = info.matrix.folder
        if before is not None and before.matrix_folder == name:
            return before.parts[0], name
        try:
            verify_files(folder / name, info.matrix.files, set())
            matrix, records = matrix_files.read(folder / name)
        except (SearchIndexError, OSError, ValueError, KeyError) as error:
            log.warning(
                "The matrix of %s can't be read (%s) and is made anew in memory; "
                "`interlingua index compact %s` writes it.", folder, error, folder,
            )  # fmt: skip
        else:
            return Part(matrix, records), name
    if before is not None and not before.matrix_folder and before.parts:
        return before.parts[0], ""
    return None, ""


def part_of(vectors: Floats, addresses: Places, columns: Any, info: IndexInfo) -> Part:
    """A part in memory, of rows of the table."""
    matrix, order = build(vectors, addresses)
    records = columns_in_memory(columns, info)
    if len(order) == len(addresses):
        return Part(matrix, records)
    return Part(matrix, take_padded(records, order), matrix.real)


def take_padded(records: Any, order: Places) -> Any:
    """Rows of a pyarrow table by number; -1 gives a row without values."""
    import pyarrow

    return records.take(pyarrow.array(order, mask=order < 0))


def row_numbers(places: Sequence[int] | Places) -> Any:
    """Rows as what pyarrow takes."""
    import pyarrow

    return pyarrow.array(places, pyarrow.int64())


def addresses_of(table: Any) -> Places:
    """[N] sorted: where the table's rows are. An address never stands for another row."""
    found = table.search().with_row_id(True).select(["_rowid"]).limit(None).to_arrow()
    addresses: Places = found.column("_rowid").to_numpy().astype(np.int64)
    return np.sort(addresses)


def all_rows(table: Any, info: IndexInfo) -> tuple[Floats, Places, Any]:
    """[N, D] vectors of length 1, [N] addresses, and a pyarrow table of the other columns."""
    count = int(table.count_rows())
    names = [*searched_columns(info), "vector", "_rowid"]
    query = table.search().with_row_id(True).select(names).limit(None)
    return _gathered(query.to_batches(), count, info)


def rows_at(table: Any, info: IndexInfo, addresses: Places) -> tuple[Floats, Places, Any]:
    """``all_rows`` of a few addresses."""
    names = [*searched_columns(info), "vector"]
    query = table.take_row_ids(addresses.tolist()).select(names).with_row_id()
    return _gathered(query.to_arrow().to_batches(), len(addresses), info)


def _gathered(batches: Any, count: int, info: IndexInfo) -> tuple[Floats, Places, Any]:
    import pyarrow

    vectors = np.empty((count, info.dimension), np.float32)
    addresses = np.empty(count, np.int64)
    columns, start = [], 0
    for batch in batches:
        if not len(batch):
            continue
        rows = slice(start, start + len(batch))
        flat = batch.column("vector").flatten().to_numpy()
        vectors[rows] = of_length_one(flat.reshape(-1, info.dimension))
        addresses[rows] = batch.column("_rowid").to_numpy()
        columns.append(batch.select(searched_columns(info)))
        start += len(batch)
    if start != count:
        raise ValueError(f"{start} rows where {count} should be")
    names = pyarrow.schema([one for one in schema(info) if one.name in searched_columns(info)])
    return vectors, addresses, pyarrow.Table.from_batches(columns, schema=names)
