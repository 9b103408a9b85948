"""One method on one fold with one seed: trained with the one loop, then measured.

A finished run leaves its record and its weights; the checkpoint, which is for going on, is removed.
The folder is named after everything that decides what comes out (settings, data, budget), so that a
comparison that is started again finds what is done, and what was done under other settings is never
taken for it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError

from interlingua import __version__, durable, file_lock
from interlingua.batch import Batch
from interlingua.comparison.examples import Examples
from interlingua.comparison.folds.opened import Folds
from interlingua.comparison.methods.plan import Method
from interlingua.comparison.runs.acting import act, act_without
from interlingua.comparison.runs.answers import (
    answers,
    conditions,
    having,
    made_worse,
    prior_of,
)
from interlingua.comparison.runs.record import (
    FORMAT_VERSION,
    MODEL_FILE,
    WEIGHTS_FILE,
    Record,
    Says,
    read_record,
    write_record,
)
from interlingua.comparison.task import Fold, FusionTask
from interlingua.config import to_plain, validate
from interlingua.errors import CheckpointError, Interrupted
from interlingua.models.fused_classifier import FusedClassifier
from interlingua.objectives.classification import ClassificationObjective
from interlingua.objectives.contrastive import PairwiseContrastive
from interlingua.train import random_state
from interlingua.train.log import Display, Silent
from interlingua.train.loop import fit
from interlingua.train.run_folder import RunFolder, read_lines
from interlingua.train.run_state import unshared
from interlingua.train.stages import Stage
from interlingua.train.step import Objectives
from interlingua.train.stream import ShuffledStream

CURVE_POINTS = 40  # of the learning curve
CHECKPOINT_EVERY = 1000  # steps: what a kill can cost
CLASSES, CONTRAST = "classification", "contrast"  # names of objectives
ALIGNMENT_WEIGHT = 0.5  # of the contrastive loss of a fusion that aligns and names no other


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What is to be run: a method on a fold with a seed. Two jobs are never equal."""

    method: Method
    fold: int
    seed: int

    @property
    def name(self) -> str:
        """For folders."""
        key = re.sub(r"[^\w.=+-]+", "_", self.method.key).strip("_")
        return f"{key}-f{self.fold}-s{self.seed}"


def run_job(job: Job, folds: Folds, out: Path, display: Display | None = None) -> str:
    """Train and measure, or find that it is done; gives the folder's name.

    Raises:
        Interrupted: a signal came; the step is saved.
        InterlinguaError: what can't be done, in words.
    """
    opened = folds.open(job.fold, job.seed)
    config = job.method.model(folds.task, opened.fold)
    stage = stage_of(folds.task)
    settings = {
        "version": FORMAT_VERSION,
        "library": __version__,
        "model": to_plain(config),
        "stage": to_plain(stage),
        "smoothing": folds.task.budget.smoothing,
        "seed": job.seed,
        "fold": job.fold,
        "data": opened.digest,
    }
    mark = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
    folder = out / f"{job.name}-{mark}"
    with file_lock.held(folder / ".job", wait=True, on_wait=lambda: None):
        if read_record(folder) is None:
            model, seconds = train(job, config, stage, folds, folder, display or Silent())
            weights = safetensors.torch.save(unshared(model.state_dict()))
            durable.replace_file(folder / WEIGHTS_FILE, weights)
            write_record(folder, measure(job, model, seconds, folds, folder))
            durable.remove_folder(RunFolder(folder).checkpoints.folder)
    return folder.name


