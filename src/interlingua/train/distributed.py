"""Many processes, one training: how they meet, what they tell each other, how they end.

``torchrun`` (or anything else that sets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and
MASTER_PORT) starts the processes; ``started`` makes them one group: gloo between CPUs, NCCL between
GPUs, and gloo beside it for the few numbers that the loop agrees on in each step. Only the *main*
process (rank 0) writes, measures and shows; the others wait as long as it lives.
"""

from __future__ import annotations

import datetime
import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from interlingua.errors import TrainingError
from interlingua.train.heartbeat import Heartbeat
from interlingua.train.processes import ALONE, Processes

DEFAULT_TIMEOUT = 600.0  # seconds in one collective
_NCCL_EXTRA = 60.0  # NCCL aborts the process at its timeout: the heartbeat must speak before


_current = ALONE


def present() -> Processes:
    """The processes that ``started`` made one, or a group that the caller's own code made."""
    if not _current.many and dist.is_available() and dist.is_initialized():
        rank, world = dist.get_rank(), dist.get_world_size()
        return Processes(rank, world, int(os.environ.get("LOCAL_RANK", rank)))
    return _current


def asked_for() -> bool:
    """True where the environment says that this is one of several processes."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


@contextmanager
def started(device: torch.device, timeout: float = DEFAULT_TIMEOUT) -> Iterator[Processes]:
    """Meet the other processes that the environment tells of; alone where it tells of none.

    Args:
        device: decides the backend: gloo for CPUs, NCCL for GPUs.
        timeout: seconds after which a collective gives up.

    Raises:
        TrainingError: the others don't come, or one of them is lost later.
    """
    global _current
    if not asked_for() or dist.is_initialized():
        yield present()
        return
    _current = _meet(device, timeout)
    try:
        with _current.explained():
            yield _current
            _leave_together(_current)
    finally:
        _end(_current)
        _current = ALONE


def _meet(device: torch.device, timeout: float) -> Processes:
    patience = datetime.timedelta(seconds=timeout)
    try:
        store, rank, world = next(iter(rendezvous("env://", timeout=patience)))
        store.set_timeout(patience)
        cuda = device.type == "cuda"
        processes = Processes(rank, world, int(os.environ.get("LOCAL_RANK", rank)), store)
        if cuda:
            torch.cuda.set_device(processes.device(device))
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if cuda else "gloo",
            store=PrefixStore("group", store),
            rank=rank,
            world_size=world,
            timeout=patience + datetime.timedelta(seconds=_NCCL_EXTRA if cuda else 0),
        )
    except (RuntimeError, ValueError) as error:
        raise TrainingError(
            f"The processes of this training don't meet: {_first_line(error)}.",
            where=f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}",
            next_step="Is every machine started with the same rendezvous address, and is the port "
            "open between them? docs/many-machines.md",
        ) from error
    processes.heartbeat = Heartbeat(PrefixStore("heart", store), rank, world, timeout)
    processes.sum([0.0])  # everybody is here, with a first beat
    processes.heartbeat.meet()
    return processes


def _leave_together(processes: Processes) -> None:
    """Wait, however long the main process still measures, and keep its store until all have left.

    gloo ends a process badly when another one goes while it still has work.
    """
    with processes.main_first("end"):
        pass
    if not processes.is_main:
        processes.store.set(f"left/{processes.rank}", "")
        return
    keys = [f"left/{rank}" for rank in range(1, processes.world)]
    deadline = time.monotonic() + 10
    while not processes.store.check(keys) and time.monotonic() < deadline:
        time.sleep(0.01)


def _end(processes: Processes) -> None:
    if processes.heartbeat is not None:
        processes.heartbeat.stop()
    gc.collect()  # a sharded model that is still held would keep gloo's threads
    if dist.is_initialized():
        dist.destroy_process_group()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
