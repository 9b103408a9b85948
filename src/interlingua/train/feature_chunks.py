"""The files of one feature cache: plans say what is computed together, chunks hold the results.

A plan lists batches of digests. It is on disk before the first of its batches is computed
and is never changed, so a fill that was killed goes on with the same batches and gives
the same bits. A chunk holds the features of a few batches of one plan; it appears whole
or not at all, and its checksum is verified whenever it is read.

Shape legend: R rows of a chunk, P pooled width.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from interlingua import durable
from interlingua.train.run_state import tensors_digest

FORMAT_VERSION = 1

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Task:
    """Batches that make one chunk.

    Attributes:
        path: of the chunk.
        batches: digests, batch by batch.
    """

    path: Path
    batches: tuple[tuple[str, ...], ...]

    @property
    def members(self) -> Iterator[str]:
        """All digests, in order."""
        return (digest for batch in self.batches for digest in batch)


@dataclass(slots=True)
class Features:
    """The content of one chunk.

    Attributes:
        digests: of the rows.
        values: [R, P].
        seconds: [R] of sound; NaN where it means nothing.
        failed: digest -> (reason, what) of media that can't be decoded.
        limits: names the limits under which they failed.
    """

    digests: list[str]
    values: Tensor
    seconds: Tensor
    failed: dict[str, tuple[str, str]]
    limits: str


class ChunkFolder:
    """Plans and chunks of one kind of feature.

    Args:
        path: the folder; its name stands for everything that the features depend on.
        batches_per_chunk: a kill costs at most so much work.
    """

    def __init__(self, path: Path, batches_per_chunk: int = 4):
        self.path = path
        self.batches_per_chunk = batches_per_chunk

    def prepare(self, about: Mapping[str, Any]) -> None:
        """Clear away what a killed fill left, and say for people what the folder holds.

        Call it with the folder's lock held.
        """
        for folder in (self.path, *self.path.glob("plan-*/")):
            durable.remove_leftovers(folder)
        if not (self.path / "about.json").exists():
            durable.replace_file(self.path / "about.json", durable.to_json(about))

    def tasks(self) -> list[Task]:
        """Everything that was ever planned, oldest first."""
        return [
            task for path in sorted(self.path.glob("plan-*.json")) for task in self._read_plan(path)
        ]

    def add_plan(self, batches: Sequence[Sequence[str]]) -> list[Task]:
        """Write a plan down; gives its tasks."""
        durable.make_folder(self.path)
        count = len(list(self.path.glob("plan-*.json")))
        plan = [list(batch) for batch in batches]
        checksum = hashlib.sha256(json.dumps(plan).encode()).hexdigest()
        path = self.path / f"plan-{count:06d}-{checksum[:12]}.json"
        content = {
            "format_version": FORMAT_VERSION,
            "batches_per_chunk": self.batches_per_chunk,
            "batches": plan,
            "checksum": checksum,
        }
        durable.replace_file(path, durable.to_json(content))
        return self._read_plan(path)

    def write(self, task: Task, features: Features) -> None:
        """Put a chunk in place."""
        tensors = {"values": features.values.contiguous(), "seconds": features.seconds}
        about = json.dumps([features.digests, features.failed, features.limits])
        data = safetensors.torch.save(
            tensors, metadata={"about": about, "checksum": _checksum(tensors, about)}
        )
        durable.make_folder(task.path.parent)
        durable.replace_file(task.path, data)

    def read(self, task: Task) -> Features | None:
        """A chunk, or None where it isn't there; a damaged one is removed, to be computed again."""
        if not task.path.exists():
            return None
        try:
            with safetensors.safe_open(task.path, framework="pt") as file:
                metadata = file.metadata()
                tensors = {name: file.get_tensor(name) for name in ("values", "seconds")}
            if _checksum(tensors, metadata["about"]) != metadata["checksum"]:
                raise ValueError("checksum")
            digests, failed, limits = json.loads(metadata["about"])
        except (OSError, ValueError, KeyError, TypeError, SafetensorError):
            log.warning("The cached features in %s are damaged; computing them again.", task.path)
            task.path.unlink(missing_ok=True)
            return None
        failures = {key: (reason, what) for key, (reason, what) in failed.items()}
        return Features(digests, tensors["values"], tensors["seconds"], failures, limits)

    def _read_plan(self, path: Path) -> list[Task]:
        try:
            plan = json.loads(path.read_bytes())
            batches = plan["batches"]
            if hashlib.sha256(json.dumps(batches).encode()).hexdigest() != plan["checksum"]:
                raise ValueError("checksum")
            size = int(plan["batches_per_chunk"])
        except (OSError, ValueError, KeyError, TypeError):
            log.warning("The plan %s is damaged; its features are computed again.", path)
            return []
        return [
            Task(
                self.path / path.stem / f"chunk-{number:06d}.safetensors",
                tuple(tuple(batch) for batch in batches[start : start + size]),
            )
            for number, start in enumerate(range(0, len(batches), size))
        ]


def _checksum(tensors: dict[str, Tensor], about: str) -> str:
    return hashlib.sha256((tensors_digest(tensors) + about).encode()).hexdigest()


def join(pieces: Sequence[Tensor]) -> Tensor:
    """Concatenate along rows; nothing at all is an empty [0, 0]."""
    return torch.cat(list(pieces)) if pieces else torch.empty(0, 0)
