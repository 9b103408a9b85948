"""The one seam to LanceDB: its import, connection, columns and errors.

An index folder holds ``index.json``, one table ``records-<build id>`` and, where it is large, one
matrix. A change writes new versions of the table, then replaces ``index.json``, which names the
version that counts: what is newer was never finished, nobody sees it, and the next writer takes it
back. A rebuild fills another table beside the old one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from interlingua import file_lock
from interlingua.errors import MissingExtraError, SearchIndexError
from interlingua.index.columns import schema
from interlingua.index.info import FILE_NAME, REBUILD, IndexInfo
from interlingua.index.matrix_files import PREFIX as MATRIX_PREFIX

LOCK_NAME = ".lock"
TABLE_PREFIX = "records-"
MOST_PASSES = 8
_NO_ROOM = ("No space left on device", "Disk quota exceeded")  # in LanceDB's words as in Python's
DAMAGED = "The index is damaged or can't be read."


def create_table(folder: Path, info: IndexInfo) -> Any:
    """A new, empty LanceDB table; not yet the index's until ``info`` is written."""
    with explained(folder, "The index can't be made."):
        name = TABLE_PREFIX + info.build_id
        return _connect(folder).create_table(name, schema=schema(info))


def open_table(folder: Path, info: IndexInfo) -> Any:
    """The index's LanceDB table as it was after the last finished change; it can't be written.

    Raises:
        SearchIndexError: it is missing, damaged, older than it should be, or has other columns.
    """
    with explained(folder):
        table = _newest(folder, info)
        table.checkout(info.table_version)
        return table


def open_for_writing(folder: Path, info: IndexInfo) -> Any:
    """The same, to be written; changes that were never finished are taken back.

    Raises:
        SearchIndexError: as ``open_table``, or the folder can't be written.
    """
    with explained(folder):
        table = _newest(folder, info)
    if table.version > info.table_version:
        with explained(folder, "The index can't be written."):
            table.restore(info.table_version)
            table.checkout_latest()
    return table


def _newest(folder: Path, info: IndexInfo) -> Any:
    table = _connect(folder).open_table(TABLE_PREFIX + info.build_id)
    if table.schema != schema(info):
        raise SearchIndexError(
            "The table of the index has other columns than it should.",
            where=str(folder),
            next_step=f"Build it again: {REBUILD}",
        )
    if table.version < info.table_version:
        raise SearchIndexError(
            "The newest changes of the index are lost: files are missing.",
            where=str(folder),
            next_step=f"Build it again: {REBUILD}",
        )
    return table


def compact(folder: Path, table: Any) -> None:
    """Join the table's files and leave deleted rows out; older versions stay.

    Again until there is nothing left to do: ``forget_older`` must not make a version of its own.
    """
    with explained(folder, "The index can't be written."):
        for _ in range(MOST_PASSES):
            before = table.version
            table.optimize(cleanup_older_than=timedelta(days=36_500))
            if table.version == before:
                break


def forget_older(folder: Path, table: Any, age: timedelta, *, unfinished: bool = False) -> None:
    """Remove versions that are older than an age, with the files that only they need.

    Args:
        folder: of the index.
        table: at the version that counts, which is kept.
        age: of versions that somebody may be reading.
        unfinished: files of changes that were never finished go too; under the lock there are
            no others.
    """
    with explained(folder, "The index can't be written."):
        table.optimize(cleanup_older_than=age, delete_unverified=unfinished)


def table_folder(folder: Path, info: IndexInfo) -> Path:
    """Where LanceDB keeps the files of the index's table."""
    return folder / f"{TABLE_PREFIX}{info.build_id}.lance"


def drop_other_tables(folder: Path, info: IndexInfo) -> None:
    """Remove the tables that a replaced index, or a build that was killed, has left."""
    with explained(folder, "The old index can't be removed."):
        database = _connect(folder)
        for path in folder.glob(f"{TABLE_PREFIX}*.lance"):
            if path.stem != TABLE_PREFIX + info.build_id:
                database.drop_table(path.stem, ignore_missing=True)


def stamp(folder: Path) -> tuple[int, int, int] | None:
    """Changes whenever ``index.json`` is replaced."""
    try:
        status = (folder / FILE_NAME).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def refuse_foreign(folder: Path) -> None:
    """An index may be made in a new or empty folder, or where one is; nothing else is touched.

    Raises:
        SearchIndexError: the folder holds something else, or is a file.
    """
    if not folder.exists() or (folder / FILE_NAME).exists():
        return
    ours = (LOCK_NAME, TABLE_PREFIX, FILE_NAME, MATRIX_PREFIX)
    if not folder.is_dir() or any(not path.name.startswith(ours) for path in folder.iterdir()):
        raise SearchIndexError(
            "There is something else at this place.",
            where=str(folder),
            next_step="Give a new or an empty folder.",
        )


@contextmanager
def explained(folder: Path, what: str = DAMAGED) -> Iterator[None]:
    """LanceDB's errors, which are Rust's, as ``SearchIndexError``."""
    try:
        yield
    except SearchIndexError:
        raise
    except (RuntimeError, ValueError, OSError) as error:
        raise _explain(folder, what, error) from error
    except BaseException as error:
        # a panic of the Rust side: damaged files bring it about; one kind is no Exception
        if not type(error).__module__.startswith("pyo3"):
            raise
        raise _explain(folder, what, error) from error


def _explain(folder: Path, what: str, error: BaseException) -> SearchIndexError:
    full = next((told for told in _NO_ROOM if told in str(error)), "")
    if full:
        return SearchIndexError(
            f"{what.rstrip('.')}: {full}.",
            where=str(folder),
            next_step="Make room on the disk, then do it again: what was acknowledged is there.",
        )
    detail = " ".join(str(error).split(", /")[0].split())[:200]
    return SearchIndexError(
        f"{what} ({detail})",
        where=str(folder),
        next_step=f"Check the disk and the permissions, or build it again: {REBUILD}",
    )


@contextmanager
def write_lock(folder: Path) -> Iterator[None]:
    """Keep other processes from writing to an index; a kill frees it.

    Raises:
        SearchIndexError: one does already, or the folder can't be written to.
    """
    try:
        with file_lock.held(folder / LOCK_NAME, wait=False) as free:
            if not free:
                raise SearchIndexError(
                    "Another process is writing to this index.",
                    where=str(folder),
                    next_step="Wait until it has finished; searching works meanwhile.",
                )
            yield
    except OSError as error:
        raise SearchIndexError(
            f"The index can't be written: {error.strerror or error}.",
            where=str(folder),
            next_step="Check the disk and the permissions.",
        ) from error


def _connect(folder: Path) -> Any:
    try:
        import lancedb
    except ImportError as error:
        raise MissingExtraError("lancedb", "index", "Search") from error
    # zero: what another process has added is seen at once
    return lancedb.connect(str(folder), read_consistency_interval=timedelta(0))
