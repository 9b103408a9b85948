"""Streams: batches in an order that can be put back exactly.

The order is a pure function of a seed and counters, so the state is a few numbers and
resuming costs nothing, however far a run has come.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from interlingua.batch import Batch
from interlingua.errors import CheckpointError, TrainingError
from interlingua.train.distributed import present
from interlingua.train.processes import Processes

# (sample numbers, generator of the batch), and in many processes share=range of places in it
MakeBatch = Callable[..., Batch]

Numbers = NDArray[np.int64]
# (generator of the epoch, how often each sample comes or None for once) -> sample numbers
EpochOrder = Callable[[np.random.Generator, Numbers | None], Numbers]


class Stream(Protocol):
    """An endless row of batches with a position.

    It may have ``expect(batches)``, which is told how many will be asked for, and ``close()``.
    """

    def next(self) -> Batch:
        """The next batch."""

    def state(self) -> dict[str, Any]:
        """The position, as plain data for JSON."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a position that ``state`` gave."""


class ShuffledStream:
    """Every sample once an epoch, in a new order each time, in batches of nearly equal size.

    An epoch is cut into ``ceil(n / batch_size)`` batches whose sizes differ by at most
    one: no sample is lost, none is doubled, and no epoch ends in a tiny batch (in which
    a contrastive loss has nothing to contrast).

    Args:
        num_samples: how many samples there are.
        batch_size: the largest batch.
        make: gives the batch of these sample numbers; the generator is for its random
            choices (which caption) and depends on nothing but seed, epoch and batch.
        seed: of the order and the choices.
        repeats: how often each sample comes in an epoch, 1 by default; the fraction of
            a number is its chance of one more.
        identity: names the samples and their order (a hash of their keys, say), so that
            a checkpoint of other data is refused.
        processes: how many train together and which is this one; as they are by default. All
            have the same order, and of each batch each makes its own share: contiguous, the
            sizes differ by one at most. ``make`` is then called with ``share=`` as well.
        order: of an epoch's samples; any sample may come at any place by default.

    Raises:
        TrainingError: there is no sample, or fewer in a batch than there are processes.
    """

    def __init__(
        self,
        num_samples: int,
        batch_size: int,
        make: MakeBatch,
        *,
        seed: int = 0,
        repeats: Sequence[float] | NDArray[np.float64] | None = None,
        identity: str = "",
        processes: Processes | None = None,
        order: EpochOrder | None = None,
    ):
        rates = None if repeats is None else np.asarray(repeats, dtype=np.float64)
        if num_samples < 1 or (rates is not None and not (rates > 0).any()):
            raise TrainingError(
                "There is nothing to train on.",
                next_step="Look at the source with `interlingua data show NAME`.",
            )
        if rates is not None and (len(rates) != num_samples or rates.min() < 0):
            raise ValueError("repeats needs one non-negative number for each sample")
        self.num_samples = num_samples
        self.batch_size = batch_size
        self.make = make
        self.seed = seed
        self.identity = identity
        self.processes = processes or present()
        self.repeats = rates
        self.order = order or self._anywhere
        self.epoch = 0
        self.position = 0  # batches of this epoch that were given
        self._batches = self._plan()

    def next(self) -> Batch:
        """The next batch; a new epoch begins by itself."""
        while self.position >= len(self._batches):
            self.epoch += 1
            self.position = 0
            self._batches = self._plan()
        indices = self._batches[self.position]
        random = np.random.default_rng((self.seed, 1, self.epoch, self.position))
        self.position += 1
        if not self.processes.many:
            return self.make(indices.tolist(), random)
        if len(indices) < self.processes.world:
            raise TrainingError(
                f"A batch of {len(indices)} samples has none for some of "
                f"{self.processes.world} processes.",
                where="stages.batch_size counts the samples of all processes together",
                next_step="Raise it, or start fewer processes.",
            )
        share = self.processes.share(len(indices))
        return self.make(indices.tolist(), random, share=share)

    def state(self) -> dict[str, Any]:
        """The position, and what it means nothing without."""
        return {
            "epoch": self.epoch,
            "position": self.position,
            "seed": self.seed,
            "num_samples": self.num_samples,
            "batch_size": self.batch_size,
            "identity": self.identity,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a position.

        Raises:
            CheckpointError: it is a position in other data.
        """
        for name in ("seed", "num_samples", "batch_size", "identity"):
            if state.get(name) != getattr(self, name):
                raise CheckpointError(
                    f"The checkpoint was made with {name} {state.get(name)!r}, "
                    f"now it is {getattr(self, name)!r}: the same batches can't be given again.",
                    next_step="Resume with the same data and recipe, or begin a new run.",
                )
        self.epoch = int(state["epoch"])
        self.position = int(state["position"])
        self._batches = self._plan()

    @property
    def batches_per_epoch(self) -> int:
        """Of the current epoch."""
        return len(self._batches)

    def samples_before(self, position: int) -> int:
        """How many samples of the current epoch come before one of its batches."""
        # the larger batches come first: np.array_split
        base, extra = divmod(self._planned, max(1, len(self._batches)))
        return position * base + min(position, extra)

    def _plan(self) -> list[Numbers]:
        random = np.random.default_rng((self.seed, 0, self.epoch))
        times = None
        if self.repeats is not None:
            times = np.floor(self.repeats + random.random(self.num_samples)).astype(np.int64)
        order = self.order(random, times)
        self._planned = len(order)
        count = math.ceil(len(order) / self.batch_size)
        return np.array_split(order, count) if count else []

    def _anywhere(self, random: np.random.Generator, times: Numbers | None) -> Numbers:
        if times is None:
            return random.permutation(self.num_samples)
        return repeated(np.arange(self.num_samples), times, random)


def repeated(samples: Numbers, times: Numbers, random: np.random.Generator) -> Numbers:
    """Each sample as often as asked for, round after round, so that copies lie far apart.

    Args:
        samples: [n] numbers.
        times: [n] how often each comes.
        random: shuffles each round.
    """
    rounds = [random.permutation(samples[times > number]) for number in range(times.max(initial=0))]
    return np.concatenate(rounds) if rounds else np.empty(0, dtype=np.int64)
