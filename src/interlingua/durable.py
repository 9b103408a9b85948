"""Writing that survives a kill or a power cut: write, fsync, rename, fsync the folder.

A file or a folder appears under its final name whole or not at all. tests/faults
kills, at each of their changes of the disk in turn, processes that write with this.

Source: Pillai et al. 2014, "All File Systems Are Not Created Equal", OSDI, section 4
(rename is atomic; the data must be on disk before it, the folder entry after it).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from interlingua.errors import InterlinguaError, TrainingError

_PIECE = 1 << 20  # bytes handled at a time

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def write_file(path: Path, data: bytes) -> str:
    """Write a file that nothing reads yet (in a temporary folder) and fsync it.

    Returns:
        SHA-256 of the data, in hex.

    Raises:
        OSError: the disk is full, or the folder can't be written.
    """
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(data).hexdigest()


def replace_file(path: Path, data: bytes) -> None:
    """Put a file in place, whole or not at all; the one that was there is replaced.

    Raises:
        OSError: the disk is full, or the folder can't be written; the old file is untouched.
    """
    temporary = path.with_name(f"{path.name}.tmp-{uuid.uuid4().hex[:8]}")
    try:
        write_file(temporary, data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


class GrowingFile:
    """What ``whole_file`` gives: bytes go to its end.

    Attributes:
        size: bytes so far.
    """

    def __init__(self, path: Path):
        self.path = path
        self.size = 0
        self._temporary = path.with_name(f"{path.name}.tmp-{uuid.uuid4().hex[:8]}")
        self._file = self._temporary.open("xb")

    def write(self, data: bytes) -> None:
        """Add bytes.

        Raises:
            OSError: the disk is full, or the folder can't be written.
        """
        self._file.write(data)
        self.size += len(data)

    def finish(self) -> None:
        """Fsync, and give the file its name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self.path)
        sync_folder(self.path.parent)

    def drop(self) -> None:
        """Leave nothing."""
        with suppress(OSError):
            self._file.close()
        self._temporary.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path) -> Iterator[GrowingFile]:
    """A large file, written piece by piece, that takes its name when the block ends well.

    One that was there is replaced then, and untouched until then.

    Raises:
        OSError: the disk is full, or the folder can't be written.
    """
    growing = GrowingFile(path)
    try:
        yield growing
        growing.finish()
    except BaseException:
        growing.drop()
        raise


def make_folder(path: Path) -> None:
    """Make a folder and those above it where they aren't there, and fsync what lists them.

    Raises:
        OSError: the disk is full, or the folder above can't be written.
    """
    missing = [one for one in (path, *path.parents) if not one.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for one in reversed(missing):
        sync_folder(one.parent)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path`` that becomes ``path`` when the block ends well.

    The files must be written with ``write_file``. ``path`` must not exist.

    Raises:
        OSError: the disk is full, or ``path`` exists.
    """
    temporary = path.with_name(f"{path.name}.tmp-{uuid.uuid4().hex[:8]}")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        sync_folder(temporary)
        # os.rename would put the folder over an empty one without a word
        if path.exists():
            raise FileExistsError(f"{path} exists already")
        temporary.rename(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(path.parent)


def remove_folder(path: Path) -> None:
    """Remove a folder so that a kill in between never leaves a half under its name."""
    doomed = path.with_name(f"{path.name}.tmp-{uuid.uuid4().hex[:8]}")
    path.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def remove_leftovers(folder: Path) -> int:
    """Remove the temporary files and folders that a killed process left; gives their number."""
    leftovers = [path for path in folder.glob("*.tmp-*") if path.exists()]
    for path in leftovers:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(leftovers)


def sync_file(path: Path) -> None:
    """Fsync a file that something else has written."""
    descriptor = os.open(path, os.O_RDWR)  # Windows flushes only what may be written
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Fsync a folder, so that the names in it survive a power cut; nothing to do on Windows."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


@contextmanager
def room_explained(
    where: Path, raised: type[InterlinguaError] = TrainingError, *, every: bool = False
) -> Iterator[None]:
    """Turn "no space left" and the like into a message.

    Args:
        where: what is written.
        raised: the kind of error that it becomes.
        every: any other error of the disk too: for a block that does nothing but write.

    Raises:
        InterlinguaError: of that kind: the disk is full, the quota is used up, or it is read-only.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in _NO_ROOM
        if not full and not every:
            raise
        raise raised(
            f"Nothing more can be written: {error.strerror or 'an error of the disk'}.",
            where=str(where),
            next_step="Make room, then start again (a run with --resume): what is written stays."
            if full
            else "Check the path and its permissions.",
        ) from error


def to_json(value: Any) -> bytes:
    """JSON with sorted keys; floats keep every bit."""
    return (json.dumps(value, sort_keys=True, indent=1) + "\n").encode()
