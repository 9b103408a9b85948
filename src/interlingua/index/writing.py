"""Writing an index, one process at a time: batches that are there as a whole or not at all.

A batch makes new versions of the table and counts once ``index.json`` names them. That file is
replaced by one rename, so a kill at any moment leaves all batches that were acknowledged, or these
and the one that was just being acknowledged. What else a killed writer left is taken back or
removed by the next one.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from interlingua.index import matrix_files, snapshot, storage
from interlingua.index.columns import columns_in_memory, searched_columns, storable, to_arrow
from interlingua.index.condition import Condition
from interlingua.index.info import Approximate, IndexInfo, MatrixInfo
from interlingua.index.integrity import file_digests
from interlingua.index.record import Record

ADD_AT_A_TIME = 4096  # records
DELETE_AT_A_TIME = 4096
MAX_FRAGMENTS = 16  # each batch makes a file; beyond this they are joined
MATRIX_FROM = 50_000  # records; fewer are read into memory in no time
LISTS_FROM = 1_000_000  # an exact search of fewer takes milliseconds
STALE = 0.1  # share of a matrix that may have changed before it is made anew
OLD = timedelta(minutes=5)  # nobody reads what was replaced before
AT_ONCE = timedelta(milliseconds=1)  # LanceDB warns of zero

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update did: records that were there before, and records that are there now."""

    replaced: int
    added: int


