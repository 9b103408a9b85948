"""Whole shards from far away, on this machine's disk for as long as they are needed.

Training from far shards goes through a few of them at a time (``train/shard_stream.py``). The
source is told which come next; they are fetched in the background, and dropped when the window has
passed. Reading by number works before, after and without: only slower, range by range.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from interlingua.catalogue.cache import cache_root
from interlingua.data.shards.storage import LocalFile, ShardFile, pieces
from interlingua.errors import MediaError

PIECE = 8 << 20  # bytes of one range
_PREFIX = f"nearby-{socket.gethostname()}-"


class NearbyFile:
    """A far shard that may have a copy here.

    Args:
        near: who has the copies.
        number: of the shard.
        far: the shard itself.
    """

    is_local = False

    def __init__(self, near: NearbyShards, number: int, far: ShardFile):
        self.near = near
        self.number = number
        self.far = far

    @property
    def name(self) -> str:
        return self.far.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NearbyFile) and other.far == self.far

    def __hash__(self) -> int:
        return hash(self.far)

    def size(self) -> int:
        return self.far.size()

    def stamp(self) -> str:
        return self.far.stamp()

    def read(self, start: int, length: int) -> bytes:
        if (copy := self.near.copy(self.number)) is not None:
            with suppress(MediaError):  # dropped in this moment
                return copy.read(start, length)
        return self.far.read(start, length)


class NearbyShards:
    """The shards of one source.

    Args:
        files: all of them.
        workers: threads that fetch; 0 = nothing is fetched ahead.
        folder: for the copies; a temporary one in the cache by default.
    """

    def __init__(self, files: Sequence[ShardFile], workers: int, folder: Path | None = None):
        self.files = files
        self.workers = workers
        self._given_folder = folder
        self._folder: Path | None = None
        self._lock = threading.Lock()
        self._wanted: dict[int, Future[LocalFile | None]] = {}
        self._pool: ThreadPoolExecutor | None = None
        self.fetched = 0  # shards, since the beginning

    def __reduce__(self) -> tuple[type[NearbyShards], tuple[object, ...]]:
        return NearbyShards, (self.files, self.workers, self._given_folder)

    def keep(self, numbers: Sequence[int]) -> None:
        """Fetch these shards, in this order, if they are far and not here; drop all others."""
        if not self.workers:
            return
        with self._lock:
            for number in [one for one in self._wanted if one not in numbers]:
                self._drop(self._wanted.pop(number))
            for number in numbers:
                if number not in self._wanted and not self.files[number].is_local:
                    self._wanted[number] = self._started().submit(self._fetch, number)

    def file(self, number: int) -> ShardFile:
        """A shard, which is read from the copy whenever there is one."""
        file = self.files[number]
        return NearbyFile(self, number, file) if self.workers and not file.is_local else file

    def copy(self, number: int) -> LocalFile | None:
        """The copy of a shard, waited for if it is being made; None where none is wanted."""
        with self._lock:
            wanted = self._wanted.get(number)
        try:
            return None if wanted is None else wanted.result()
        except CancelledError:  # given up, perhaps while it was waited for
            return None

    def close(self) -> None:
        """Drop all copies."""
        with self._lock:
            for wanted in self._wanted.values():
                self._drop(wanted)
            self._wanted = {}
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _started(self) -> ThreadPoolExecutor:
        if self._pool is None:
            root = self._given_folder or cache_root() / "shards"
            root.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(root)
            self._folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=root))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix="shard-fetch")
        return self._pool

    def _fetch(self, number: int) -> LocalFile | None:
        """A copy of the shard; None where it can't be made, so that reading says why."""
        file, folder = self.files[number], self._folder
        assert folder is not None
        path = folder / f"{number:08d}.tar"
        try:
            with path.open("wb") as copy:
                for piece in pieces(file, 0, file.size(), piece=PIECE, ahead=1):
                    copy.write(piece)
        except (MediaError, OSError):  # far away it failed, or the disk is full here
            path.unlink(missing_ok=True)
            return None
        self.fetched += 1
        return LocalFile(path)

    def _drop(self, wanted: Future[LocalFile | None]) -> None:
        """Remove a copy, once it is made; who reads it now reads on."""

        def remove(future: Future[LocalFile | None]) -> None:
            copy = None if future.cancelled() else future.result()
            if copy is not None:
                copy.path.unlink(missing_ok=True)

        wanted.cancel()
        wanted.add_done_callback(remove)


def _remove_abandoned(root: Path) -> None:
    """Remove the copies of processes of this machine that were killed."""
    for folder in root.glob(f"{_PREFIX}*"):
        number = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if number.isdecimal() and not _lives(int(number)):
            shutil.rmtree(folder, ignore_errors=True)


def _lives(process: int) -> bool:
    if os.name == "nt":  # a signal would end it there
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
