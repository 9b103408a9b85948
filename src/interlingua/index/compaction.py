"""Making an index small and quick again: files joined, deleted rows gone, the matrix made anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interlingua.errors import SearchIndexError
from interlingua.index import storage
from interlingua.index.info import Approximate
from interlingua.index.writing import AT_ONCE, MATRIX_FROM, MAX_FRAGMENTS, Writer, fragments_of

if TYPE_CHECKING:
    from interlingua.index.table import Index


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction did.

    Attributes:
        records: that the index has.
        files_before, files_after: of rows.
        bytes_before, bytes_after: on the disk, all of the folder.
        approximate: the recall of approximate search; None where it was not made ready.
        lists_useless: lists were asked for, and half of them don't reach the recall.
    """

    records: int
    files_before: int
    files_after: int
    bytes_before: int
    bytes_after: int
    approximate: Approximate | None
    lists_useless: bool

    @property
    def freed(self) -> int:
        """Bytes; negative where a matrix was added."""
        return self.bytes_before - self.bytes_after


def compact(writer: Writer, lists: bool | None, target: float | None) -> Compacted:
    """``Index.compact``, under the lock."""
    if target is not None and not 0 < target <= 1:
        raise SearchIndexError(f"A recall is above 0 and at most 1, not {target}.")
    folder = writer.folder
    files_before, bytes_before = fragments_of(writer.table), bytes_of(folder)
    with storage.explained(folder, "The index can't be written."):
        writer.make_compact(lists, target)
        writer.forget_older(AT_ONCE, unfinished=True)
    storage.drop_other_tables(folder, writer.info)  # of a rebuild that was killed
    matrix = writer.info.matrix
    approximate = None if matrix is None else matrix.approximate
    return Compacted(
        records=len(writer),
        files_before=files_before,
        files_after=fragments_of(writer.table),
        bytes_before=bytes_before,
        bytes_after=bytes_of(folder),
        approximate=approximate,
        lists_useless=bool(lists) and approximate is None and len(writer) > 0,
    )


def finish(writer: Writer) -> None:
    """Publish a table that was filled from nothing."""
    if fragments_of(writer.table) > MAX_FRAGMENTS or len(writer) >= MATRIX_FROM:
        writer.make_compact(lists=None)
        writer.forget_older(AT_ONCE)  # nobody has seen an older version
    else:
        writer.publish()


def upgrade(index: Index) -> None:
    """Write an index of an older format version anew, in the present one."""
    info = index.info
    with index.rebuild(index.path, info.space_id, info.dimension, run=info.run) as writer:
        writer.add(index.records())


def bytes_of(folder: Path) -> int:
    """Of all files of a folder, however deep."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
