"""A dual encoder trained by several processes on loopback; a server that forks them on request.

Every request is one JSON line: how many processes, and what they are to do. The server has loaded
torch already, so that a training of two processes takes a second. It kills what doesn't end.
``Server`` starts it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from interlingua.batch import Batch, Media
from interlingua.config import resolve, validate
from interlingua.models.dual_encoder import DualEncoder
from interlingua.objectives.objective import Loss
from interlingua.train import distributed, random_state
from interlingua.train.empty_media import empty_media
from interlingua.train.log import Silent
from interlingua.train.loop import fit
from interlingua.train.run_folder import RunFolder
from interlingua.train.stages import Stage
from interlingua.train.stream import ShuffledStream
from tests.faults import disk_switch

NUM_THINGS = 23
BLOCK = {"width": 16, "num_layers": 2, "num_heads": 2, "hidden_width": 32}
MODEL = {
    "width": 8,
    "towers": {
        "image": {"tower": {"name": "vit", "image_size": 16, "patch_size": 8, **BLOCK}},
        "text": {
            "tower": {
                "name": "text_transformer", "vocabulary": 40, "max_positions": 8, "end_id": 39,
                **BLOCK,
            },
            "bias": True,
        },
    },
    "initial_bias": -2.0,
}  # fmt: skip


def make_model() -> DualEncoder:
    random_state.seed_all(3)
    return DualEncoder(validate(DualEncoder.Config, MODEL, "test"))


class Things:
    """Pictures and captions of one of two lengths; some things have no picture.

    Args:
        blind: numbers of things without a picture.
    """

    def __init__(self, blind: Sequence[int] = ()):
        random = np.random.default_rng(1)
        self.pictures = torch.from_numpy(
            random.integers(0, 256, (NUM_THINGS, 3, 16, 16)).astype(np.uint8)
        )
        self.texts = torch.from_numpy(random.integers(1, 39, (NUM_THINGS, 2, 8)))
        self.texts[:, 0, 4:] = 39
        self.texts[:, 1, 7] = 39
        self.blind = torch.tensor([number in blind for number in range(NUM_THINGS)])

    def __call__(
        self, indices: Sequence[int], random: np.random.Generator, share: range | None = None
    ) -> Batch:
        which = torch.from_numpy(random.integers(0, 2, len(indices)))
        share = range(len(indices)) if share is None else share
        here = slice(share.start, share.stop)
        chosen = torch.tensor(indices)
        seen_anywhere = not bool(self.blind[chosen].all())
        chosen, which = chosen[here], which[here]
        owner = torch.arange(len(chosen))
        ids = self.texts[chosen, which]
        batch = Batch([str(index) for index in chosen.tolist()], component=chosen)
        batch.media["text"] = Media(owner, owner * 0, ids, torch.ones_like(ids, dtype=torch.bool))
        sees = ~self.blind[chosen]
        if seen_anywhere:
            batch.media["image"] = Media(owner[sees], owner[sees] * 0, self.pictures[chosen[sees]])
            if not sees.any():
                batch.media["image"] = empty_media(make_model().preprocess("image"))
        batch.labels = chosen % 3
        return batch


class Counting:
    """A mean over this process' own targets: pictures, whose vectors shall point one way."""

    needs = frozenset({"vectors"})

    def __call__(self, outputs: Any, batch: Batch) -> Loss:
        vectors: Tensor = outputs.vectors["image"]
        total = (vectors[:, 0] - 1).square().sum() / max(1, len(vectors))
        return Loss(total, {"one way": total.detach()}, {"one way": len(vectors)})


class Faulty(Silent):
    """Something happens to one process once a step is done."""

    def __init__(self, how: str, step: int):
        self.how, self.step = how, step

    def happens(self, step: int) -> None:
        if step != self.step:
            return
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.how == "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif self.how == "terminate":
            os.kill(os.getpid(), signal.SIGTERM)
        elif self.how == "sleep":
            time.sleep(100)
        elif self.how == "error":
            raise ValueError("a bug in one process")


class FaultyStream:
    """A stream in which the fault happens before a step's batch."""

    def __init__(self, inner: ShuffledStream, fault: Faulty):
        self.inner, self.fault, self.asked = inner, fault, 0
        self.state, self.restore = inner.state, inner.restore

    def next(self) -> Batch:
        self.asked += 1
        self.fault.happens(self.asked)
        batch = self.inner.next()
        if self.fault.how == "nan" and self.asked == self.fault.step:
            image = batch.media["image"]
            image.values = image.values.float() * float("nan")
        return batch


