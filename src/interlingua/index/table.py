"""The index: records in an embedded LanceDB table, searched by cosine similarity.

Search is exact, so nothing near is missed; a large index can be searched approximately too, with
its recall measured. Any number of processes may read; one at a time writes.

Shape legend: D width of the space.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from interlingua import __version__, durable
from interlingua.errors import SearchIndexError
from interlingua.index import compaction, matrix_files, storage, vanished, verify
from interlingua.index.condition import Condition
from interlingua.index.fields import FieldKind, declared
from interlingua.index.filter import Filter
from interlingua.index.info import FILE_NAME, FORMAT_VERSION, IndexInfo
from interlingua.index.reading import IndexReader
from interlingua.index.record import Record
from interlingua.index.vanished import Given, Vanished
from interlingua.index.writing import Updated, Writer


class Index(IndexReader):
    """An index on disk.

    Args:
        path: its folder.
        space_id: of the space that will ask; None trusts the caller.

    Raises:
        SearchIndexError: there is none, it is damaged, or belongs to another model.
        MissingExtraError: LanceDB is not installed.
    """

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
        fields: Mapping[str, FieldKind] | None = None,
    ) -> Index:
        """A new, empty index.

        Args:
            path: its folder, which must not hold an index yet.
            space_id: of the space whose vectors it will hold.
            dimension: D.
            run: the run folder of that space, so that a search finds the model by itself.
            fields: its own fields, each ``text``, ``number``, ``bool`` or ``time``; filters may
                ask for them.

        Raises:
            SearchIndexError: the folder has something in it or can't be written; a field's name
                or kind is none.
        """
        if (Path(path) / FILE_NAME).exists():
            raise SearchIndexError(
                "There is an index in this folder already.",
                where=str(path),
                next_step="Add to it, build it anew, or give another folder.",
            )
        with cls.rebuild(path, space_id, dimension, run=run, fields=fields):
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
        fields: Mapping[str, FieldKind] | None = None,
    ) -> Iterator[Writer]:
        """A new index to be filled, which takes the old one's place when the block ends well.

        Until then, and if the block fails or the process is killed, the old one stays.
        Arguments and errors as for ``create``.
        """
        folder = Path(path)
        info = IndexInfo(
            space_id=space_id,
            dimension=dimension,
            run=None if run is None else str(Path(run).absolute()),
            created_with=__version__,
            build_id=uuid.uuid4().hex,
            fields=declared(fields or {}),
        )
        storage.refuse_foreign(folder)
        with storage.write_lock(folder):
            durable.remove_leftovers(folder)
            writer = Writer(folder, info, storage.create_table(folder, info), building=True)
            yield writer
            with storage.explained(folder, "The index can't be written."):
                compaction.finish(writer)
            storage.drop_other_tables(folder, writer.info)
            kept = writer.info.matrix
            matrix_files.remove_others(folder, "" if kept is None else kept.folder)

    def add(self, records: Iterable[Record]) -> int:
        """Add records; the same part of the same sample replaces what was there.

        Each block of a few thousand records appears whole or not at all.

        Returns:
            How many were given.

        Raises:
            SearchIndexError: a vector of another width, not finite or zero; a field that the index
                lacks; another process is writing; the folder is damaged or can't be written.
            ConfigError: a field's value of another kind.
        """
        with self._writing() as writer:
            count = writer.add(records)
            writer.tidy()
        return count

    def update(self, records: Iterable[Record]) -> Updated:
        """Replace everything that is stored of these samples by these records.

        All of it appears whole or not at all: no search sees a sample half replaced. A sample is
        known by its source and key.

        Raises:
            SearchIndexError, ConfigError: as ``add``; then nothing is replaced.
        """
        with self._writing() as writer:
            done = writer.update(records)
            writer.tidy()
        return done

    def remove(
        self,
        keys: Iterable[str] = (),
        *,
        source: str | None = None,
        where: str | Condition | None = None,
    ) -> int:
        """Remove all records of these samples, or those that pass, whole or not at all.

        Args:
            keys: of samples.
            source: of these keys; None = any.
            where: records that pass go too; as in ``search``.

        Returns:
            How many there were.

        Raises:
            SearchIndexError: another process is writing; the folder is damaged or can't be written.
            ConfigError: a filter that can't be read, or asks for an unknown field.
        """
        with self._writing() as writer:
            doomed = None
            if where is not None:
                doomed = Filter(where=where).condition(writer.info.known_fields, {}, self.path)
            count = writer.remove(keys, source=source, where=doomed)
            writer.tidy()
        return count

    def remove_vanished(self, given: Given) -> Vanished:
        """Remove the records of files that are gone and that their source no longer names.

        Args:
            given: what the source has now; see ``vanished.py`` for what goes and what stays.

        Raises:
            SearchIndexError: another process is writing; the folder is damaged or can't be written.
        """
        with self._writing() as writer:
            found = vanished.find(writer.table, given)
            if found.ids:
                writer.remove(ids=found.ids)
                writer.tidy()
        return found

    def compact(
        self, *, lists: bool | None = None, target: float | None = None
    ) -> compaction.Compacted:
        """Join small files, leave deleted records out, remove what older states left.

        Args:
            lists: make approximate search ready (True), or leave it away (False); None = where the
                index is large.
            target: the recall@10 that approximate search must reach; 0.95 by default.

        Raises:
            SearchIndexError: another process is writing; the folder is damaged or can't be written;
                ``target`` is no share.
        """
        if self.info.format_version < FORMAT_VERSION:
            compaction.upgrade(self)
        with self._writing() as writer:
            return compaction.compact(writer, lists, target)

    def verify(self, *, files: bool = False, digests: bool = False) -> verify.Report:
        """Check every row, and the matrix against the table.

        Args:
            files: look whether each medium is still there and unchanged, by size and time.
            digests: compare their bytes too, where the index knows their SHA-256.

        Raises:
            SearchIndexError: the index is damaged so far that it can't be read.
        """
        opened = self._newest()
        with storage.explained(self.path):
            return verify.verify(
                self.path, opened.info, opened.table, files=files or digests, digests=digests
            )

    @contextmanager
    def _writing(self) -> Iterator[Writer]:
        with storage.write_lock(self.path):
            info = self._newest().info
            if info.format_version < FORMAT_VERSION:
                raise SearchIndexError(
                    f"This index has format version {info.format_version}, which is only read.",
                    where=str(self.path),
                    next_step=f"interlingua index compact {self.path} makes it one of version "
                    f"{FORMAT_VERSION}.",
                )
            durable.remove_leftovers(self.path)
            table = storage.open_for_writing(self.path, info)
            yield Writer(self.path, info, table)
