"""The cache folder: where it is, its locks, and how a folder appears in it whole or not at all."""

from __future__ import annotations

import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from interlingua import file_lock
from interlingua.errors import FetchError


class Progress(Protocol):
    """Told what is going on; ``done`` and ``total`` are bytes where they are known."""

    def __call__(self, message: str, done: int = 0, total: int = 0) -> None:
        """Receive one notice."""


def silent(message: str, done: int = 0, total: int = 0) -> None:
    """A ``Progress`` that tells nobody."""


def to_stderr(message: str, done: int = 0, total: int = 0) -> None:
    """A ``Progress`` that writes one line for each message, not for each byte count."""
    if not done:
        sys.stderr.write(f"interlingua: {message}\n")


def cache_root() -> Path:
    """``$INTERLINGUA_CACHE`` or ``~/.cache/interlingua``, made if it isn't there.

    Raises:
        FetchError: the folder can't be made or written to.
    """
    root = Path(os.environ.get("INTERLINGUA_CACHE") or Path.home() / ".cache" / "interlingua")
    root = root.expanduser().absolute()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(root) from error
    if not os.access(root, os.W_OK):
        raise _unwritable(root)
    return root


def _unwritable(root: Path) -> FetchError:
    return FetchError(
        "The cache folder can't be written to.",
        where=str(root),
        next_step="Set INTERLINGUA_CACHE to a folder of yours.",
    )


@contextmanager
def locked(name: str, progress: Progress = silent) -> Iterator[None]:
    """Hold the lock of one cache entry against other threads and processes.

    The lock is the operating system's and goes with the process that held it, so a
    killed fetch never blocks the next one.
    """
    path = cache_root() / "locks" / f"{name.replace('/', '_')}.lock"
    told = f"{name}: waiting for another fetch of it to finish"
    with file_lock.held(path, wait=True, on_wait=lambda: progress(told)):
        yield


def install_folder(final: Path, build: Callable[[Path], None]) -> None:
    """Make ``final`` appear whole: build it beside its place, then rename.

    Call it with the entry's lock held. What an earlier, killed build of the same
    folder has left is removed first; a folder that stood there before is replaced.
    """
    temporary_root = cache_root() / "tmp"
    temporary_root.mkdir(exist_ok=True)
    prefix = f"{final.parent.name}.{final.name}."
    for leftover in temporary_root.glob(f"{prefix}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    work = temporary_root / f"{prefix}{uuid.uuid4().hex}"
    work.mkdir()
    try:
        build(work)
        final.parent.mkdir(parents=True, exist_ok=True)
        if final.exists():
            final.replace(temporary_root / f"{prefix}old")
        work.replace(final)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(temporary_root / f"{prefix}old", ignore_errors=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old bytes or the new ones, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def require_space(folder: Path, num_bytes: int) -> None:
    """Refuse a fetch that the disk has no room for.

    Raises:
        FetchError: names what is needed and what is free.
    """
    free = shutil.disk_usage(folder).free
    if free < num_bytes:
        raise FetchError(
            f"The disk has {free / 1e6:,.0f} MB free; {num_bytes / 1e6:,.0f} MB are needed.",
            where=str(folder),
            next_step="Make room, or set INTERLINGUA_CACHE to a folder on another disk.",
        )
