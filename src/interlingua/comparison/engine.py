"""``compare``: all fusions on one task with one budget, from settings to figures.

Folder: ``comparison.json`` and, for each run, ``runs/<method>-f<fold>-s<seed>-<mark>/`` with
checkpoint and record. What is finished there is not done again.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from interlingua import durable, file_lock, fusion
from interlingua.comparison.checks import check_task
from interlingua.comparison.folds.opened import Folds
from interlingua.comparison.methods.cost import MEASURED, measure_costs
from interlingua.comparison.methods.plan import Dropout, Method, Plan, plan
from interlingua.comparison.result import Comparison, FailedRun, TaskFacts
from interlingua.comparison.rows.details import best_single, differences, fill_details
from interlingua.comparison.rows.from_runs import majority, row_of
from interlingua.comparison.rows.pooled import Pooled
from interlingua.comparison.runs.pool import Outcomes, run_all
from interlingua.comparison.runs.record import Record, read_record
from interlingua.comparison.runs.run import Job
from interlingua.comparison.task import FusionTask
from interlingua.config import NamedConfig, to_plain
from interlingua.errors import ConfigError, TrainingError
from interlingua.fusion.fusion import FusionConfig
from interlingua.train.log import Display, Silent

COMPARISON_FILE, RUNS_FOLDER = "comparison.json", "runs"

HOW = {
    "accuracy": "Share of right answers on test things, pooled over folds and seeds; 95 % interval "
    "from resampling clusters of things (1000 times).",
    "difference": "On the same things, paired; 95 % interval from resampling clusters of things.",
    "success": "Share of episodes that reach the goal; interval from resampling episodes. "
    "Exchanged: that modality comes from another episode.",
    "calibration": "Expected calibration error with 15 bins of equal width; no temperature fitted.",
    "nll": "Mean negative log-likelihood of the true class, in nats.",
    "presence": "The same model, tested with only these modalities there; where it acts, also in "
    "the same episodes.",
    "shapley": "Mean gain in accuracy of a modality over all orders in which they can come, from "
    "the presence table; nothing present counts as always answering the commonest class. "
    "Of success in the same way; nothing present counts as always doing the commonest action.",
    "relative": "Area under accuracy over the level (MultiBench).",
    "effective": "Sum over levels 0, 0.1, ... of accuracy minus late averaging's, moved to the "
    "same start (MultiBench).",
    "learning": "Cross entropy of the training batch at that step, mean over the runs.",
    "seconds": "Training alone, wall clock, as many runs at a time as there were processes.",
    "parameters": "Matched: those of fusion and head; towers are the same for all.",
    **MEASURED,
}


@dataclass(slots=True)
class _Asked:
    """What one call of ``compare`` was asked."""

    settings: NamedConfig
    task: FusionTask
    folds: Folds
    seeds: tuple[int, ...]
    processes: int
    out: Path
    display: Display


def compare(
    settings: NamedConfig,
    *,
    out: Path,
    fusions: Sequence[str | FusionConfig] = (),
    seeds: Sequence[int] = (0,),
    processes: int = 0,
    display: Display | None = None,
    dropout: Dropout = "some",
    parameters: int | None = None,
) -> Comparison:
    """Train and measure every method on a task; the result is also in ``comparison.json``.

    Args:
        settings: of the task, from ``comparison.tasks``.
        out: the folder; what is finished there is not done again.
        fusions: names or settings; none named = all of them.
        seeds: one run for each, method and fold.
        processes: runs at a time, one thread each; 0 = one for each processor, 1 = in this
            process. Called from a script with more than one, the script needs the guard ``if
            __name__ == "__main__"``.
        display: is told of the progress.
        dropout: which fusions are trained with modality dropout too: ``all`` for every seed,
            ``some`` for the first seed, or ``none``.
        parameters: of fusion and head of every method; by default what late averaging has.

    Raises:
        ConfigError, DataError: the task or a setting is of no use; see the messages.
        TrainingError: no run gave anything, or another process works in the folder.
        Interrupted: a signal came; what is done stays.
    """
    began = time.monotonic()
    chosen = tuple(seeds)
    if not chosen or len(set(chosen)) != len(chosen):
        raise ConfigError(
            "Seeds must be different numbers, one at least.", where=f"seeds {list(chosen)}"
        )
    if processes < 0:
        raise ConfigError(f"There can't be {processes} processes.", where="processes")
    task: FusionTask = settings.build()
    check_task(task)
    shown = display or Silent()
    with file_lock.held(out / ".lock", wait=False) as free:
        if not free:
            raise TrainingError(
                "Another process compares in this folder.",
                where=str(out),
                next_step="Wait for it, or give another --out.",
            )
        count = processes or os.cpu_count() or 1
        asked = _Asked(settings, task, Folds(task), chosen, count, out, shown)
        comparison = _compare(asked, tuple(fusions) or tuple(fusion.TABLE), dropout, parameters)
        comparison.seconds = time.monotonic() - began
        durable.replace_file(out / COMPARISON_FILE, durable.to_json(comparison.to_json()))
    return comparison


def _compare(
    asked: _Asked,
    fusions: Sequence[str | FusionConfig],
    dropout: Dropout,
    parameters: int | None,
) -> Comparison:
    asked.folds.open(0, asked.seeds[0])  # data that are of no use are told of before any work
    made = plan(asked.task, fusions, asked.seeds, dropout, parameters)
    outcomes = _run(asked, made.methods)
    pooled = _pooled(asked, outcomes)
    if not pooled:
        reasons = [*made.failed.values(), *outcomes.failed.values()]
        raise TrainingError(
            "No run gave anything. The first one: " + (reasons or ["there was none"])[0],
            where=str(asked.out),
        )
    asked.display.note("Measuring floating point operations, seconds and memory ...")
    methods = [one for one in made.methods if one.key in pooled]
    costs = measure_costs(methods, asked.folds, asked.seeds[0])
    folders: dict[str, dict[tuple[int, int], str]] = {}
    for job, folder in outcomes.folders.items():
        by_unit = folders.setdefault(job.method.key, {})
        by_unit[job.seed, job.fold] = f"{RUNS_FOLDER}/{folder}"
    rows = [
        row_of(
            one,
            pooled[one.key],
            folders[one.key],
            costs.get(one.key.removesuffix("+dropout")),
        )
        for one in methods
    ]
    fill_details(rows, pooled)
    return Comparison(
        task=_facts(asked, pooled),
        rows=rows,
        differences=differences(rows, pooled),
        best_single=best_single(rows),
        failed=_failed(made, outcomes),
        measured=dict(HOW),
        notes=[*made.notes, *_notes(asked, dropout)],
        machine=_machine(asked),
        seconds=0.0,
    )


def _run(asked: _Asked, methods: Sequence[Method]) -> Outcomes:
    """All runs, those of one fold one after another."""
    jobs = [
        Job(method, fold, seed)
        for seed in asked.seeds
        for fold in range(asked.task.folds)
        for method in methods
        if seed in method.seeds
    ]
    what = f"{len(jobs)} runs, steps"
    return run_all(
        jobs,
        asked.task.budget.steps,
        asked.settings,
        asked.folds,
        asked.out / RUNS_FOLDER,
        asked.processes,
        lambda done, total: asked.display.work(what, done, total),
    )


def _pooled(asked: _Asked, outcomes: Outcomes) -> dict[str, Pooled]:
    """By key, the records of finished runs."""
    records: dict[str, list[Record]] = {}
    for job, folder in outcomes.folders.items():
        record = read_record(asked.out / RUNS_FOLDER / folder)
        if record is None:
            outcomes.failed[job] = f"Its record can't be read: {folder}."
        else:
            records.setdefault(job.method.key, []).append(record)
    return {key: Pooled.of(some) for key, some in records.items()}


def _failed(made: Plan, outcomes: Outcomes) -> list[FailedRun]:
    unbuilt = [FailedRun(key, -1, -1, message) for key, message in made.failed.items()]
    return unbuilt + [
        FailedRun(job.method.key, job.fold, job.seed, message)
        for job, message in outcomes.failed.items()
    ]


def _facts(asked: _Asked, pooled: dict[str, Pooled]) -> TaskFacts:
    task = asked.task
    fullest = max(pooled.values(), key=lambda one: len(one.records))
    records = list(fullest.records.values())
    return TaskFacts(
        name=task.name,
        title=task.title,
        classes=list(task.classes),
        modalities=list(task.towers),
        towers={
            name: f"{use.tower.name}, {'frozen' if use.frozen else 'trained'}"
            for name, use in task.towers.items()
        },
        train=float(np.mean([one.train for one in records])),
        test=float(np.mean([len(one.labels) for one in records])),
        clusters=len(np.unique(fullest.clusters())),
        folds=task.folds,
        seeds=list(asked.seeds),
        chance=1 / len(task.classes),
        majority=float(fullest.values(majority).mean()),
        settings=to_plain(asked.settings),
        budget={name: float(value) for name, value in asdict(task.budget).items()},
        notes=list(task.notes),
    )


def _notes(asked: _Asked, dropout: Dropout) -> list[str]:
    """What the reader must know of how it was compared."""
    notes = []
    if dropout == "some" and len(asked.seeds) > 1:
        notes.append(
            f"With modality dropout, fusions were trained for the seed {asked.seeds[0]} only."
        )
    if dropout == "none":
        notes.append("No fusion was trained with modality dropout.")
    if not asked.folds.open(0, asked.seeds[0]).fold.degraded:
        notes.append(
            "The task gives no test things that were made worse: a level is the share of things "
            "that get this modality of another thing."
        )
    notes.append(
        "Single modalities are late averaging over one modality, with the same number of "
        "parameters as the fusions."
    )
    return notes


def _machine(asked: _Asked) -> dict[str, str]:
    return {
        "processor": platform.processor() or platform.machine(),
        "processors": str(os.cpu_count()),
        "system": platform.platform(),
        "torch": torch.__version__,
        "processes": str(asked.processes),
        "threads": "1 for each run",
        "precision": "float32",
    }
