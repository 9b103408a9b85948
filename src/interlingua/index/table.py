"""The index: an embedded LanceDB table of records, searched exactly by cosine similarity.

Exact search reads every vector, so nothing near is missed and there is nothing to tune. Any
number of processes may read; one at a time writes. A reader sees each finished ``add`` of
another process, and a rebuilt index, at its next search. Opening checks every byte.

Shape legend: D width of the space.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from interlingua import __version__
from interlingua.errors import SearchIndexError
from interlingua.index import storage
from interlingua.index.columns import checked_vector, to_arrow
from interlingua.index.filter import Filter
from interlingua.index.info import FILE_NAME, IndexInfo
from interlingua.index.integrity import file_digests, verify_files
from interlingua.index.record import HIT_COLUMNS, Hit, Record, present_kinds

ADD_AT_A_TIME = 4096  # records
MAX_FRAGMENTS = 16  # each add makes a file; beyond this they are joined, or searches slow down
OLD = timedelta(minutes=5)  # no search takes longer, so nobody reads what was replaced before

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Index:
    """An index on disk.

    Args:
        path: its folder.
        space_id: of the space that will ask; None trusts the caller.

    Raises:
        SearchIndexError: there is none, it is damaged, or belongs to another model.
        MissingExtraError: LanceDB is not installed.
    """

    path: Path
    info: IndexInfo
    _table: Any
    _seen: tuple[int, int, int] | None
    _kinds: tuple[int, dict[str, int]] | None
    _building: bool
    _verified: set[str]

    def __init__(self, path: str | os.PathLike[str], space_id: str | None = None):
        self.path = Path(path)
        self._building = False
        self._verified = set()
        self._load(space_id)

    @classmethod
    def open(cls, path: str | os.PathLike[str], space_id: str | None = None) -> Index:
        """The same as ``Index(path, space_id)``."""
        return cls(path, space_id)

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        space_id: str,
        dimension: int,
        *,
        run: str | os.PathLike[str] | None = None,
    ) -> Index:
        """A new, empty index.

        Args:
            path: its folder, which must not hold an index yet.
            space_id: of the space whose vectors it will hold.
            dimension: D.
            run: the run folder of that space, so that a search finds the model by itself.

        Raises:
            SearchIndexError: the folder has something in it or can't be written.
        """
        if (Path(path) / FILE_NAME).exists():
            raise SearchIndexError(
                "There is an index in this folder already.",
                where=str(path),
                next_step="Add to it, build it anew, or give another folder.",
            )
        with cls.rebuild(path, space_id, dimension, run=run):
            pass
        return cls(path)

    @classmethod
    @contextmanager
    def rebuild(
        cls,
        path: str | os.PathLike[str],
        space_id: str,
        dimension: int,
        *,
        run: str | os.PathLike[str] | None = None,
    ) -> Iterator[Index]:
        """A new index to be filled, which takes the old one's place when the block ends well.

        Until then, and if the block fails or the process is killed, the old one stays.
        Arguments and errors as for ``create``.
        """
        folder = Path(path)
        storage.refuse_foreign(folder)
        with storage.write_lock(folder):
            index = cls.__new__(cls)
            index.path = folder
            index.info = IndexInfo(
                space_id=space_id,
                dimension=dimension,
                run=None if run is None else str(Path(run).absolute()),
                created_with=__version__,
                build_id=uuid.uuid4().hex,
            )
            index._table = storage.create_table(folder, index.info)
            index._kinds = None
            index._verified = set()
            index._building = True
            yield index
            index._building = False
            index._publish()
            storage.drop_other_tables(folder, index.info)

    def check_space(self, space_id: str | None) -> None:
        """Refuse the vectors of another model.

        Raises:
            SearchIndexError: ``space_id`` is given and isn't the index's.
        """
        self.info.check_space(space_id, self.path)

    @property
    def run(self) -> str | None:
        """The run folder of the space, where recorded."""
        return self.info.run

    def __len__(self) -> int:
        return self._ask(lambda table: int(table.count_rows()))

    def kinds(self) -> dict[str, int]:
        """How many records there are of each kind."""

        def count(table: Any) -> dict[str, int]:
            version = table.version
            if self._kinds is None or self._kinds[0] != version:
                column = table.search().select(["kind"]).to_arrow()["kind"].to_numpy()
                names, counts = np.unique(column.astype(str), return_counts=True)
                self._kinds = (version, dict(zip(names.tolist(), counts.tolist(), strict=True)))
            return dict(self._kinds[1])

        return self._ask(count)

    def add(self, records: Iterable[Record]) -> int:
        """Add records; the same part of the same sample replaces what was there.

        Each block of a few thousand records appears whole or not at all.

        Returns:
            How many were given.

        Raises:
            SearchIndexError: a vector of another width, not finite or zero; another process is
                writing; the folder is damaged or can't be written.
        """
        count = 0
        with self._writing() as table:
            for block in _blocks(records, ADD_AT_A_TIME):
                rows = {record.id: record for record in block}  # the last of equals wins
                upsert = table.merge_insert("id").when_matched_update_all()
                upsert.when_not_matched_insert_all().execute(
                    to_arrow(list(rows.values()), self.info.dimension)
                )
                count += len(block)
            if table.stats()["fragment_stats"]["num_fragments"] > MAX_FRAGMENTS:
                table.optimize(cleanup_older_than=OLD)
        return count

    def remove(self, keys: Iterable[str]) -> int:
        """Remove all records of these samples; returns how many there were.

        Raises:
            SearchIndexError: another process is writing; the folder is damaged or can't be written.
        """
        with self._writing() as table:
            before = int(table.count_rows())
            for block in _blocks(keys, ADD_AT_A_TIME):
                table.delete(Filter(keys=block).to_sql())
            return before - int(table.count_rows())

    def search(
        self,
        vector: npt.ArrayLike,
        k: int = 10,
        kinds: Sequence[str] | None = None,
        *,
        groups: Sequence[str] | None = None,
        sources: Sequence[str] | None = None,
        languages: Sequence[str] | None = None,
    ) -> list[Hit]:
        """The nearest records by cosine similarity, nearest first.

        Args:
            vector: [D].
            k: at most this many.
            kinds: ``image``, ``text``, ``sound``, ``speech``, or ``audio`` for the last two.
            groups: only these groups and what is inside them.
            sources: only from these.
            languages: only in these.

        Raises:
            SearchIndexError: k below 1; a vector of another width, not finite or zero; a kind that
                the index lacks; the index was rebuilt with another model, or is damaged.
        """
        if k < 1:
            raise SearchIndexError(f"k must be at least 1, not {k}.")
        wanted = None if kinds is None else present_kinds(kinds, self.kinds(), self.path)
        condition = Filter(wanted, groups, sources, languages).to_sql()

        def nearest_rows(table: Any) -> list[dict[str, Any]]:
            query = checked_vector(vector, self.info.dimension, "The query vector")
            search = table.search(query).distance_type("cosine").bypass_vector_index()
            if condition:
                search = search.where(condition, prefilter=True)
            found = search.select([*HIT_COLUMNS, "_distance"]).limit(k).to_arrow()
            rows: list[dict[str, Any]] = found.to_pylist()
            return sorted(rows, key=lambda row: float(row["_distance"]))

        rows = self._ask(nearest_rows)
        return [Hit(score=1.0 - row.pop("_distance"), **row) for row in rows]

    def _ask(self, question: Callable[[Any], Answer]) -> Answer:
        """Put a question to the newest state; once more if it was rebuilt under our hands."""
        self._refresh()
        seen = self._seen
        try:
            with storage.explained(self.path):
                return question(self._table)
        except SearchIndexError:
            self._refresh()
            if self._seen == seen:
                raise
            with storage.explained(self.path):
                return question(self._table)

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        with nullcontext() if self._building else storage.write_lock(self.path):
            self._refresh()
            try:
                with storage.explained(self.path, "The index can't be written."):
                    yield self._table
            finally:  # blocks before a refused one were added
                if not self._building:
                    self._publish()

    def _publish(self) -> None:
        with storage.explained(self.path, "The index can't be written."):
            files = file_digests(storage.table_folder(self.path, self.info), self.info.files)
            written = {"table_version": int(self._table.version), "files": files}
            self.info = self.info.model_copy(update=written)
            self.info.write(self.path)
        self._seen = storage.stamp(self.path)

    def _refresh(self) -> None:
        if not self._building and storage.stamp(self.path) != self._seen:
            self._load(self.info.space_id)

    def _load(self, space_id: str | None) -> None:
        seen = storage.stamp(self.path)
        try:
            info = IndexInfo.read(self.path)
            info.check_space(space_id, self.path)
            verify_files(storage.table_folder(self.path, info), info.files, self._verified)
            self._table = storage.open_table(self.path, info)
        except SearchIndexError:
            if storage.stamp(self.path) in (seen, None):
                raise
            self._load(space_id)  # changed while it was read
        else:
            self._kinds = None
            self.info, self._seen = info, seen  # last: what failed is tried again


def _blocks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    rest = iter(items)
    yield from iter(lambda: list(islice(rest, size)), [])
