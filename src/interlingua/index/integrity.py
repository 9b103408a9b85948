"""The bytes of an index's table, checked before LanceDB reads them.

LanceDB keeps no checksums: a flipped bit gives another vector or another name without a word,
or makes it ask for 256 GiB and abort the process. Its files never change once they are written,
so their SHA-256 are kept in ``index.json`` and compared when an index is opened. The files of a
matrix are looked after in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from interlingua import durable
from interlingua.errors import SearchIndexError
from interlingua.index.info import REBUILD

_END = b"LANC"  # of a whole file of rows
_HINT = "latest_version_hint"  # rewritten at each change, and nothing depends on it


def file_digests(table: Path, known: Mapping[str, str]) -> dict[str, str]:
    """SHA-256 by name of every file of a table; new ones are on the disk when this returns.

    Args:
        table: the table's folder.
        known: digests from before; these files aren't read again. A name never comes back with
            other bytes: versions are counted on, and the other names are random.
    """
    names = sorted(
        path.relative_to(table).as_posix()
        for path in table.rglob("*")
        if path.is_file() and not path.name.startswith(_HINT)
    )
    return {name: known.get(name) or _settled(table / name) for name in names}


def _settled(path: Path) -> str:
    """SHA-256 of a file that LanceDB has written; LanceDB leaves it to the system when.

    Raises:
        SearchIndexError: its end is missing: where the last write of a file of rows finds no room,
            LanceDB says nothing of it.
    """
    durable.sync_file(path)
    if path.suffix == ".lance" and not _has_its_end(path):
        path.unlink()  # no version that counts names it, and it would stop the next writer too
        raise SearchIndexError(
            "A file of the index was cut short when it was written.",
            where=str(path),
            next_step="Make room on the disk, then do it again: what was there is untouched.",
        )
    return durable.file_sha256(path)


def _has_its_end(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(_END)))
        return file.read() == _END


def verify_files(
    table: Path, digests: Mapping[str, str], verified: set[str], *, pruning: bool = False
) -> None:
    """Compare files with their digests; names that are right join ``verified`` and are skipped.

    Args:
        table: the folder of the files.
        digests: SHA-256 by name.
        verified: names that were right before.
        pruning: files of older versions were being removed when the program was killed: those
            that are missing are passed over. LanceDB tells if one of them is needed.

    Raises:
        SearchIndexError: a file is missing, can't be read or has other bytes.
    """
    for name, digest in digests.items():
        if name in verified or (pruning and not (table / name).exists()):
            continue
        try:
            right = durable.file_sha256(table / name) == digest
            problem = "has other bytes than when it was written"
        except OSError as error:
            right, problem = False, f"can't be read: {error.strerror or error}"
        if not right:
            raise SearchIndexError(
                f"The index is damaged: a file {problem}.",
                where=str(table / name),
                next_step=f"Build it again: {REBUILD}",
            )
        verified.add(name)
