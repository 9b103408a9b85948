"""A shard with its index: the one beside it, the one in the cache, or one that is made now."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from interlingua.catalogue.cache import cache_root, write_whole
from interlingua.data.shards import index_file
from interlingua.data.shards.grouping import index_tar
from interlingua.data.shards.index_file import DamagedIndexError
from interlingua.data.shards.scan import CUT
from interlingua.data.shards.shard_index import ShardIndex
from interlingua.data.shards.storage import ShardFile
from interlingua.data.source import Problem
from interlingua.errors import MediaError

DAMAGED_INDEX = "a damaged index (the shard was read whole instead)"
OTHER_INDEX = "an index of another shard (the shard was read whole instead)"


@dataclass(frozen=True, slots=True)
class OpenedShard:
    """A shard and what is known of it.

    Attributes:
        file: the tar.
        index: of its whole samples.
        problems: what is not among them, and why.
        scanned: whether the tar was read whole for that.
    """

    file: ShardFile
    index: ShardIndex
    problems: tuple[Problem, ...]
    scanned: bool = False


def open_shard(file: ShardFile, index: ShardFile | None) -> OpenedShard:
    """Find or make the index of a shard.

    Args:
        file: the tar.
        index: where its index would be; None = there is no such place.

    Raises:
        DataError: it is no tar, or its index is of a newer format.
        MediaError: it can't be read.
    """
    size = file.size()
    notes: list[Problem] = []
    found = None if index is None else _read(index, size, notes)
    if found is not None and found.num_bytes > size:
        whole = found.whole_within(size)
        notes.append(Problem(CUT, f"{file.name}: {size:,} bytes", len(found) - whole))
        found = found.head(whole)
    elif found is not None and found.num_bytes < size:
        notes.append(Problem(OTHER_INDEX, file.name))
        found = None
    if found is not None:
        # what the writer of the shard couldn't write is no fault of the shard
        before = found.problems if found.samples_of is None else ()
        return OpenedShard(file, found, (*before, *notes))
    cached = _cache_path(file)
    scanned = False
    found = _from_cache(cached)
    if found is None or found.num_bytes != size:
        found = index_tar(file)
        scanned = True
        if cached is not None:
            write_whole(cached, index_file.to_bytes(found))
    return OpenedShard(file, found, (*found.problems, *notes), scanned)


def _read(index: ShardFile, shard_size: int, notes: list[Problem]) -> ShardIndex | None:
    try:
        size = index.size()
    except MediaError as error:
        if error.reason == "missing":
            return None
        raise
    try:
        if size > index_file.max_bytes(shard_size):
            raise DamagedIndexError("too large")
        return index_file.from_bytes(index.read(0, size), index.name)
    except DamagedIndexError:
        notes.append(Problem(DAMAGED_INDEX, index.name))
        return None


def _cache_path(file: ShardFile) -> Path | None:
    stamp = file.stamp()
    if not stamp:
        return None
    name = hashlib.sha256(f"{index_file.VERSION}\n{stamp}".encode()).hexdigest()
    return cache_root() / "derived" / "shard-indexes" / f"{name[:32]}.jsonl"


def _from_cache(path: Path | None) -> ShardIndex | None:
    try:
        return None if path is None else index_file.from_bytes(path.read_bytes(), str(path))
    except (OSError, DamagedIndexError):
        return None
