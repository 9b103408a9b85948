"""Several sources as one, without a list of their samples: for corpora larger than memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from interlingua.data.source import Origin, Problem, Source
from interlingua.sample import Sample


class Joined:
    """The samples of several sources, numbered through; a ``Source``.

    Args:
        sources: in order.
        weights: how often a sample of each comes in an epoch, 1 by default.
    """

    def __init__(self, sources: Sequence[Source], weights: Sequence[float] | None = None):
        if weights is not None and len(weights) != len(sources):
            raise ValueError("each source needs one weight")
        self.sources = list(sources)
        self.name = "+".join(source.name for source in sources)
        self._weights = weights
        self._ends = np.cumsum([len(source) for source in sources], dtype=np.int64)

    @property
    def problems(self) -> Sequence[Problem]:
        """What the sources left out."""
        return [problem for source in self.sources for problem in source.problems]

    @property
    def repeats(self) -> NDArray[np.float64] | None:
        """[n] how often each sample comes in an epoch, for a stream; None = each once."""
        if self._weights is None or all(weight == 1 for weight in self._weights):
            return None
        return np.repeat(np.asarray(self._weights, np.float64), list(map(len, self.sources)))

    @property
    def shard_sizes(self) -> list[int]:
        """How many samples each shard has; a source without shards is one."""
        return [
            size
            for source in self.sources
            for size in getattr(source, "shard_sizes", [len(source)])
        ]

    @property
    def reads_anywhere(self) -> bool:
        """Whether any sample costs as little as the next one."""
        return all(getattr(source, "reads_anywhere", True) for source in self.sources)

    def place(self, index: int) -> tuple[int, int]:
        """(number of the source, number in the source) of a sample."""
        number = int(np.searchsorted(self._ends, index, side="right"))
        return number, index - int(self._ends[number]) + len(self.sources[number])

    def origin(self, index: int) -> Origin:
        """The key, the source and the shard of a sample; of shards nothing is read."""
        number, place = self.place(index)
        source = self.sources[number]
        known: Callable[[int], Origin] | None = getattr(source, "origin", None)
        if known is not None:
            return replace(known(place), source=source.name)
        return Origin(source[place].key, source.name)

    def keep(self, shards: Sequence[int]) -> None:
        """Tell each source which of its shards will be read next."""
        first = 0
        for source in self.sources:
            count = len(getattr(source, "shard_sizes", [0]))
            keep = getattr(source, "keep", None)
            if keep is not None:
                keep([one - first for one in shards if first <= one < first + count])
            first += count

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __iter__(self) -> Iterator[Sample]:
        for source in self.sources:
            yield from source

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        number, place = self.place(index % len(self))
        return self.sources[number][place]

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self)} samples>"
