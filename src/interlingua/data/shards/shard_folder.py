"""A folder of shards: what it says it holds, and which of its shards are whole.

The index is written after its tar, so it is the mark that the shard is whole; a writer that was
killed goes on with the first shard that has none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlingua import durable
from interlingua.data.shards import index_file, names
from interlingua.data.shards.index_file import DamagedIndexError
from interlingua.data.shards.shard_index import ShardIndex
from interlingua.data.source import Problem, Source
from interlingua.errors import DataError, MediaError

FORMAT = "interlingua-shards"
VERSION = 1
INFO_FILE = "_shards.json"
LOCK_FILE = ".lock"


@dataclass(frozen=True, slots=True)
class ShardFolder:
    """A folder that is being filled, or was.

    Attributes:
        path: of the folder.
        name: what the shards' names begin with.
        source: what they are written from.
        max_samples, max_bytes: of a shard; 0 bytes = any number.
    """

    path: Path
    name: str
    source: Source
    max_samples: int
    max_bytes: int

    def shard(self, number: int) -> Path:
        """The path of a shard."""
        return self.path / f"{self.name}-{number:06d}.tar"

    def index(self, number: int) -> Path:
        """The path of its index."""
        shard = self.shard(number)
        return shard.with_name(shard.name + index_file.ENDING)

    def claim(self) -> None:
        """Make the folder this job's, or find that it is.

        Raises:
            DataError: it is another one's, or can't be written.
        """
        with durable.room_explained(self.path, DataError, every=True):
            self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / INFO_FILE
        if not path.exists():
            if next(self.path.glob("*.tar"), None) is not None:
                raise self._other("shards that were not written by this program")
            self._write_info({})
            return
        try:
            known = json.loads(path.read_bytes())
        except (OSError, ValueError):
            known = None
        if not isinstance(known, dict):
            raise self._other(f"a damaged {INFO_FILE}")
        for name, value in self._info().items():
            if known.get(name) != value:
                raise self._other(f"shards with {name} {known.get(name)!r}, not {value!r}")

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Say that all is written.

        Raises:
            DataError: the disk is full.
        """
        self._write_info({"finished": dict(facts)})

    def remove_leftovers(self) -> None:
        """Remove what a killed writer left."""
        for name in (f"{self.name}-*", INFO_FILE):
            for leftover in self.path.glob(f"{name}.tmp-*"):
                leftover.unlink(missing_ok=True)

    def whole_shards(self) -> list[ShardIndex]:
        """The indexes of the shards that are whole, from the first to the last without a gap.

        Raises:
            DataError: they are of a source with other samples.
        """
        found: list[ShardIndex] = []
        while True:
            place = self.index(len(found))
            try:
                index = index_file.from_bytes(place.read_bytes(), str(place))
                whole = self.shard(len(found)).stat().st_size == index.num_bytes
            except (OSError, DamagedIndexError):
                break
            begins = stop_of(found[-1]) if found else 0
            if not whole or not len(index) or (index.samples_of or (-1, 0))[0] != begins:
                break
            found.append(index)
        if found and not self._has(found[-1]):
            raise self._other("samples in another order")
        return found

    def _has(self, index: ShardIndex) -> bool:
        """Whether the last sample of a shard is where it was in the source."""
        first, stop = index.samples_of or (0, 0)
        last = index.key(len(index) - 1)
        for number in range(min(stop, len(self.source)) - 1, first - 1, -1):
            try:
                key = self.source[number].key
            except MediaError:  # left out then, too
                continue
            if names.written_key(key) == last:
                return True
        return False

    def _info(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "source": self.source.name,
            "source_samples": len(self.source),
            "name": self.name,
            "max_samples": self.max_samples,
            "max_bytes": self.max_bytes,
        }

    def _write_info(self, more: Mapping[str, Any]) -> None:
        data = json.dumps({**self._info(), **more}, indent=1) + "\n"
        path = self.path / INFO_FILE
        with durable.room_explained(path, DataError, every=True):
            durable.replace_file(path, data.encode())

    def _other(self, what: str) -> DataError:
        return DataError(
            f"The folder has {what}.",
            where=str(self.path),
            next_step="Give a new folder; or the settings that it was begun with, to go on.",
        )


def what_is_missing(path: Path) -> list[Problem]:
    """The shards that a folder's own description has and the folder lacks.

    Args:
        path: of a folder of shards; one that others wrote says nothing.
    """
    try:
        known = json.loads((path / INFO_FILE).read_bytes())
        if known["format"] != FORMAT:
            return []
        name, finished = str(known["name"]), known.get("finished")
        if finished is None:
            return [Problem("the writing of these shards was broken off", str(path))]
        shards = [path / f"{name}-{n:06d}.tar" for n in range(int(finished["shards"]))]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [Problem("a shard is missing", str(one)) for one in shards if not one.exists()]


def stop_of(index: ShardIndex) -> int:
    """The number after the last sample of the source that went into a shard."""
    return (index.samples_of or (0, 0))[1]
