"""A training step shared by several processes on one machine, through gloo.

Each process has its share of the batch and of the cores; the harness tells all of them to step and
waits for all. open_clip runs as its distributed training does (``local_loss`` and
``gather_with_grad``, its recommended flags); both sides average gradients through torch's DDP.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import socket
import warnings
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from benchmarks import clip_models
from benchmarks.clip_batches import Pairs
from benchmarks.clip_training import OpenClipTraining, OurTraining
from benchmarks.compare import apart
from benchmarks.harness import Case, Check, Precision, Prepared, Side
from interlingua.device import has_fast_bf16, pick_device

JOIN_SECONDS = 30


def step_case(number: int, model: str, batch_size: int, options: argparse.Namespace) -> Case:
    """One step of ``number`` processes, the whole batch being ``batch_size``."""
    from benchmarks.train_step import first_batch

    size = clip_models.SIZES[model]["vision_cfg"]["image_size"]
    folder = clip_models.checkpoint(model)
    pairs = first_batch(batch_size, 16, size)
    ours: Precision = "bf16" if has_fast_bf16(pick_device("cpu")) else "fp32"

    def prepare(library: str, precision: Precision) -> Prepared:
        group = Group(number, (library, str(folder), pairs, precision))
        return Prepared(lambda _: group.step(), lambda: [group.step(), group.step()])

    return Case(
        f"processes {number}",
        [
            Side("interlingua", lambda: prepare("interlingua", ours), ours),
            Side("open_clip bf16 autocast", lambda: prepare("open_clip", "bf16"), "bf16"),
        ],
        amount=batch_size,
        unit="pairs",
        compare=compare,
        axis="processes",
        at=number,
        note=f"{number} x {max(1, torch.get_num_threads() // number)} threads, gloo",
    )


def compare(ours: list[float], peer: list[float]) -> list[Check]:
    """The losses of two steps."""
    return [
        apart(ours[0], peer[0], "loss of the first step", 0.02),
        apart(ours[1], peer[1], "loss after one update", 0.1),
    ]


class Group:
    """Processes that step when they are told to; they end with this object."""

    def __init__(self, number: int, work: tuple[Any, ...]):
        context = multiprocessing.get_context("spawn")
        threads = max(1, torch.get_num_threads() // number)
        port = free_port()
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        self.gives_parts = work[0] == "interlingua"
        self.pipes: list[Connection] = []
        self.members = []
        for rank in range(number):
            here, there = context.Pipe()
            member = context.Process(
                target=_member, args=(there, rank, number, port, threads, *work), daemon=True
            )
            member.start()
            there.close()
            self.pipes.append(here)
            self.members.append(member)
        self._answers()  # all are ready

    def step(self) -> float:
        """One step of all; gives the loss of the whole batch."""
        for pipe in self.pipes:
            pipe.send("step")
        losses = self._answers()
        # ours: each process' part of it; open_clip's: each the mean over its own rows
        return sum(losses) if self.gives_parts else sum(losses) / len(losses)

    def _answers(self) -> list[float]:
        answers = [pipe.recv() for pipe in self.pipes]
        for answer in answers:
            if isinstance(answer, str):
                raise RuntimeError(f"a process failed: {answer}")
        return answers

    def __del__(self) -> None:
        for pipe in self.pipes:
            pipe.close()  # its process reads the end and leaves
        for member in self.members:
            member.join(JOIN_SECONDS)


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _member(
    pipe: Connection, rank: int, number: int, port: int, threads: int, library: str, folder: str,
    pairs: Pairs, precision: Precision,
) -> None:  # fmt: skip
    warnings.simplefilter("ignore", FutureWarning)  # open_clip's gather
    torch.set_num_threads(threads)
    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=number
    )
    try:
        training = _training(library, folder, pairs, precision, rank, number)
        pipe.send(0.0)
        while True:
            try:
                pipe.recv()
            except EOFError:
                break
            pipe.send(training.step())
    except Exception as error:  # told to the parent, which stops
        pipe.send(f"rank {rank}: {type(error).__name__}: {error}")
    torch.distributed.destroy_process_group()
    os._exit(0)  # gloo may abort an interpreter that shuts down


def _training(
    library: str, folder: str, pairs: Pairs, precision: Precision, rank: int, number: int
) -> OurTraining | OpenClipTraining:
    share = math.ceil(len(pairs.ids) / number)
    rows = slice(rank * share, (rank + 1) * share)
    mine = [Pairs(pairs.pixels[rows], pairs.ids[rows])]
    if library == "interlingua":
        return OurTraining(
            Path(folder), mine, precision, "cpu"
        )  # finds the process group by itself
    theirs = OpenClipTraining(Path(folder), mine, precision, "cpu")
    theirs.distribute(rank, number)
    return theirs
