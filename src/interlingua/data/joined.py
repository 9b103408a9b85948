"""Several sources as one, without a list of their samples: for corpora larger than memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from interlingua.data.source import Problem, Source
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
    def repeats(self) -> list[float] | None:
        """How often each sample comes in an epoch, for a stream; None = each once."""
        if self._weights is None:
            return None
        pairs = zip(self.sources, self._weights, strict=True)
        return [weight for source, weight in pairs for _ in range(len(source))]

    @property
    def shard_sizes(self) -> list[int]:
        """How many samples each shard has; a source without shards is one."""
        return [
            size
            for source in self.sources
            for size in getattr(source, "shard_sizes", [len(source)])
        ]

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
        place = index % len(self)
        number = int(np.searchsorted(self._ends, place, side="right"))
        source = self.sources[number]
        return source[place - int(self._ends[number]) + len(source)]

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self)} samples>"
