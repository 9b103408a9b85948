"""Samples that are read when they are asked for: a corpus that is never in memory as a whole.

In memory are numbers: eight bytes for each sample where some are left out, none otherwise. What
the list of a small corpus knows of its samples together (their components) is told here of each
sample alone, by hashes of what it is called.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import overload

import numpy as np
from numpy.typing import NDArray

from interlingua.data.component import names
from interlingua.data.joined import Joined
from interlingua.data.source import Origin, Problem
from interlingua.errors import MediaError
from interlingua.sample import Sample

LOOKED_AT = 20  # samples that are read, at most, for each one that is wanted


class StreamedSamples(Sequence[Sample]):
    """Some of the samples of several sources; a ``Sequence`` and a ``Source``.

    Each sample says which source it is of, and has a component of its own making: equal for
    samples that their source joins, else for those with the same name.

    Args:
        joined: all samples.
        numbers: [n] which of them, growing; None = all.
        identity: a hash of what all samples are.

    Raises:
        MediaError: by ``samples[number]``, where its texts are damaged; iteration passes over it.
    """

    def __init__(
        self, joined: Joined, numbers: NDArray[np.int64] | None = None, identity: str = ""
    ):
        self.joined = joined
        self.numbers = numbers
        self.identity = identity
        self.name = joined.name

    @property
    def problems(self) -> Sequence[Problem]:
        """What the sources left out."""
        return self.joined.problems

    @property
    def reads_anywhere(self) -> bool:
        """Whether any sample costs as little as the next one."""
        return self.joined.reads_anywhere

    @property
    def repeats(self) -> NDArray[np.float64] | None:
        """[n] how often each sample comes in an epoch; None = each once."""
        repeats = self.joined.repeats
        return repeats if repeats is None or self.numbers is None else repeats[self.numbers]

    @property
    def shard_sizes(self) -> list[int]:
        """How many of the samples each shard has."""
        sizes = self.joined.shard_sizes
        if self.numbers is None:
            return sizes
        ends = np.searchsorted(self.numbers, np.cumsum(sizes, dtype=np.int64), side="left")
        counts: list[int] = np.diff(ends, prepend=0).tolist()
        return counts

    def keep(self, shards: Sequence[int]) -> None:
        """Say which shards are read next."""
        self.joined.keep(shards)

    def origin(self, index: int) -> Origin:
        """The key, the source and the shard of a sample."""
        return self.joined.origin(self._place(index))

    def count(self, source: str) -> int:
        """How many are of a source."""
        sizes = list(map(len, self.joined.sources))
        names = [one.name for one in self.joined.sources]
        if source not in names:
            return 0
        number = names.index(source)
        first = sum(sizes[:number])
        if self.numbers is None:
            return sizes[number]
        found = np.searchsorted(self.numbers, [first, first + sizes[number]])
        return int(found[1] - found[0])

    def some(
        self, number: int, seed: int = 0, wanted: Callable[[Sample], bool] = lambda sample: True
    ) -> list[Sample]:
        """Samples drawn at random, in their order.

        Args:
            number: how many, at most; ``LOOKED_AT`` times as many are read to find them.
            seed: of the choice.
            wanted: which of them count.
        """
        random = np.random.default_rng(seed)
        count = min(len(self), number * LOOKED_AT)
        found: dict[int, Sample] = {}
        for index in random.choice(len(self), count, replace=False, shuffle=True).tolist():
            if len(found) == number:
                break
            try:
                sample = self[index]
            except MediaError:
                continue
            if wanted(sample):
                found[index] = sample
        return [found[index] for index in sorted(found)]

    def __len__(self) -> int:
        return len(self.joined) if self.numbers is None else len(self.numbers)

    def __iter__(self) -> Iterator[Sample]:
        for index in range(len(self)):
            try:
                yield self[index]
            except MediaError:
                continue

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...

    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        number, place = self.joined.place(self._place(index))
        source = self.joined.sources[number]
        sample = source[place]
        meta = replace(sample.meta, source=source.name, component=component_of(sample, source.name))
        return replace(sample, meta=meta)

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self)} samples, read when they are asked for>"

    def _place(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        place = index % len(self)
        return place if self.numbers is None else int(self.numbers[place])


def component_of(sample: Sample, source: str) -> int | None:
    """A number that is equal for samples of one thing, as far as each can tell alone."""
    marks = marks_of(sample, source)
    return marks[0] if marks else None


def marks_of(sample: Sample, source: str) -> list[int]:
    """What makes two samples one thing, as numbers: the source's own component, then the names."""
    marks = [_mark(f"name\n{name}") for name in sorted(names(sample))]
    if sample.meta.component is not None:
        marks.insert(0, _mark(f"component\n{source}\n{sample.meta.component}"))
    return marks


def _mark(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1  # fits into int64
