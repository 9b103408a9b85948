"""A large file that appears whole or not at all: written under another name, fsynced, renamed.

Every step passes ``crash_point``: with INTERLINGUA_CRASH_AT=n in the environment the process gets
SIGKILL at the n-th, so that a test can kill a writer at each of them.
"""

from __future__ import annotations

import errno
import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from interlingua.errors import DataError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)

_events = 0


def crash_point(kind: str, path: Path) -> None:
    """Count one event; kill this process if a test asked for a crash at this one."""
    wanted = os.environ.get("INTERLINGUA_CRASH_AT")
    if wanted is None:
        return
    global _events
    _events += 1
    if _events == int(wanted):
        os.write(2, f"INTERLINGUA_CRASH_AT: killed at {kind} of {path.name}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)


class GrowingFile:
    """What ``whole_file`` gives: bytes go to its end."""

    def __init__(self, path: Path, temporary: Path):
        self.path = path
        self.temporary = temporary
        self.size = 0
        self._file = temporary.open("xb")

    def write(self, data: bytes) -> None:
        """Add bytes.

        Raises:
            DataError: the disk is full, or read-only.
        """
        crash_point("write", self.path)
        with room_explained(self.path):
            self._file.write(data)
        self.size += len(data)

    def finish(self) -> None:
        """Fsync, and give the file its name."""
        with room_explained(self.path):
            self._file.flush()
            crash_point("fsync", self.path)
            os.fsync(self._file.fileno())
            self._file.close()
            crash_point("rename", self.path)
            self.temporary.replace(self.path)
            sync_folder(self.path.parent)

    def drop(self) -> None:
        """Leave nothing."""
        with suppress(OSError):
            self._file.close()
        self.temporary.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path) -> Iterator[GrowingFile]:
    """A file that takes its name when the block ends well; one that was there is replaced.

    Raises:
        DataError: the disk is full, or the folder can't be written.
    """
    with room_explained(path):
        growing = GrowingFile(path, path.with_name(f"{path.name}.tmp-{uuid.uuid4().hex[:8]}"))
    try:
        yield growing
        growing.finish()
    except BaseException:
        growing.drop()
        raise


def replace_file(path: Path, data: bytes) -> None:
    """Put a small file in place, whole or not at all.

    Raises:
        DataError: the disk is full, or the folder can't be written; the old file is untouched.
    """
    with whole_file(path) as file:
        file.write(data)


def sync_folder(path: Path) -> None:
    """Fsync a folder, so that the names in it survive a power cut; nothing to do on Windows."""
    crash_point("fsync", path)
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def room_explained(where: Path) -> Iterator[None]:
    """Turn "no space left" and the like into a message.

    Raises:
        DataError: the disk is full, or the folder can't be written.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in _NO_ROOM
        raise DataError(
            f"Nothing more can be written: {error.strerror or 'an error of the disk'}.",
            where=str(where),
            next_step="Make room, then start the same command again: what is written stays."
            if full
            else "Check the path and its permissions.",
        ) from error
