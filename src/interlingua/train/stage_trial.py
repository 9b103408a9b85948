"""A few steps of one stage on its first batch, by the real loop: shapes, memory, time.

Shape legend: M media of one view.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from interlingua.batch import Batch
from interlingua.sample import Part
from interlingua.towers.tower import Preprocess
from interlingua.train import optim
from interlingua.train.drawn_features import DrawnFeatures, real_values
from interlingua.train.loop import fit
from interlingua.train.memory import (
    Held,
    PeakMemory,
    Size,
    batch_sizes,
    held_memory,
    memory_explained,
)
from interlingua.train.prefetch import Prefetched
from interlingua.train.recipe import Recipe
from interlingua.train.run_folder import RunFolder, read_lines
from interlingua.train.shapes import shapes_of
from interlingua.train.stages import Stage, give_settings
from interlingua.train.stream import Stream

MEASURED_STEPS = 4
SHOWN = 48  # samples whose media are kept to be looked at


@dataclass(frozen=True, slots=True)
class Seen:
    """One medium as the tower gets it.

    Attributes:
        owner: its sample's place in the batch.
        values: [3, S, S] uint8, [mels, F], or [N] ids, without padding; None where it wasn't kept.
        part: where it comes from, where that is known.
    """

    owner: int
    values: Tensor | None
    part: Part | None = None


@dataclass(slots=True)
class StageTrial:
    """What a stage's first steps were like.

    Attributes:
        stage: with the batch size of one process.
        batch: the first.
        seen: by view, the media of its first samples.
        preprocess: by view, what the towers ask for in this stage.
        inputs: what each view takes in the batch.
        outputs: part of the model -> the shapes that it gives.
        held: memory that stays through a step.
        memory_before: of the process or device, before the first step.
        peak_memory: at the highest point.
        step_seconds: of one optimizer step, without making its batches.
        batch_seconds: of making one batch, the first time.
        again_seconds: when its media are known already.
        batches_per_epoch: 0 where the stream doesn't say.
        loss: of the first step.
        seconds: of the whole stage, estimated.
    """

    stage: Stage
    batch: Batch
    seen: dict[str, list[Seen]]
    preprocess: dict[str, Preprocess]
    inputs: tuple[Size, ...]
    outputs: dict[str, str] = field(default_factory=dict)
    held: Held = field(default_factory=lambda: Held(0, 0, 0, 0))
    memory_before: int = 0
    peak_memory: int = 0
    step_seconds: float = 0.0
    batch_seconds: float = 0.0
    again_seconds: float = 0.0
    batches_per_epoch: int = 0
    loss: float = float("nan")
    seconds: float = 0.0

    @property
    def epochs(self) -> float:
        """How often the stage sees all the data; 0 where it isn't known."""
        batches = self.stage.steps * self.stage.accumulate
        return batches / self.batches_per_epoch if self.batches_per_epoch else 0.0


class _Enough(Exception):
    """Enough steps were measured."""


class _OneBatch:
    """The same batch for every step; remembers when it was asked for, and ends the trial."""

    def __init__(self, batch: Batch, asks: int, needed: int, seconds: float):
        self.batch = batch
        self.asks, self.needed, self.seconds = asks, needed, seconds
        self.asked: list[float] = []

    def next(self) -> Batch:
        now = time.perf_counter()
        self.asked.append(now)
        late = len(self.asked) > self.needed and now - self.asked[0] > self.seconds
        if late or len(self.asked) > self.asks:
            raise _Enough
        return self.batch

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        raise NotImplementedError("a trial is never resumed")