def stage_of(task: FusionTask) -> Stage:
    """The budget as a stage: the same for all methods."""
    budget = task.budget
    return Stage(
        steps=budget.steps,
        batch_size=budget.batch_size,
        learning_rate=budget.learning_rate,
        weight_decay=budget.weight_decay,
        warmup_steps=max(1, budget.steps // 20),
        log_every=max(1, budget.steps // CURVE_POINTS),
        checkpoint_every=CHECKPOINT_EVERY,
    )


def objectives_of(model: FusedClassifier, smoothing: float) -> Objectives:
    """The classes, and where the fusion aligns its vectors, their contrast."""
    classes = ClassificationObjective(ClassificationObjective.Config(smoothing=smoothing))
    objectives: dict[str, tuple[Any, float]] = {CLASSES: (classes, 1.0)}
    if model.fusion.aligns and len(model.fusion.modalities) > 1:
        weight = getattr(model.config.fusion, "alignment_weight", ALIGNMENT_WEIGHT)
        objectives[CONTRAST] = (PairwiseContrastive(PairwiseContrastive.Config()), weight)
    return objectives


def training_things(fold: Fold, modalities: tuple[str, ...]) -> Examples:
    """Those that have one of these modalities at least."""
    return fold.train.take(having(fold.train, modalities))


def stream_of(train: Examples, stage: Stage, seed: int, modalities: tuple[str, ...],
              identity: str = "") -> ShuffledStream:  # fmt: skip
    """Batches of the training things, variants drawn anew each time."""
    without = set(train.modalities) - set(modalities)

    def make(rows: list[int], random: np.random.Generator) -> Batch:
        return train.batch(rows, random, without=without)

    return ShuffledStream(len(train), stage.batch_size, make, seed=seed, identity=identity)


def train(
    job: Job,
    config: FusedClassifier.Config,
    stage: Stage,
    folds: Folds,
    folder: Path,
    display: Display,
) -> tuple[FusedClassifier, float]:
    """The trained model in eval mode, and the seconds that it took.

    Raises:
        Interrupted: a signal came.
    """
    opened = folds.open(job.fold, job.seed)
    things = training_things(opened.fold, job.method.modalities)
    run = RunFolder(folder, keep=1)
    # not sorted: the order of the modalities decides which weights are whose
    run.write_text(MODEL_FILE, json.dumps(to_plain(config), indent=1))
    with random_state.undisturbed(), one_thread():
        random_state.seed_all(job.seed)
        model: FusedClassifier = config.build()
        result = fit(
            model,
            objectives_of(model, folds.task.budget.smoothing),
            [stage],
            lambda stage: stream_of(
                things, stage, job.seed, job.method.modalities, opened.digest[:16]
            ),
            run,
            resume=bool(run.checkpoints.steps()),
            display=display,
        )
    if not result.finished:
        raise Interrupted(
            result.stopped_by or "a signal",
            where=str(folder),
            next_step="The same command goes on from here.",
        )
    return model.eval(), result.seconds


def measure(job: Job, model: FusedClassifier, seconds: float, folds: Folds, folder: Path) -> Record:
    """Everything that is asked of a trained model."""
    fold = folds.open(job.fold, job.seed).fold
    modalities = job.method.modalities
    things = training_things(fold, modalities)
    prior = prior_of(fold.train.labels, len(folds.task.classes))
    curve = [row for row in read_lines(RunFolder(folder).metrics_path) if row["kind"] == "train"]
    worse = made_worse(fold, modalities, job.fold)
    with one_thread():
        success = act(job.method, model, folds.task, job.seed)
        return Record(
            key=job.method.key,
            fold=job.fold,
            seed=job.seed,
            modalities=list(modalities),
            seconds=seconds,
            train=len(things),
            steps=[row["step"] for row in curve],
            loss=[_loss_of(row["parts"]) for row in curve],
            majority=int(prior.argmax()),
            labels=fold.test.labels,
            clusters=fold.test.clusters,
            logits=answers(model, fold.test, prior),
            chosen={
                name: answers(model, examples, prior, present).argmax(1)
                for name, examples, present in conditions(fold, modalities, worse)
            },
            levels={name: list(levels) for name, levels in worse.items()},
            says={
                name: Says(one.examples.clusters, dict(one.says))
                for name, one in fold.contradictions.items()
                if set(one.says) & set(modalities)
            },
            success=success,
            acted=act_without(job.method, model, folds.task, job.seed, prior) if success else {},
        )


def _loss_of(parts: Mapping[str, float]) -> float:
    """The cross entropy of the classes; with several objectives, parts have their names before."""
    return parts["classes"] if "classes" in parts else parts[f"{CLASSES}/classes"]


def load_run(folder: Path) -> FusedClassifier:
    """The trained model of a finished run's folder, in eval mode.

    Raises:
        CheckpointError: it has no weights or settings of a model, or they don't fit each other.
    """
    try:
        data = json.loads((folder / MODEL_FILE).read_bytes())
        tensors = safetensors.torch.load((folder / WEIGHTS_FILE).read_bytes())
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            "There is no trained model here, or it is damaged.",
            where=str(folder),
            next_step="Start the comparison again: it makes what is missing.",
        ) from error
    config = validate(FusedClassifier.Config, data, str(folder / MODEL_FILE))
    with torch.random.fork_rng(devices=[]):
        model: FusedClassifier = config.build()
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(
            "The weights are not those of this model.", where=str(folder)
        ) from error
    return model.eval()


@contextmanager
def one_thread() -> Iterator[None]:
    """The models are small: a second thread costs more than it brings, and changes last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