def objectives(names: Sequence[str]) -> dict[str, tuple[Any, float]]:
    made: dict[str, tuple[Any, float]] = {}
    for name in names:
        if name == "counting":
            made[name] = (Counting(), 0.5)
        else:
            part = resolve("objectives", name)
            made[name] = (part(part.Config(name=name)), 1.0)
    return made


def train(request: dict[str, Any], rank: int) -> nn.Module:
    """Run ``fit`` as the request says and write what it came to."""
    folder = Path(request["folder"])
    stages = [Stage(**stage) for stage in request["stages"]]
    model = make_model()
    fault = request.get("fault", {})
    things = Things(request.get("blind", ()))

    def stream_for(stage: Stage) -> Any:
        stream = ShuffledStream(NUM_THINGS, stage.batch_size, things, seed=5)
        if fault and fault["rank"] == rank:
            return FaultyStream(stream, Faulty(fault["how"], fault["step"]))
        return stream

    def evaluate(measured: nn.Module) -> dict[str, float]:
        with torch.no_grad():
            pictures = Media(torch.arange(4), torch.zeros(4), things.pictures[:4])
            vectors = measured.embed_media("image", pictures)
        return {"sum": float(vectors.sum())}

    result = fit(
        model,
        objectives(request.get("objectives", ["pairwise_contrastive"])),
        stages,
        stream_for,
        RunFolder(folder / "run", request.get("keep", 3)),
        evaluate=evaluate,
        resume=request.get("resume", False),
        distributed=request.get("distributed", "ddp"),
        precision=getattr(torch, request.get("precision", "float32")),
        max_skipped_in_a_row=4,
        compile_blocks=request.get("compile", False),
    )
    if rank == 0:
        (folder / "result.json").write_text(json.dumps([result.step, result.finished]))
    return model


def child(request: dict[str, Any], rank: int, world: int, port: int) -> None:
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world),
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
    )  # fmt: skip
    disturbed = request.get("disturb", {})
    if disturbed.get("rank") == rank:
        disk_switch.arm(**{name: disturbed[name] for name in disturbed if name != "rank"})
    with distributed.started(torch.device("cpu"), request.get("timeout", 20.0)):
        train(request, rank)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def fork(request: dict[str, Any], rank: int, world: int, port: int) -> tuple[int, int]:
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    status = 0
    try:
        child(request, rank, world, port)
    except BaseException as error:
        status = 70
        text = f"{type(error).__name__}: {error}"
        if request.get("trace"):
            text = traceback.format_exc()
        os.write(writing, text.encode()[:8000])
    os._exit(status)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    world, port = request.get("world", 1), free_port()
    began = time.monotonic()
    children = [fork(request, rank, world, port) for rank in range(world)]
    statuses: list[int | None] = [None] * world
    deadline = began + request.get("limit", 40)
    while None in statuses and time.monotonic() < deadline:
        for rank, (process, _) in enumerate(children):
            if statuses[rank] is None:
                found, status = os.waitpid(process, os.WNOHANG)
                if found:
                    statuses[rank] = os.waitstatus_to_exitcode(status)
        frozen = request.get("fault", {}).get("how") == "freeze"
        if frozen and all(s is not None for r, s in enumerate(statuses)
                          if r != request["fault"]["rank"]):  # fmt: skip
            break
        time.sleep(0.01)
    seconds = time.monotonic() - began
    for rank, (process, _) in enumerate(children):
        if statuses[rank] is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
    messages = []
    for _, reading in children:
        with os.fdopen(reading) as file:
            messages.append(file.read())
    return {
        "statuses": statuses, "messages": messages, "seconds": seconds,
        "pids": [process for process, _ in children],
    }  # fmt: skip


class Server:
    """This program in a process of its own.

    Args:
        library: that ``disk_switch.build`` gave; with it a request may say ``disturb``: the rank of
            the process whose changes of the disk are disturbed, and what ``disk_switch.arm`` takes.
    """

    def __init__(self, library: Path | None = None):
        preloaded = {"LD_PRELOAD": str(library)} if library else {}
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "PYTHONPATH": os.pathsep.join(sys.path),
                **preloaded,
            },
        )

    def __call__(self, folder: Path, **request: Any) -> dict[str, Any]:
        """Train in a folder; gives ``statuses``, ``messages`` and ``pids`` by rank, ``seconds``."""
        folder.mkdir(exist_ok=True)
        line = json.dumps({"folder": str(folder), **request}, default=str)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answered: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answered

    def close(self) -> None:
        """End it."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def serve() -> None:
    torch.set_num_threads(1)
    importlib.import_module("torch.distributed.fsdp")  # loaded once, before the forks
    torch.optim.AdamW([nn.Parameter(torch.ones(1))])
    make_model()
    objectives(["pairwise_contrastive", "sigmoid_contrastive"])
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    serve()
