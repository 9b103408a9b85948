"""Where the bytes of a shard are, read by place: a file here; ``remote.py`` has those elsewhere."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from interlingua.errors import MediaError

PIECE = 1 << 20  # bytes that are read at a time where all of a shard is read
MAX_OPEN = 256  # files; a process may have 1,024


class ShardFile(Protocol):
    """Bytes that are read by place, from any number of threads at once."""

    @property
    def name(self) -> str:
        """The path or the address, for messages; without what is secret in it."""

    @property
    def is_local(self) -> bool:
        """Whether reading a few bytes costs next to nothing."""

    def size(self) -> int:
        """The number of bytes.

        Raises:
            MediaError: ``missing``, ``unreadable``, ``unreachable``.
        """

    def stamp(self) -> str:
        """What changes when the bytes do; empty where nothing is known.

        Raises:
            MediaError: as ``size``.
        """

    def read(self, start: int, length: int) -> bytes:
        """Exactly these bytes.

        Raises:
            MediaError: ``cut_off`` where there are fewer; else as ``size``.
        """


class LocalFile:
    """A file on a disk of this machine; it is opened when it is first read.

    Args:
        path: of the file.
    """

    is_local = True

    def __init__(self, path: Path):
        self.path = path
        self._descriptor: _Descriptor | None = None

    @property
    def name(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"LocalFile({str(self.path)!r})"

    def __reduce__(self) -> tuple[type[LocalFile], tuple[Path]]:
        return LocalFile, (self.path,)  # an open file doesn't travel

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LocalFile) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)

    def size(self) -> int:
        return self._status().st_size

    def stamp(self) -> str:
        status = self._status()
        return f"{self.path.absolute()}\n{status.st_size}\n{status.st_mtime_ns}"

    def read(self, start: int, length: int) -> bytes:
        try:
            data = self._opened().read(start, length)
        except OSError as error:
            raise self._unreadable(error) from error
        if len(data) != length:
            raise cut_off(self.name, start, length, len(data))
        return data

    def _status(self) -> os.stat_result:
        try:
            return self.path.stat()
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from error

    def _opened(self) -> _Descriptor:
        found = self._descriptor
        if found is None:
            found = self._descriptor = _Descriptor(self.path)
            _remember(self)
        return found

    def _unreadable(self, error: Exception) -> MediaError:
        missing = isinstance(error, FileNotFoundError | ValueError)
        return MediaError(
            "There is no such shard." if missing else "The shard can't be read.",
            reason="missing" if missing else "unreadable",
            where=self.name,
            next_step="Check the path and its permissions.",
        )


class _Descriptor:
    """An open file that is closed when nobody reads it any more."""

    def __init__(self, path: Path):
        self.number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._lock = threading.Lock()

    def read(self, start: int, length: int) -> bytes:
        pieces: list[bytes] = []
        while length > 0 and (piece := self._read_some(start, length)):
            if len(piece) == length and not pieces:
                return piece
            pieces.append(piece)
            start, length = start + len(piece), length - len(piece)
        return b"".join(pieces)

    def _read_some(self, start: int, length: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self.number, length, start)
        with self._lock:  # Windows: the position belongs to all threads
            os.lseek(self.number, start, os.SEEK_SET)
            return os.read(self.number, length)

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)


# Which files are open, the one opened longest ago first. A file that is let go here is closed by
# the last thread that reads it.
_OPEN: OrderedDict[int, LocalFile] = OrderedDict()
_OPEN_LOCK = threading.Lock()


def _remember(file: LocalFile) -> None:
    with _OPEN_LOCK:
        _OPEN[id(file)] = file
        while len(_OPEN) > MAX_OPEN:
            _, oldest = _OPEN.popitem(last=False)
            oldest._descriptor = None


def cut_off(name: str, start: int, length: int, got: int) -> MediaError:
    """The error for fewer bytes than there should be."""
    return MediaError(
        f"The shard is cut off: {got:,} of {length:,} bytes are there, at {start:,}.",
        reason="cut_off",
        where=name,
        next_step="Copy or fetch the shard again.",
    )


def pieces(
    file: ShardFile, start: int, stop: int, *, piece: int = PIECE, ahead: int = 0
) -> Iterator[bytes]:
    """All bytes from ``start`` to ``stop`` in pieces.

    Args:
        file: to read.
        start, stop: the first byte, and the one after the last.
        piece: bytes at a time.
        ahead: pieces that are fetched while the last one is used, for files that are far away.

    Raises:
        MediaError: as ``ShardFile.read``.
    """
    places = [(at, min(piece, stop - at)) for at in range(start, stop, piece)]
    if not ahead:
        for at, length in places:
            yield file.read(at, length)
        return
    pool = ThreadPoolExecutor(ahead, thread_name_prefix="shard-ahead")
    waiting: list[Future[bytes]] = []
    try:
        for number, (at, length) in enumerate(places):
            waiting.append(pool.submit(file.read, at, length))
            if number >= ahead:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