def try_stage(
    recipe: Recipe,
    model: Any,
    stage: Stage,
    streams: Callable[[Stage], Stream],
    folder: Path,
    *,
    device: torch.device,
    precision: torch.dtype,
    drawn: Mapping[str, DrawnFeatures],
    keeps: bool,
    compile_blocks: bool,
    max_seconds: float,
) -> StageTrial:
    """Make the stage's first batch and train on it for a few steps.

    Args:
        recipe: for its objectives.
        model: with the stage's settings; it has other weights afterwards.
        stage: with the batch size of one process.
        streams: as ``Session.stream_for`` gives them.
        folder: a scratch folder of its own.
        device, precision: of the steps.
        drawn: features of frozen towers.
        keeps: whether what is decoded once stays in memory.
        compile_blocks: as the recipe says, for the first stage.
        max_seconds: for the steps.

    Raises:
        TrainingError: there is not enough memory.
        InterlinguaError: whatever would stop the run here.
    """
    with memory_explained(stage, device, model):
        trial, stream = _first_batch(model, stage, streams, drawn)
    # Steps enough for the trial, whose end nothing is saved at; the rates are those of the stage.
    steps = max(stage.steps, MEASURED_STEPS + 3)
    quiet = {"steps": steps, "log_every": 1, "checkpoint_every": 0, "evaluate_every": 0}
    asks = (1 + MEASURED_STEPS) * stage.accumulate
    repeated = _OneBatch(trial.batch, asks, 2 * stage.accumulate, max_seconds)
    watched = PeakMemory(device)
    trial.memory_before = watched.before
    run = RunFolder(folder)
    with shapes_of(model) as trial.outputs:
        try:
            result = fit(
                model,
                {
                    name: (use.objective.build(), use.weight)
                    for name, use in recipe.objectives.items()
                },
                (stage.model_copy(update=quiet),),
                lambda _: repeated,
                run,
                device=device,
                precision=precision,
                compile_blocks=compile_blocks,
            )
        except _Enough:
            pass
        else:  # a signal came
            raise KeyboardInterrupt(result.stopped_by)
    trial.peak_memory = watched.peak()
    optim.prepare(model, stage)  # what is trainable, without the gradients
    trial.held = held_memory(model, stage)
    trial.step_seconds = _step_seconds(repeated.asked, stage.accumulate)
    rows = [row for row in read_lines(run.metrics_path) if row.get("kind") == "train"]
    trial.loss = float(rows[0]["loss"]) if rows else float("nan")
    trial.seconds = _estimate(trial, device, ahead=isinstance(stream, Prefetched), keeps=keeps)
    return trial


def _first_batch(
    model: Any,
    stage: Stage,
    streams: Callable[[Stage], Stream],
    drawn: Mapping[str, DrawnFeatures],
) -> tuple[StageTrial, Stream]:
    give_settings(model, stage.model)
    stream = streams(stage)
    inner = stream.inner if isinstance(stream, Prefetched) else stream  # no batch ahead of it
    start, towers = inner.state(), sum(one.seconds for one in drawn.values())
    began = time.perf_counter()
    batch = inner.next()
    first = time.perf_counter() - began
    towers = sum(one.seconds for one in drawn.values()) - towers
    seen = {view: list(_seen(batch, view, drawn.get(view))) for view in batch.media}
    inner.restore(start)
    began = time.perf_counter()
    inner.next()
    again = time.perf_counter() - began
    trial = StageTrial(
        stage,
        batch,
        seen,
        {view: model.preprocess(view) for view in batch.media},
        batch_sizes(batch),
        batch_seconds=max(0.0, first - towers),
        again_seconds=again,
        batches_per_epoch=int(getattr(inner, "batches_per_epoch", 0)),
    )
    return trial, stream


def _seen(batch: Batch, view: str, drawn: DrawnFeatures | None) -> Iterator[Seen]:
    """The media of the first samples, in the order of the batch."""
    media = batch.media[view]
    for place, owner in enumerate(media.owner.tolist()):
        if owner >= SHOWN:
            continue
        if media.values is not None:
            yield Seen(owner, real_values(media.values, media.mask, place))
        elif drawn is not None:
            row = drawn.asked[place]
            yield Seen(owner, drawn.shown.get(row), drawn.parts[row])


def _step_seconds(asked: list[float], accumulate: int) -> float:
    """The median step; the first one, which allocates and compiles, is left out."""
    starts = asked[::accumulate]
    steps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    return statistics.median(steps[1:] or steps) if steps else 0.0


def _estimate(trial: StageTrial, device: torch.device, *, ahead: bool, keeps: bool) -> float:
    """Seconds of the whole stage: its first epoch decodes, later ones where nothing is kept."""
    stage = trial.stage
    batches = stage.steps * stage.accumulate
    fresh = batches if not keeps else min(batches, trial.batches_per_epoch or batches)
    make = fresh * trial.batch_seconds + (batches - fresh) * trial.again_seconds
    steps = stage.steps * trial.step_seconds
    # Batches are made beside the steps. On a CPU both want the same cores, so nothing is won.
    return max(make, steps) if ahead and device.type != "cpu" else make + steps
