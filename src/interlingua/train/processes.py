"""The processes of one training: who is who, what they tell each other, in which order they go.

Only the *main* process (rank 0) writes, measures and shows; the others wait as long as it lives.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist

from interlingua import ranks
from interlingua.errors import ConfigError, InterlinguaError, TrainingError
from interlingua.train.heartbeat import Heartbeat


@dataclass(slots=True)
class Processes:
    """This process among all of one training; alone by default.

    Attributes:
        rank: its number, 0 is the main one.
        world: how many there are.
        local_rank: its number on this machine.
        store: where the processes met; None where somebody else's code made the group.
        heartbeat: who lives, and where it is.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    store: Any = None
    heartbeat: Heartbeat | None = None
    _waits: dict[str, int] = field(default_factory=dict)

    @property
    def is_main(self) -> bool:
        """True in the one process that writes, measures and shows."""
        return self.rank == 0

    @property
    def many(self) -> bool:
        """True where there is more than one process."""
        return self.world > 1

    def device(self, device: torch.device) -> torch.device:
        """The device of this process: one GPU each."""
        if str(device) != "cuda" or not self.many:
            return device
        if self.local_rank >= torch.cuda.device_count():
            raise ConfigError(
                f"Process {self.local_rank} of this machine has no GPU of its own: "
                f"there are {torch.cuda.device_count()}.",
                next_step="Start as many processes on each machine as it has GPUs.",
            )
        return torch.device("cuda", self.local_rank)

    def share(self, count: int) -> range:
        """Which of ``count`` things are this process' own: contiguous, sizes differ by one."""
        base, extra = divmod(count, self.world)
        start = self.rank * base + min(self.rank, extra)
        return range(start, start + base + (self.rank < extra))

    def file_of_rank(self, name: str) -> str:
        """The name of a file that each process has its own of."""
        return f"{name}-{self.rank + 1:05d}-of-{self.world:05d}" if self.many else name

    def at(self, step: int, phase: int) -> None:
        """Tell the others where this process is: 0 = waits for its data, 1 = computes."""
        if self.heartbeat is not None:
            self.heartbeat.at(step, phase)

    def sum(self, values: Sequence[float]) -> list[float]:
        """The sums over all processes, in fp64; every process must call it."""
        if not self.many:
            return list(values)
        own = torch.tensor(list(values), dtype=torch.float64, device=_device_of_numbers())
        return [float(value) for value in ranks.sum_over_ranks(own).tolist()]

    def gather(self, value: Any) -> list[Any]:
        """Plain data of all processes, in their order; every process must call it."""
        if not self.many:
            return [value]
        letters = torch.tensor(
            list(json.dumps(value).encode()), dtype=torch.uint8, device=_device_of_numbers()
        )
        sizes = ranks.sizes_of_ranks(len(letters))
        everyone, _ = ranks.gather_rows(letters, sizes)
        return [json.loads(bytes(part.tolist())) for part in everyone.split(sizes)]

    def from_main(self, value: Any) -> Any:
        """Plain data of the main process, in every process."""
        return self.gather(value if self.is_main else None)[0]

    @contextmanager
    def main_first(self, what: str) -> Iterator[None]:
        """The main process goes through the block alone, then the others, however long it takes.

        No collective is used, so the others wait as long as the main process lives.
        """
        with self._in_turn(f"{what}/main", self.is_main):
            yield

    @contextmanager
    def node_first(self, what: str) -> Iterator[None]:
        """The first process of each machine goes through the block, then its others.

        For what fills a cache: the others find it full.
        """
        machine = self.rank - self.local_rank
        with self._in_turn(f"{what}/from {machine}", self.local_rank == 0):
            yield

    @contextmanager
    def _in_turn(self, what: str, leads: bool) -> Iterator[None]:
        if not self.many or self.store is None:
            yield
            return
        number = self._waits[what] = self._waits.get(what, 0) + 1
        key = f"turn/{what}/{number}"
        if not leads:
            self._wait_for(key)
        yield
        if leads:
            self.store.set(key, "done")

    def _wait_for(self, key: str) -> None:
        pause = 0.005
        while not self.store.check([key]):
            if self.heartbeat is not None:
                silent = self.heartbeat.silent(max(self.heartbeat.timeout, 5.0))
                if self.heartbeat.failure() or silent:
                    raise TrainingError(_ended(self.heartbeat.explain()))
            time.sleep(pause)
            pause = min(1.0, pause * 1.5)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn the failure of a collective into a message that names who is missing.

        Raises:
            TrainingError: another process is gone, stuck, or ended with an error.
        """
        if self.heartbeat is None:
            yield
            return
        try:
            yield
        except InterlinguaError as error:
            self.heartbeat.fail(f"rank {self.rank} ended: {error.what.rstrip('.')}")
            raise
        except RuntimeError as error:
            if not _of_a_collective(error) and not self._others_failed():
                self.heartbeat.fail(f"rank {self.rank} ended with {type(error).__name__}")
                raise
            raise TrainingError(
                _ended(self.heartbeat.explain()),
                next_step="Start it again with --resume; the last checkpoint is untouched.",
            ) from error
        except BaseException as error:
            self.heartbeat.fail(f"rank {self.rank} ended with {type(error).__name__}")
            raise

    def _others_failed(self) -> bool:
        assert self.heartbeat is not None
        try:
            return bool(self.heartbeat.failure())
        except RuntimeError:
            return True


ALONE = Processes()


def _device_of_numbers() -> torch.device:
    """Where a few numbers must lie to be sent: on the CPU, unless there is NCCL alone."""
    if "cpu" in dist.get_backend_config():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


def _of_a_collective(error: RuntimeError) -> bool:
    """A failure of gloo is a plain RuntimeError, one of NCCL has a kind of its own."""
    if isinstance(error, dist.DistError):
        return True
    text = str(error)
    words = ("gloo", "NCCL", "Connection closed", "Connection reset", "Broken pipe", "Timed out")
    return any(word in text for word in words)


def _ended(reason: str) -> str:
    return f"Training ends in all processes: {reason}."
