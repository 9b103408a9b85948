"""Writing that survives a kill or a power cut: write, fsync, rename, fsync the folder.

A file or a folder appears under its final name whole or not at all. Every step
passes ``crash_point``, so that a test can kill the process at each of them in turn:
with the environment variable ``INTERLINGUA_CRASH_AT=n`` the process gets SIGKILL at
the n-th write, fsync, rename or removal (counted from 1).

Source: Pillai et al. 2014, "All File Systems Are Not Created Equal", OSDI, section 4
(rename is atomic; the data must be on disk before it, the folder entry after it).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interlingua.errors import TrainingError

_PIECE = 1 << 20  # bytes handled at a time

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)

_events = 0
_events_lock = threading.Lock()


def crash_point(kind: str, path: Path) -> None:
    """Count one event; kill this process if a test asked for a crash at this one."""
    wanted = os.environ.get("INTERLINGUA_CRASH_AT")
    if wanted is None:
        return
    global _events
    with _events_lock:
        _events += 1
        if _events == int(wanted):
            os.write(2, f"INTERLINGUA_CRASH_AT: killed at {kind} of {path.name}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)


def write_file(path: Path, data: bytes) -> str:
    """Write a file that nothing reads yet (in a temporary folder) and fsync it.

    Returns:
        SHA-256 of the data, in hex.

    Raises:
        OSError: the disk is full, or the folder can't be written.
    """
    view = memoryview(data)
    half = len(view) // 2
    with path.open("wb") as file:
        crash_point("write", path)
        file.write(view[:half])
        file.flush()
        crash_point("write", path)  # the file is torn here
        file.write(view[half:])
        file.flush()
        crash_point("fsync", path)
        os.fsync(file.fileno())
    return hashlib.sha256(view).hexdigest()


def replace_file(path: Path, data: bytes) -> None:
    """Put a file in place, whole or not at all; the one that was there is replaced.

    Raises:
        OSError: the disk is full, or the folder can't be written; the old file is untouched.
    """
    temporary = path.with_name(f"{path.name}.tmp-{uuid.uuid4().hex[:8]}")
    try:
        write_file(temporary, data)
        crash_point("rename", path)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


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
        crash_point("rename", path)
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
    crash_point("rename", path)
    path.rename(doomed)
    crash_point("remove", path)
    shutil.rmtree(doomed, ignore_errors=True)


def remove_leftovers(folder: Path) -> int:
    """Remove the temporary files and folders that a killed process left; gives their number."""
    leftovers = [path for path in folder.glob("*.tmp-*") if path.exists()]
    for path in leftovers:
        crash_point("remove", path)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(leftovers)


def sync_file(path: Path) -> None:
    """Fsync a file that something else has written."""
    crash_point("fsync", path)
    descriptor = os.open(path, os.O_RDWR)  # Windows flushes only what may be written
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


@contextmanager
def room_explained(where: Path) -> Iterator[None]:
    """Turn "no space left" and the like into a message.

    Raises:
        TrainingError: the disk is full, the quota is used up, or it is read-only.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise TrainingError(
            f"Nothing more can be written: {error.strerror}.",
            where=str(where),
            next_step="Make room, then start again (a run with --resume): what is written stays.",
        ) from error


def to_json(value: Any) -> bytes:
    """JSON with sorted keys; floats keep every bit."""
    return (json.dumps(value, sort_keys=True, indent=1) + "\n").encode()
