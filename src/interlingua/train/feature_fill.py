"""One fill of the feature cache: what is there, what is missing, and how it is computed.

Shape legend: m parts in a batch, n rows of the table, P pooled width.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from interlingua.config import to_plain
from interlingua.data.errors_log import SkipLog, shard_of
from interlingua.data.gate import MediaLimits
from interlingua.data.loader import Chunk, decode, plan
from interlingua.device import autocast
from interlingua.errors import MediaError, TrainingError
from interlingua.sample import Label, Part, Text
from interlingua.towers.tower import Preprocess, Tower, frozen_inference
from interlingua.train.feature_chunks import ChunkFolder, Features, Task, join
from interlingua.train.not_finite import spoiled

_UNLASTING = ("missing", "unreadable")  # not a property of the bytes, so not kept

OnProgress = Callable[[int, int], None]


@dataclass(slots=True)
class FeatureTable:
    """Features of a list of parts.

    Attributes:
        values: [n, P], equal parts share a row.
        seconds: [n] of real sound; NaN for pictures and texts.
        rows: [number of parts] int64, the row of each part; -1 = it can't be read.
        computed: how many rows were not in the cache.
    """

    values: Tensor
    seconds: Tensor
    rows: Tensor
    computed: int

    def row(self, part_index: int) -> int | None:
        """The row of a part, None where it can't be read."""
        row = int(self.rows[part_index])
        return None if row < 0 else row

    def __len__(self) -> int:
        return len(self.values)


class Encoder:
    """A frozen tower, made when it is first needed.

    Raises:
        TrainingError: its weights are not finite. Behind a ReLU that may not show in its output.
    """

    def __init__(
        self, tower: Tower | Callable[[], Tower], precision: torch.dtype, device: torch.device
    ):
        made = tower if isinstance(tower, Tower) else tower()
        if name := spoiled(made, frozen=True):
            raise TrainingError(
                f"The weights of {type(made).__name__} are not finite, {name} first.",
                next_step="`interlingua weights verify NAME` checks what is cached.",
            )
        # A tower that prepares itself has chosen the type of each layer: no autocast then.
        prepares_itself = hasattr(made, "for_inference")
        self.tower = frozen_inference(made, precision).to(device).eval()
        self.device = device
        self.context = nullcontext() if prepares_itself else autocast(device, precision)

    def __call__(self, chunk: Chunk) -> Tensor:
        """[m, P] float32 on the CPU."""
        mask = None if chunk.mask is None else chunk.mask.to(self.device)
        with torch.inference_mode(), self.context:
            pooled = self.tower(chunk.values.to(self.device), mask).pooled
        if pooled is None:
            raise TrainingError(f"{type(self.tower).__name__} gives no pooled vectors.")
        features: Tensor = pooled.float().cpu()
        return features


