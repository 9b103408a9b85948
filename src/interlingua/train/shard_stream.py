"""A stream over far shards: in an order that reads a few whole shards at a time, exact to resume.

The shards come in a new order each epoch. A window of them is open at a time, and within the window
any sample may be next. The order is still a pure function of seed and epoch, so the position is
two numbers, and any number of workers and processes gives the same batches. For shards on a disk
of this machine ``ShuffledStream`` mixes better and costs nothing more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlingua.batch import Batch
from interlingua.train.processes import Processes
from interlingua.train.stream import MakeBatch, Numbers, ShuffledStream, repeated

Ahead = Callable[[Sequence[int]], None]


class ShardStream:
    """Every sample once an epoch, a window of shards at a time; a ``Stream``.

    Args:
        shard_sizes: how many samples each shard has; they are numbered through.
        batch_size: the largest batch.
        make: as for ``ShuffledStream``.
        window: how many shards are open at once: the more, the better mixed.
        ahead: is told which shards are read now and next, in that order; ``Shards.keep``.
        seed, repeats, identity, processes: as for ``ShuffledStream``.

    Raises:
        TrainingError: there is no sample, or fewer in a batch than there are processes.
    """

    def __init__(
        self,
        shard_sizes: Sequence[int],
        batch_size: int,
        make: MakeBatch,
        *,
        window: int = 8,
        ahead: Ahead | None = None,
        seed: int = 0,
        repeats: Sequence[float] | NDArray[np.float64] | None = None,
        identity: str = "",
        processes: Processes | None = None,
    ):
        if window < 1:
            raise ValueError("a window has one shard or more")
        self.make = make
        self._order = WindowOrder(shard_sizes, window)
        self._ahead = ahead
        self._told: list[int] | None = None
        sizes = hashlib.sha256(repr([*shard_sizes, window]).encode()).hexdigest()[:16]
        self._inner = ShuffledStream(
            sum(shard_sizes),
            batch_size,
            self._make,
            seed=seed,
            repeats=repeats,
            identity=f"{identity}/{sizes}",
            processes=processes,
            order=self._order,
        )

    def next(self) -> Batch:
        """The next batch; a new epoch begins by itself."""
        return self._inner.next()

    def state(self) -> dict[str, Any]:
        """The position."""
        return self._inner.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a position.

        Raises:
            CheckpointError: it is a position in other data, or of another window.
        """
        self._inner.restore(state)

    @property
    def batches_per_epoch(self) -> int:
        """Of the current epoch."""
        return self._inner.batches_per_epoch

    def _make(self, indices: Sequence[int], *arguments: Any, **options: Any) -> Batch:
        if self._ahead is not None:
            coming = self._order.shards_at(self._inner.samples_before(self._inner.position - 1))
            if coming != self._told:
                self._ahead(coming)
                self._told = coming
        return self.make(indices, *arguments, **options)


class WindowOrder:
    """The order of an epoch: windows of shards one after another, shuffled inside.

    Args:
        shard_sizes: how many samples each shard has.
        window: how many shards are open at once.
    """

    def __init__(self, shard_sizes: Sequence[int], window: int):
        self.window = window
        self._ends = np.cumsum(shard_sizes, dtype=np.int64)
        self._starts = self._ends - np.asarray(shard_sizes, np.int64)
        self._shards: list[list[int]] = []  # of each window of the epoch planned last
        self._window_ends = np.empty(0, np.int64)  # in samples

    def __call__(self, random: np.random.Generator, times: Numbers | None) -> Numbers:
        """The sample numbers of an epoch, see ``EpochOrder``."""
        order = random.permutation(len(self._ends)).tolist()
        self._shards = [
            order[start : start + self.window] for start in range(0, len(order), self.window)
        ]
        parts = [self._shuffled(shards, times, random) for shards in self._shards]
        self._window_ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def shards_at(self, place: int) -> list[int]:
        """The shards that are read from this place of the epoch on: this window's and the next's.

        A batch may reach over the end of its window, so the next is always among them.
        """
        number = int(np.searchsorted(self._window_ends, place, side="right"))
        return [shard for shards in self._shards[number : number + 2] for shard in shards]

    def _shuffled(
        self, shards: Sequence[int], times: Numbers | None, random: np.random.Generator
    ) -> Numbers:
        inside = [np.arange(self._starts[one], self._ends[one]) for one in shards]
        samples = np.concatenate(inside)
        if times is None:
            return random.permutation(samples)
        return repeated(samples, times[samples], random)
