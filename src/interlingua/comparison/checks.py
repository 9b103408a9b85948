"""Refusing a task that can't be compared on, before anything is trained."""

from __future__ import annotations

import inspect

import numpy as np

from interlingua.comparison.examples import Examples
from interlingua.comparison.task import ActingTask, Fold, FusionTask
from interlingua.errors import ConfigError, DataError

FEWEST_TRAIN, FEWEST_TEST = 10, 5  # things; below these a figure says nothing


def check_task(task: FusionTask) -> None:
    """Refuse what is no question for several modalities.

    Raises:
        ConfigError: one modality only, or one with a name that can't be a module's; an ``act``
            that can't be asked what is measured.
        DataError: one class only.
    """
    where = f"task {task.name}"
    if len(task.towers) < 2:
        raise ConfigError(
            f"There is nothing to fuse: the only modality is {', '.join(task.towers) or 'none'}.",
            where=where,
            next_step="Give the task two modalities at least.",
        )
    for name in task.towers:
        if not name or "." in name:
            raise ConfigError(f"{name!r} can't be the name of a modality.", where=where)
    if isinstance(task, ActingTask):
        known = inspect.signature(task.act).parameters
        lacking = [name for name in ("exchanged", "without") if name not in known]
        if lacking:
            raise ConfigError(
                f"The task's act() does not take {lacking[0]}=.",
                where=where,
                next_step="See interlingua.comparison.task.ActingTask.",
            )
    if len(task.classes) < 2:
        raise DataError(
            f"There is one class only: {', '.join(task.classes) or 'none'}.",
            where=where,
            next_step="Labels must have two values at least.",
        )


def check_fold(task: FusionTask, fold: Fold, number: int) -> None:
    """Refuse a fold that can't be learned from or measured on.

    Raises:
        DataError: too few things, labels of one class or of none, a modality that is there in
            training or in testing only, or a cluster that is in both.
    """
    where = f"task {task.name}, fold {number}"
    for what, examples, fewest in (
        ("training", fold.train, FEWEST_TRAIN),
        ("test", fold.test, FEWEST_TEST),
    ):
        if len(examples) < fewest:
            raise DataError(
                f"The {what} set has {len(examples)} things, fewer than {fewest}.",
                where=where,
                next_step="Give more data, or fewer folds.",
            )
        _check_labels(examples, what, len(task.classes), where)
    if len(np.unique(fold.train.labels)) < 2:
        only = task.classes[int(fold.train.labels[0])]
        raise DataError(
            f"All training things are of the class {only!r}.",
            where=where,
            next_step="Labels must have two values at least, in every fold.",
        )
    if len(np.unique(fold.test.clusters)) < 2:
        raise DataError(
            "The test things are all one cluster: no interval can be had.",
            where=where,
            next_step="Give more data, or fewer folds.",
        )
    shared = np.intersect1d(fold.train.clusters, fold.test.clusters)
    if len(shared):
        raise DataError(
            f"{len(shared)} clusters are in training and in test (the first is {shared[0]}).",
            where=where,
            next_step="Things of one cluster belong to one side.",
        )
    for name in task.towers:
        _check_modality(fold, name, where)
    for name, levels in fold.degraded.items():
        for level, worse in levels.items():
            if not np.array_equal(worse.labels, fold.test.labels) or not 0 <= level <= 1:
                raise DataError(
                    f"Level {level:g} of {name!r} is not of 0 to 1, or its things are not the "
                    "test things.",
                    where=where,
                )


def count_with(examples: Examples, modality: str) -> int:
    """How many things have a modality."""
    one = examples.modalities.get(modality)
    return 0 if one is None else int((one.variants[:, 0] >= 0).sum())


def _check_labels(examples: Examples, what: str, classes: int, where: str) -> None:
    labels = examples.labels
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(
            f"A label of the {what} set is no class: {labels.min()} to {labels.max()}, "
            f"and there are {classes} classes.",
            where=where,
        )


def _check_modality(fold: Fold, name: str, where: str) -> None:
    counts = {"training": count_with(fold.train, name), "test": count_with(fold.test, name)}
    if not any(counts.values()):
        raise DataError(
            f"Nothing has the modality {name!r}.", where=where, next_step="Leave it out."
        )
    for there, absent in (("training", "test"), ("test", "training")):
        if counts[there] and not counts[absent]:
            raise DataError(
                f"The modality {name!r} is there in {there} only: none of the {absent} things "
                "has it.",
                where=where,
                next_step="Leave it out, or split in another way.",
            )
