"""The media that records name: what they were like when they were indexed, and are now."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from interlingua.content import Content, FileContent, ZipContent, digest
from interlingua.errors import MediaError

State = Literal["unchanged", "touched", "changed", "missing", "unreadable", "unknown"]
_SAME_TIME = 1e-5  # seconds: what microseconds of a column leave of nanoseconds


@dataclass(frozen=True, slots=True)
class FileState:
    """What a medium was like.

    Attributes:
        size: in bytes; None where it can't be told.
        modified: when its file, or its archive's, was last changed.
        digest: SHA-256 of its bytes; empty where it was not asked for.
    """

    size: int | None = None
    modified: datetime | None = None
    digest: str = ""


def state_of(content: Content, *, with_digest: bool = False) -> FileState:
    """What a medium is like now; nothing where it is no file, or is gone."""
    path = file_of(content)
    if path is None:
        return FileState()
    try:
        status = path.stat()
        size = content.size()
        modified = datetime.fromtimestamp(status.st_mtime, UTC)
        return FileState(size, modified, digest(content) if with_digest else "")
    except (OSError, KeyError, zipfile.BadZipFile, MediaError, OverflowError, ValueError):
        return FileState()


def compared(path: str, before: FileState, *, with_digest: bool = False) -> State:
    """What has become of a medium.

    Args:
        path: a file, or ``archive::member``.
        before: as it was indexed.
        with_digest: read its bytes where their digest is known.

    Returns:
        ``touched`` has the same size and bytes but another time; ``unknown`` is what the index
        knows nothing of.
    """
    content = content_of(path)
    file = file_of(content)
    try:
        if file is None or not file.exists():
            return "missing"
        if before.size is None:
            return "unknown"
        status, size = file.stat(), content.size()
    except (OSError, ValueError):
        return "unreadable"
    except (KeyError, zipfile.BadZipFile, MediaError):
        return "missing"
    if size != before.size:
        return "changed"
    old = None if before.modified is None else before.modified.timestamp()
    same_time = old is not None and abs(status.st_mtime - old) < _SAME_TIME
    if same_time and not (with_digest and before.digest):
        return "unchanged"
    if not before.digest:
        return "changed"
    try:
        equal = digest(content) == before.digest
    except MediaError:
        return "unreadable"
    if not equal:
        return "changed"
    return "unchanged" if same_time else "touched"


def is_gone(path: str) -> bool:
    """Whether the file, or the member of a zip, that a record names is surely there no longer."""
    if "\\udc" in path:  # bytes that are no UTF-8, written out: the file's real name isn't known
        return False
    content = content_of(path)
    file = file_of(content)
    try:
        if file is None or not file.exists():
            return file is not None
        return isinstance(content, ZipContent) and not content.is_there()
    except (OSError, ValueError, zipfile.BadZipFile):
        return False  # nobody knows


def content_of(path: str) -> Content:
    """What a record's ``path`` stands for."""
    archive, separator, member = path.partition("::")
    if separator and not Path(path).exists():
        return ZipContent(Path(archive), member)
    return FileContent(Path(path))


def file_of(content: Content) -> Path | None:
    """The file that a medium's bytes are in; None where they are in memory."""
    if isinstance(content, FileContent):
        return content.path
    return content.archive if isinstance(content, ZipContent) else None
