"""The index of a shard: which samples it has and where their bytes lie, in a few numbers each.

Shape legend: S samples, M members, E endings that differ.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from interlingua.data.shards.tar_header import BLOCK
from interlingua.data.source import Problem

MAX_ENDINGS = 4096  # that differ, in one shard; real ones have three or four


@dataclass(frozen=True, slots=True)
class Place:
    """Where one member of a sample is.

    Attributes:
        ending: as in the tar, capitals too.
        offset: of its first byte in the tar.
        size: in bytes.
        crc32: of the bytes.
    """

    ending: str
    offset: int
    size: int
    crc32: int


@dataclass(slots=True)
class ShardIndex:
    """The samples of one shard; some 40 bytes each and the letters of the key.

    Attributes:
        shard: the tar's file name.
        num_bytes: of the tar.
        letters, key_end: UTF-8 of all keys one after the other, and where each ends [S].
        first: [S + 1] the number of each sample's first member.
        endings: [E] that occur.
        ending: [M] number of each member's ending.
        block: [M] offset of its bytes, in blocks of 512.
        size: [M] in bytes.
        crc32: [M] of its bytes.
        problems: what the scan left out; ``where`` is the member's name.
        samples_of: the numbers (first, after the last) of the samples in the source that the shard
            was written from; None for tars of others.
    """

    shard: str
    num_bytes: int
    letters: bytes
    key_end: NDArray[np.uint32]
    first: NDArray[np.uint32]
    endings: tuple[str, ...]
    ending: NDArray[np.uint16]
    block: NDArray[np.uint32]
    size: NDArray[np.uint32]
    crc32: NDArray[np.uint32]
    problems: tuple[Problem, ...] = ()
    samples_of: tuple[int, int] | None = None

    def __len__(self) -> int:
        """The number of samples."""
        return len(self.key_end)

    def key(self, number: int) -> str:
        """The key of a sample, as its members' names begin."""
        start = int(self.key_end[number - 1]) if number else 0
        return self.letters[start : int(self.key_end[number])].decode()

    def all_keys(self) -> Iterator[str]:
        """The keys of all samples."""
        start = 0
        for end in self.key_end.tolist():
            yield self.letters[start:end].decode()
            start = end

    def places(self, number: int) -> list[Place]:
        """The members of a sample, in the order of the tar."""
        return [
            Place(
                self.endings[self.ending[member]],
                int(self.block[member]) * BLOCK,
                int(self.size[member]),
                int(self.crc32[member]),
            )
            for member in range(int(self.first[number]), int(self.first[number + 1]))
        ]

    def whole_within(self, num_bytes: int) -> int:
        """How many samples lie in the first bytes of the tar entirely."""
        ends = self.block.astype(np.int64) * BLOCK + self.size
        whole = np.maximum.accumulate(ends) <= num_bytes  # [M]
        members = int(np.count_nonzero(whole))  # the first ones: offsets grow
        return int(np.searchsorted(self.first, members, side="right")) - 1

    def head(self, samples: int) -> ShardIndex:
        """The index of the first samples."""
        members = int(self.first[samples])
        letters = int(self.key_end[samples - 1]) if samples else 0
        return ShardIndex(
            self.shard,
            self.num_bytes,
            self.letters[:letters],
            self.key_end[:samples],
            self.first[: samples + 1],
            self.endings,
            self.ending[:members],
            self.block[:members],
            self.size[:members],
            self.crc32[:members],
            self.problems,
            self.samples_of,
        )

    def memory(self) -> int:
        """Bytes that the arrays take."""
        arrays = (self.key_end, self.first, self.ending, self.block, self.size, self.crc32)
        return len(self.letters) + sum(one.nbytes for one in arrays)


@dataclass(slots=True)
class IndexBuilder:
    """Collects samples into an index; numbers only, so that it stays small while it grows."""

    _letters: bytearray = field(default_factory=bytearray)
    _key_end: array[int] = field(default_factory=lambda: array("I"))
    _first: array[int] = field(default_factory=lambda: array("I", [0]))
    _ending: array[int] = field(default_factory=lambda: array("H"))
    _block: array[int] = field(default_factory=lambda: array("I"))
    _size: array[int] = field(default_factory=lambda: array("I"))
    _crc32: array[int] = field(default_factory=lambda: array("I"))
    _endings: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._key_end)

    def knows(self, ending: str) -> bool:
        """Whether one more member of this ending fits."""
        return ending in self._endings or len(self._endings) < MAX_ENDINGS

    def add(self, key: str, places: Sequence[Place]) -> None:
        """Add a sample."""
        self._letters += key.encode()
        self._key_end.append(len(self._letters))
        for place in places:
            self._ending.append(self._endings.setdefault(place.ending, len(self._endings)))
            self._block.append(place.offset // BLOCK)
            self._size.append(place.size)
            self._crc32.append(place.crc32)
        self._first.append(len(self._block))

    def add_many(
        self,
        keys: Sequence[str],
        counts: Sequence[int],
        endings: Sequence[str],
        block: NDArray[np.int64],
        size: NDArray[np.int64],
        crc32: NDArray[np.int64],
    ) -> bool:
        """Add samples; False where they have too many endings.

        Args:
            keys, counts: [S] of each sample, and how many members it has.
            endings, block, size, crc32: [M] of all members in order.
        """
        for ending in dict.fromkeys(endings):
            self._endings.setdefault(ending, len(self._endings))
        if len(self._endings) > MAX_ENDINGS:
            return False
        encoded = [key.encode() for key in keys]
        start, first = len(self._letters), len(self._block)
        self._key_end.extend(start + end for end in itertools.accumulate(map(len, encoded)))
        self._letters += b"".join(encoded)
        self._first.extend(first + end for end in itertools.accumulate(counts))
        self._ending.extend(map(self._endings.__getitem__, endings))
        for column, values in ((self._block, block), (self._size, size), (self._crc32, crc32)):
            column.frombytes(values.astype(np.uint32).tobytes())
        return True

    def build(
        self,
        shard: str,
        num_bytes: int,
        problems: Sequence[Problem] = (),
        samples_of: tuple[int, int] | None = None,
    ) -> ShardIndex:
        """The index of what was added."""
        return ShardIndex(
            shard,
            num_bytes,
            bytes(self._letters),
            np.array(self._key_end, np.uint32),
            np.array(self._first, np.uint32),
            tuple(self._endings),
            np.array(self._ending, np.uint16),
            np.array(self._block, np.uint32),
            np.array(self._size, np.uint32),
            np.array(self._crc32, np.uint32),
            tuple(problems),
            samples_of,
        )
