"""One run: what names it, what is asked of its model, what is kept of it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from interlingua.comparison.folds.digest import fold_digest
from interlingua.comparison.folds.opened import Folds
from interlingua.comparison.methods.plan import plan
from interlingua.comparison.rows.row import ALL
from interlingua.comparison.runs.answers import (
    answers,
    conditions,
    exchanged_levels,
    made_worse,
    prior_of,
)
from interlingua.comparison.runs.record import ARRAYS_FILE, read_record
from interlingua.comparison.runs.run import Job, run_job


@pytest.fixture
def task(small_tasks: ModuleType) -> Any:
    return small_tasks.SmallTask(small_tasks.SmallTask.Config(steps=3, train=40, test=24))


def test_the_prior_answers_where_nothing_is_there(task: Any) -> None:
    prior = prior_of(np.array([1, 1, 1, 0]), 3)
    np.testing.assert_allclose(np.exp(prior), [2 / 7, 4 / 7, 1 / 7], rtol=1e-6)
    fold = task.fold(0, 0)
    fold.test.modalities["left"].variants[:5] = -1
    model = plan(task, ("late_average",), (0,)).methods[0].model(task, fold).build().eval()
    prior = prior_of(fold.train.labels, 2)
    logits = answers(model, fold.test, prior, present=("left",))
    np.testing.assert_array_equal(logits[:5], np.repeat(prior[None], 5, 0))
    assert (logits[5:] != prior).all()
    whole = answers(model, fold.test, prior)
    assert (whole[:5] != prior).all(), "the right side is there"


def test_a_taken_modality_changes_nothing_any_more(task: Any) -> None:
    fold = task.fold(0, 0)
    model = plan(task, ("early",), (0,)).methods[0].model(task, fold).build().eval()
    prior = prior_of(fold.train.labels, 2)
    other = fold.test.exchanged("right", np.roll(np.arange(24), 1))
    for present, same in ((("left",), True), (("left", "right"), False)):
        one, two = (answers(model, things, prior, present) for things in (fold.test, other))
        assert np.allclose(one, two) == same


def test_a_growing_share_gets_the_modality_of_another_thing(task: Any) -> None:
    test = task.fold(0, 0).test
    levels = exchanged_levels(test, 0)["left"]
    own = test.modalities["left"].variants[:, 0]
    before = np.zeros(len(own), bool)
    for level, examples in levels.items():
        rows = examples.modalities["left"].variants[:, 0]
        moved = rows != own
        assert moved.sum() == round(level * len(own))
        assert (before <= moved).all(), "who has another's at one level has at the next"
        assert sorted(rows) == sorted(own)
        np.testing.assert_array_equal(examples.modalities["right"].variants[:, 0], own)
        before = moved


def test_what_is_measured(small_tasks: ModuleType) -> None:
    config = small_tasks.SmallTask.Config(levels=True, contradicting=True, modalities=3)
    fold = small_tasks.SmallTask(config).fold(0, 0)
    modalities = ("left", "right", "middle")
    worse = made_worse(fold, modalities)
    assert list(worse) == [*modalities, ALL]
    everything = worse[ALL][0.5]
    for name in modalities:
        assert everything.modalities[name] is fold.degraded[name][0.5].modalities[name]
    names = [name for name, _, _ in conditions(fold, modalities, worse)]
    assert names[:6] == [
        "present left", "present right", "present middle", "present left+right",
        "present left+middle", "present right+middle",
    ]  # fmt: skip
    assert names[6:8] == ["level left 0.5", "level left 1"]
    assert names[-1] == "contradiction left against right"
    alone = made_worse(fold, ("middle",))
    assert [name for name, _, _ in conditions(fold, ("middle",), alone)] == [
        "level middle 0.5", "level middle 1",
    ]  # fmt: skip


def test_other_data_have_another_name(task: Any) -> None:
    digest = fold_digest(task.fold(0, 0))
    assert fold_digest(task.fold(0, 0)) == digest
    assert fold_digest(task.fold(0, 1)) != digest
    for change in ("labels", "values", "variants"):
        fold = task.fold(0, 0)
        if change == "labels":
            fold.test.labels[0] = 1 - fold.test.labels[0]
        elif change == "values":
            fold.train.modalities["left"].values[0, 0] += 1e-3
        else:
            fold.train.modalities["left"].variants[0] = -1
        assert fold_digest(fold) != digest, change
    low = task.fold(0, 0)
    low.train.modalities["left"].values = low.train.modalities["left"].values.to(torch.bfloat16)
    assert fold_digest(low) != digest


def test_other_settings_have_another_folder(
    task: Any, small_tasks: ModuleType, tmp_path: Path
) -> None:
    method = plan(task, ("late_average",), (0,)).methods[0]
    longer = small_tasks.SmallTask(task.config.model_copy(update={"steps": 4}))
    names = [
        run_job(Job(method, 0, 0), Folds(task), tmp_path),
        run_job(Job(method, 0, 1), Folds(task), tmp_path),
        run_job(Job(method, 0, 0), Folds(longer), tmp_path),
    ]
    assert [name.rpartition("-")[0] for name in names] == [
        "late_average-f0-s0", "late_average-f0-s1", "late_average-f0-s0",
    ]  # fmt: skip
    assert len(set(names)) == 3
    assert run_job(Job(method, 0, 0), Folds(task), tmp_path) == names[0]


def test_a_damaged_record_is_none(task: Any, tmp_path: Path) -> None:
    method = plan(task, ("late_average",), (0,)).methods[0]
    folder = tmp_path / run_job(Job(method, 0, 0), Folds(task), tmp_path)
    record = read_record(folder)
    assert record is not None and record.train == 40
    assert not (folder / "steps").exists()
    data = bytearray((folder / ARRAYS_FILE).read_bytes())
    data[-1] ^= 1
    (folder / ARRAYS_FILE).write_bytes(data)
    assert read_record(folder) is None
    assert run_job(Job(method, 0, 0), Folds(task), tmp_path) == folder.name
    again = read_record(folder)
    assert again is not None
    np.testing.assert_array_equal(again.logits, record.logits)
    assert read_record(tmp_path) is None