class Writer:
    """Changes an index while its lock is held.

    Args:
        folder: of the index.
        info: of it.
        table: LanceDB's, at the version that counts.
        building: a new index, of which nothing counts until ``publish``.
    """

    def __init__(self, folder: Path, info: IndexInfo, table: Any, *, building: bool = False):
        self.folder = folder
        self.info = info
        self.table = table
        self.building = building
        self._known: set[str] | None = set() if building else None  # ids of a new table

    def __len__(self) -> int:
        return int(self.table.count_rows())

    def add(self, records: Iterable[Record]) -> int:
        """Add records; the same part of the same sample replaces what was there.

        Each block of a few thousand records is a batch. Gives how many were given.

        Raises:
            SearchIndexError: a vector of another width, not finite or zero; a field that the index
                lacks; the folder can't be written.
            ConfigError: a field's value of another kind.
        """
        count = 0
        with self._explained():
            for block in _blocks(records, ADD_AT_A_TIME):
                rows = {record.id: record for record in block}  # the last of equals wins
                self._insert(rows)
                self._acknowledge(len(rows))
                count += len(block)
        return count

    def update(self, records: Iterable[Record]) -> Updated:
        """Replace everything that is stored of these samples by these records, as one batch.

        Raises:
            SearchIndexError, ConfigError: as ``add``; then nothing is replaced.
        """
        rows = {record.id: record for record in records}
        if not rows:
            return Updated(0, 0)
        named = {(storable(one.source), storable(one.key)) for one in rows.values()}
        with self._explained():
            fresh = to_arrow(list(rows.values()), self.info)
            old = self._ids(named)
            self._delete(old)
            self.table.add(fresh)
            if self._known is not None:
                self._known |= set(rows)
            self._acknowledge(len(old) + len(rows))
        return Updated(len(old), len(rows))

    def remove(
        self, keys: Iterable[str] = (), *, source: str | None = None,
        where: Condition | None = None, ids: Iterable[str] = (),
    ) -> int:  # fmt: skip
        """Remove all records of these samples, and those that pass, as one batch.

        Args:
            keys: of samples.
            source: of these keys; None = any.
            where: a checked condition.
            ids: of records that go too; they are there.

        Returns:
            How many records there were.
        """
        named = {(source, storable(key)) for key in keys}
        doomed = set(ids)
        with self._explained():
            if named:
                doomed |= set(self._ids(named))
            if where is not None:
                doomed |= set(self._passing(where))
            self._delete(sorted(doomed))
            self._acknowledge(len(doomed))
        return len(doomed)

    def publish(self, **changes: Any) -> None:
        """Make what was written count: one rename of ``index.json``.

        Args:
            changes: of ``info``.
        """
        files = file_digests(storage.table_folder(self.folder, self.info), self.info.files)
        told = {"table_version": int(self.table.version), "files": files, "pruning": False}
        self.info = self.info.model_copy(update=told | changes)
        self.info.write(self.folder)

    def tidy(self) -> None:
        """Join small files and make the matrix anew, where it is time to."""
        with self._explained():
            count, matrix = len(self), self.info.matrix
            if matrix is None:
                stale = count >= MATRIX_FROM
            else:
                stale = matrix.changed > max(STALE * matrix.rows, ADD_AT_A_TIME)
            fragments = fragments_of(self.table)
            cheap = count < MATRIX_FROM or stale or fragments > 10 * MAX_FRAGMENTS
            lists = True if matrix is not None and matrix.approximate is not None else None
            if fragments > MAX_FRAGMENTS and cheap:
                self.make_compact(lists)
                self.forget_older(OLD)
            elif stale:
                self.publish(matrix=self.make_matrix(lists))
                matrix_files.remove_others(self.folder, self._matrix_name())

    def make_compact(self, lists: bool | None, target: float | None = None) -> None:
        """Join files, leave deleted rows out, and make the matrix anew.

        Args:
            lists: make approximate search ready; None = where the index is large.
            target: the recall that it must reach.
        """
        storage.compact(self.folder, self.table)
        wanted = len(self) > 0 and (bool(lists) or len(self) >= MATRIX_FROM)
        self.publish(matrix=self.make_matrix(lists, target) if wanted else None)
        matrix_files.remove_others(self.folder, self._matrix_name())

    def forget_older(self, age: timedelta, *, unfinished: bool = False) -> None:
        """Remove older versions of the table; the newest one must have been published."""
        self.publish(pruning=True)  # from here on files may vanish
        storage.forget_older(self.folder, self.table, age, unfinished=unfinished)
        self.publish()

    def make_matrix(self, lists: bool | None, target: float | None = None) -> MatrixInfo:
        """Write a matrix of the table's newest version; nothing names it yet."""
        vectors, addresses, columns = snapshot.all_rows(self.table, self.info)
        columns = columns_in_memory(columns, self.info)
        with_lists = len(addresses) >= LISTS_FROM if lists is None else lists
        name = matrix_files.write(
            self.folder, vectors, addresses,
            functools.partial(snapshot.take_padded, columns), lists=with_lists,
        )  # fmt: skip
        count = len(addresses)
        del vectors, columns  # a large index's take gigabytes
        files = file_digests(self.folder / name, {})
        approximate: Approximate | None = None
        if with_lists:
            from interlingua.index.recall import TARGET, measure

            matrix, _ = matrix_files.read(self.folder / name)
            approximate = measure(matrix, target or TARGET)
        return MatrixInfo(folder=name, rows=count, approximate=approximate, files=files)

    def _insert(self, rows: dict[str, Record]) -> None:
        table = to_arrow(list(rows.values()), self.info)
        if self._known is not None and self._known.isdisjoint(rows):
            self.table.add(table)  # looking for equals takes time that grows with the table
        else:
            upsert = self.table.merge_insert("id").when_matched_update_all()
            upsert.when_not_matched_insert_all().execute(table)
        if self._known is not None:
            self._known |= set(rows)

    def _delete(self, ids: Sequence[str]) -> None:
        for block in _blocks(ids, DELETE_AT_A_TIME):  # digests of ours, not words of a user
            self.table.delete(f"id IN ({', '.join(f'{chr(39)}{one}{chr(39)}' for one in block)})")

    def _ids(self, named: Collection[tuple[str | None, str]]) -> list[str]:
        """The ids of the rows of samples by source and key; a source of None is any."""
        import pyarrow
        import pyarrow.compute as compute

        keys = pyarrow.array(sorted({key for _, key in named}), pyarrow.string())
        rows = self.table.search().select(["id", "source", "key"]).limit(None).to_arrow()
        rows = rows.filter(compute.is_in(rows.column("key"), value_set=keys))
        return [
            row["id"]
            for row in rows.to_pylist()
            if (row["source"], row["key"]) in named or (None, row["key"]) in named
        ]

    def _passing(self, condition: Condition) -> list[str]:
        names = ["id", *searched_columns(self.info)]
        table = self.table.search().select(names).limit(None).to_arrow()
        mask = condition.mask(columns_in_memory(table, self.info))
        found: list[str] = table.column("id").filter(mask).to_pylist()
        return found

    def _acknowledge(self, changed: int) -> None:
        if not self.building:
            matrix = self.info.matrix
            if matrix is not None:
                matrix = matrix.model_copy(update={"changed": matrix.changed + changed})
            self.publish(matrix=matrix)

    def _matrix_name(self) -> str:
        return "" if self.info.matrix is None else self.info.matrix.folder

    def _explained(self) -> Any:
        return storage.explained(self.folder, "The index can't be written.")


def fragments_of(table: Any) -> int:
    """How many files of rows a table has."""
    return int(table.stats()["fragment_stats"]["num_fragments"])


def _blocks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    yield from iter(lambda: list(islice(rest, size)), [])