class Fill:
    """One call of ``features``: what is there, what is missing, what it becomes."""

    def __init__(
        self,
        folder: ChunkFolder,
        parts: dict[str, Part],
        preprocess: Preprocess,
        batch_size: int,
        limits: MediaLimits,
        skip_log: SkipLog,
        twins: Mapping[str, Sequence[Part]] | None = None,
    ):
        self.folder = folder
        self.twins = twins or {}  # by digest, the other parts of the same bytes
        self.parts = parts
        self.preprocess = preprocess
        self.batch_size = batch_size
        self.limits = limits
        self.skip_log = skip_log
        self.limits_key = hashlib.sha256(json.dumps(to_plain(limits)).encode()).hexdigest()[:16]
        self.rows: dict[str, int] = {}  # digest -> row of the table
        self.failed: set[str] = set()
        self.pieces: list[Tensor] = []
        self.seconds: list[Tensor] = []
        self.computed = 0
        self._read: set[Path] = set()

    @property
    def missing(self) -> list[str]:
        """Digests that are neither cached nor known to be undecodable."""
        return [
            digest for digest in self.parts if digest not in self.rows and digest not in self.failed
        ]

    def read_cached(self) -> None:
        """Take every chunk that has something we need.

        A digest may stand in two chunks: its first plan was not finished, the next list had
        not all the members of its batch, so it was planned anew; later the first plan was
        finished after all. The newest plan counts, so that a row never changes.
        """
        for task in reversed(self.folder.tasks()):
            if task.path in self._read or self.parts.keys().isdisjoint(task.members):
                continue
            features = self.folder.read(task)
            if features is not None:
                self._read.add(task.path)
                self._take(features, replay=True)

    def compute(self, encoder: Encoder, on_progress: OnProgress | None) -> None:
        """Go on with the batches of earlier plans, then plan and compute the rest."""
        tasks = self._tasks()
        parts, digests = list(self.parts.values()), list(self.parts)
        number_of = {digest: number for number, digest in enumerate(digests)}
        batches = [[number_of[one] for one in batch] for task in tasks for batch in task.batches]
        total, done, undecodable = sum(map(len, batches)), 0, 0
        results: dict[str, tuple[Tensor, float]] = {}
        failed: dict[str, tuple[str, str]] = {}

        def on_error(number: int, part: Part, error: MediaError) -> None:
            nonlocal undecodable
            undecodable += 1
            failed[digests[number]] = (error.reason, error.what)
            self._skip(digests[number], error)

        waiting = list(reversed(tasks))
        for chunk in decode(
            parts, self.preprocess, limits=self.limits, on_error=on_error, batches=batches
        ):
            # Whatever comes before this chunk's task is done: batches come in order.
            while digests[chunk.index[0]] not in set(waiting[-1].members):
                self._store(waiting.pop(), results, failed)
            values = encoder(chunk)
            self._collect(
                chunk, values, [digests[number] for number in chunk.index], results, failed
            )
            done += len(chunk)
            if on_progress is not None:
                on_progress(done + undecodable, total)
        while waiting:
            self._store(waiting.pop(), results, failed)

    def table(self, found: Sequence[str | None]) -> FeatureTable:
        """The rows in the order of the parts."""
        rows = [-1 if digest is None else self.rows.get(digest, -1) for digest in found]
        return FeatureTable(
            join(self.pieces),
            torch.cat(self.seconds) if self.seconds else torch.empty(0),
            torch.tensor(rows, dtype=torch.int64),
            self.computed,
        )

    def _tasks(self) -> list[Task]:
        """What has to be computed: unfinished tasks as they were planned, and a new plan."""
        missing = set(self.missing)
        tasks = []
        for task in self.folder.tasks():
            members = set(task.members)
            if not task.path.exists() and members & missing and members <= self.parts.keys():
                tasks.append(task)
                missing -= members
        rest = [digest for digest in self.parts if digest in missing]
        if rest:
            batches = plan(
                [self.parts[digest] for digest in rest],
                self.preprocess,
                batch_size=self.batch_size,
                limits=self.limits,
            )
            tasks += self.folder.add_plan([[rest[i] for i in batch] for batch in batches])
        return tasks

    def _collect(
        self,
        chunk: Chunk,
        values: Tensor,
        digests: list[str],
        results: dict[str, tuple[Tensor, float]],
        failed: dict[str, tuple[str, str]],
    ) -> None:
        """Keep the finite rows of a chunk; a tower that gives others can't use that medium."""
        finite = values.isfinite().all(dim=1)
        for row, digest in enumerate(digests):
            if finite[row]:
                seconds = float("nan") if chunk.seconds is None else float(chunk.seconds[row])
                results[digest] = (values[row], seconds)
                self.skip_log.good()
                continue
            part = self.parts[digest]
            error = MediaError(
                "The tower gives numbers that are not finite.",
                reason="not_finite",
                where=part_name(part),
            )
            failed[digest] = (error.reason, error.what)
            self._skip(digest, error)

    def _store(
        self,
        task: Task,
        results: dict[str, tuple[Tensor, float]],
        failed: dict[str, tuple[str, str]],
    ) -> None:
        """Write a finished task and take its rows."""
        digests = [digest for digest in task.members if digest in results]
        rows = [results.pop(digest) for digest in digests]
        lasting = {
            digest: failed[digest]
            for digest in task.members
            if digest in failed and failed[digest][0] not in _UNLASTING
        }
        features = Features(
            digests,
            torch.stack([values for values, _ in rows]) if rows else torch.empty(0, 0),
            torch.tensor([seconds for _, seconds in rows]),
            lasting,
            self.limits_key,
        )
        self.folder.write(task, features)
        self.computed += len(digests)
        self._read.add(task.path)
        self._take(features, replay=False)

    def _take(self, features: Features, *, replay: bool) -> None:
        """Add the rows that are wanted and not there yet; what failed before is counted again."""
        wanted = [
            row
            for row, digest in enumerate(features.digests)
            if digest in self.parts and digest not in self.rows
        ]
        if wanted:
            for row in wanted:
                self.rows[features.digests[row]] = len(self.rows)
            self.pieces.append(features.values[wanted])
            self.seconds.append(features.seconds[wanted])
        if not replay:
            self.failed |= features.failed.keys()
            return
        self.skip_log.good(len(wanted))
        if features.limits == self.limits_key:
            for digest, (reason, what) in features.failed.items():
                if digest in self.parts and digest not in self.failed:
                    self.failed.add(digest)
                    part = self.parts[digest]
                    self._skip(digest, MediaError(what, reason=reason, where=part_name(part)))

    def _skip(self, digest: str, error: MediaError) -> None:
        """Write down a part, and all others of the same bytes: an error page saved many times."""
        for part in (self.parts[digest], *self.twins.get(digest, ())):
            skip_part(self.skip_log, error, part)


def skip_part(skip_log: SkipLog, error: MediaError, part: Part) -> None:
    """Write down a part that gets no features."""
    skip_log.bad(error, key=part_name(part), source="feature cache", shard=shard_of(part))


def part_name(part: Part) -> str:
    """Where a part comes from, for messages."""
    if isinstance(part, Text):
        return part.text[:80]
    return part.name if isinstance(part, Label) else part.content.name
