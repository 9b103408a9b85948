"""The engine: what it finds on tasks of known structure, and what it does when things go wrong."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from interlingua import file_lock, fusion
from interlingua.comparison.engine import COMPARISON_FILE, compare
from interlingua.comparison.folds.opened import Folds
from interlingua.comparison.result import Comparison, read_comparison
from interlingua.comparison.rows.row import ALL
from interlingua.comparison.runs.record import RESULT_FILE, Record, read_record
from interlingua.comparison.runs.run import load_run
from interlingua.errors import CheckpointError, ConfigError, DataError, TrainingError
from interlingua.train.log import Silent

SMALL = 20_000  # parameters
BOTH = ("early", "late_average")


class Told(Silent):
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.done: list[tuple[int, int]] = []

    def work(self, what: str, done: int, total: int) -> None:
        self.done.append((done, total))


@pytest.fixture(scope="module")
def settings(small_tasks: ModuleType) -> Any:
    return small_tasks.SmallTask.Config


@pytest.fixture(scope="module")
def xor_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("xor")


@pytest.fixture(scope="module")
def xor_task(settings: Any) -> Any:
    return settings(act=True, levels=True)


@pytest.fixture(scope="module")
def xor(xor_task: Any, xor_folder: Path) -> Comparison:
    return compare(
        xor_task, fusions=BOTH, seeds=(0,), processes=2, out=xor_folder, parameters=SMALL
    )


def row(comparison: Comparison, key: str) -> Any:
    found = comparison.row(key)
    assert found is not None, key
    return found


def records(folder: Path) -> dict[str, Record]:
    found = {path.name: read_record(path) for path in sorted((folder / "runs").iterdir())}
    return {name: record for name, record in found.items() if record is not None}


def test_rows(xor: Comparison) -> None:
    assert [one.key for one in xor.rows] == [
        "early", "late_average", "only left", "only right", "early+dropout", "late_average+dropout",
    ]  # fmt: skip
    assert not xor.failed
    assert xor.task.majority == pytest.approx(xor.rows[0].empty)
    assert xor.task.chance == 0.5
    assert (xor.task.train, xor.task.test, xor.task.clusters) == (400, 120, 120)
    for one in xor.rows:
        assert abs(one.parameters.fusion - SMALL) <= 0.1 * SMALL, one.parameters


def test_only_what_interacts_solves_xor(xor: Comparison) -> None:
    early, late = row(xor, "early"), row(xor, "late_average")
    assert early.accuracy.low > 0.9
    assert late.accuracy.value < 0.8
    assert row(xor, "only left").accuracy.value < 0.65
    difference = xor.difference("early", "late_average")
    assert difference is not None and difference.low > 0.15
    turned = xor.difference("late_average", "early")
    assert turned is not None and turned.high == pytest.approx(-difference.low)
    best = xor.difference("early", xor.best_single)
    assert best is not None and best.low > 0.15


def test_presence_and_shapley_show_the_synergy(xor: Comparison) -> None:
    early = row(xor, "early")
    by_set = {tuple(one.present): one for one in early.presence}
    assert list(by_set) == [("left",), ("right",), ("left", "right")]
    assert by_set["left", "right"].accuracy == early.accuracy
    for name in ("left", "right"):
        assert by_set[name,].accuracy.value < 0.65
        assert by_set[name,].single == f"only {name}"
        assert early.shapley[name] > 0.15
    assert sum(early.shapley.values()) == pytest.approx(early.accuracy.value - early.empty)
    gain = by_set["left", "right"].against_single
    assert gain is not None and gain.low > 0.15


def test_acting_with_an_exchanged_modality_is_the_control(xor: Comparison) -> None:
    success = row(xor, "early").success
    assert success.rate.value > 0.9
    assert success.episodes == 80
    assert set(success.exchanged) == {"left", "right"}
    assert all(0.3 < one.value < 0.7 for one in success.exchanged.values())
    assert row(xor, "early+dropout").success.exchanged == {}
    difference = xor.difference("early", "late_average", "success")
    assert difference is not None and difference.low > 0.1


def test_acting_without_a_modality_is_in_the_presence_table(
    xor: Comparison, xor_folder: Path
) -> None:
    for key in ("early", "early+dropout"):
        early = row(xor, key)
        by_set = {tuple(one.present): one.success for one in early.presence}
        assert all(one is not None for one in by_set.values())
        assert by_set["left", "right"].rate == early.success.rate
        for name in ("left", "right"):
            alone = by_set[name,]
            assert alone.single == f"only {name}"
            assert alone.rate.value < 0.75
            value = alone.rate.value - row(xor, alone.single).success.rate.value
            assert alone.against_single.value == pytest.approx(value)
        total = sum(early.success.shapley.values())
        assert total == pytest.approx(early.success.rate.value - early.success.empty)
        assert 0.3 < early.success.empty < 0.7
    assert min(row(xor, "early").success.shapley.values()) > 0.1
    single = row(xor, "only left")
    assert [one.success.rate for one in single.presence] == [single.success.rate]
    assert single.success.shapley == {}
    (record,) = (one for one in records(xor_folder).values() if one.key == "early")
    assert list(record.acted) == ["present ", "present left", "present right"]


def test_what_was_measured_before_acting_without_a_modality_still_loads(
    xor: Comparison, xor_folder: Path, tmp_path: Path
) -> None:
    data = xor.to_json()
    for one in data["rows"]:
        del one["success"]["shapley"], one["success"]["empty"]
        for presence in one["presence"]:
            del presence["success"]
    (tmp_path / COMPARISON_FILE).write_text(json.dumps(data))
    old = row(read_comparison(tmp_path / COMPARISON_FILE), "early")
    assert old.success.rate == row(xor, "early").success.rate
    assert (old.success.shapley, math.isnan(old.success.empty)) == ({}, True)
    assert [one.success for one in old.presence] == [None] * 3
    run = tmp_path / "run"
    shutil.copytree(xor_folder / row(xor, "early").runs[0].folder, run)
    plain = json.loads((run / RESULT_FILE).read_text())
    del plain["acted"]
    (run / RESULT_FILE).write_text(json.dumps(plain))
    record = read_record(run)
    assert record is not None and record.acted == {} and set(record.success) > {""}


def test_robustness_falls_with_the_level(xor: Comparison) -> None:
    early, late = row(xor, "early"), row(xor, "late_average")
    curves = {one.modality: one for one in early.robustness}
    assert set(curves) == {"left", "right", ALL}
    for curve in curves.values():
        assert curve.levels == [0, 0.5, 1]
        assert curve.accuracy[0] == early.accuracy
        assert curve.accuracy[2].value < curve.accuracy[0].value - 0.1
        values = [one.value for one in curve.accuracy]
        assert curve.relative == pytest.approx(0.25 * (values[0] + 2 * values[1] + values[2]))
    assert all(one.effective == pytest.approx(0) for one in late.robustness)
    assert {one.modality for one in row(xor, "only left").robustness} == {"left"}


def test_calibration_learning_and_costs(xor: Comparison) -> None:
    for one in xor.rows:
        assert sum(each.n for each in one.calibration.bins) == 120
        assert one.calibration.nll == pytest.approx(one.nll.value)
        assert one.learning.steps[-1] == 120
        assert one.costs is not None and one.costs.times["step_seconds"] > 0
        assert one.seconds > 0
    early = row(xor, "early")
    assert early.learning.loss[-1] < 0.5 * early.learning.loss[0]


def test_json_round_trip(xor: Comparison, xor_folder: Path) -> None:
    data = json.loads(json.dumps(xor.to_json(), allow_nan=False))
    assert Comparison.from_json(data).to_json() == data
    again = read_comparison(xor_folder / COMPARISON_FILE)
    assert again.to_json() == data
    assert math.isnan(row(again, "only left").robustness[0].effective)
    assert row(again, "early") == row(xor, "early") or any(
        math.isnan(one.effective) for one in row(xor, "early").robustness
    )


def test_a_trained_model_can_be_loaded(
    xor: Comparison, xor_folder: Path, xor_task: Any, tmp_path: Path
) -> None:
    run = row(xor, "early").runs[0]
    model = load_run(xor_folder / run.folder)
    test = Folds(xor_task.build()).open(0, 0).fold.test
    chosen = model(test.batch(range(len(test)))).logits.argmax(1).numpy()
    assert (chosen == test.labels).mean() == pytest.approx(run.accuracy)
    with pytest.raises(CheckpointError):
        load_run(tmp_path)


def test_what_is_done_is_not_done_again(xor: Comparison, xor_folder: Path, xor_task: Any) -> None:
    """One record is missing: only that run is made, and everything comes out as before.

    Before, it was made by a worker; now it is made in this process: to the same bits.
    """
    times = {
        path: path.stat().st_mtime_ns for path in sorted(xor_folder.glob(f"runs/*/{RESULT_FILE}"))
    }
    before = records(xor_folder)
    lost = next(path for path in times if path.parent.name.startswith("only_left"))
    lost.unlink()
    told = Told()
    again = compare(
        xor_task, fusions=BOTH, seeds=(0,), processes=1, out=xor_folder, parameters=SMALL,
        display=told,
    )  # fmt: skip
    changed = [path for path, time in times.items() if path.stat().st_mtime_ns != time]
    assert changed == [lost]
    assert told.done[-1] == (6 * 120, 6 * 120)
    assert_same(before, records(xor_folder))
    for old, new in zip(xor.rows, again.rows, strict=True):
        assert old.accuracy == new.accuracy
        assert old.shapley == new.shapley


def assert_same(some: dict[str, Record], others: dict[str, Record]) -> None:
    assert some.keys() == others.keys()
    for name, one in some.items():
        np.testing.assert_array_equal(one.logits, others[name].logits)
        assert one.chosen.keys() == others[name].chosen.keys()
        assert one.acted.keys() == others[name].acted.keys()
        for what, rollout in one.acted.items():
            np.testing.assert_array_equal(rollout.success, others[name].acted[what].success)
        for condition, chosen in one.chosen.items():
            np.testing.assert_array_equal(chosen, others[name].chosen[condition])
        assert one.loss == others[name].loss


@pytest.mark.slow
def test_one_process_gives_what_two_give(settings: Any, tmp_path: Path) -> None:
    given = {"fusions": ("early",), "seeds": (0,), "parameters": SMALL, "dropout": "none"}
    task = settings(steps=12, folds=2, test=40, train=60)
    for processes in (1, 2):
        compare(task, processes=processes, out=tmp_path / str(processes), **given)
    one, two = records(tmp_path / "1"), records(tmp_path / "2")
    assert len(one) == 3 * 2
    assert_same(one, two)


def test_redundant_and_contradicting(settings: Any, tmp_path: Path) -> None:
    found = compare(
        settings(kind="redundant", contradicting=True, modalities=3, steps=80),
        fusions=("late_average",), seeds=(0,), processes=1, out=tmp_path, parameters=SMALL,
        dropout="none",
    )  # fmt: skip
    late = row(found, "late_average")
    assert late.accuracy.value > 0.9
    assert len(late.presence) == 7
    assert abs(late.shapley["middle"]) < 0.07 < min(late.shapley["left"], late.shapley["right"])
    (followed,) = late.followed
    assert followed.name == "left against right"
    assert followed.none.value == 0
    left, right = followed.by_modality["left"].value, followed.by_modality["right"].value
    assert left + right == pytest.approx(1)
    assert min(left, right) > 0.2
    (alone,) = row(found, "only left").followed
    assert alone.by_modality["left"].value > 0.8
    assert row(found, "only middle").followed == []
    assert "No fusion was trained with modality dropout." in found.notes
    assert any("share of things" in note for note in found.notes)
    (levels,) = {tuple(one.levels) for one in late.robustness}
    assert levels == (0, 0.25, 0.5, 0.75, 1)


def test_things_may_lack_modalities(settings: Any, tmp_path: Path) -> None:
    found = compare(
        settings(kind="redundant", spoilt="some missing", steps=40), fusions=("early",),
        seeds=(0,), processes=1, out=tmp_path, parameters=SMALL, dropout="none",
    )  # fmt: skip
    assert row(found, "early").accuracy.value > 0.8
    only = next(iter(one for name, one in records(tmp_path).items() if name.startswith("only_r")))
    assert only.train == 300  # a quarter of the training things has nothing to learn from
    np.testing.assert_array_equal(only.logits[::3], np.repeat(only.logits[:1], 40, 0))


def test_a_failing_fusion_costs_only_itself(settings: Any, tmp_path: Path) -> None:
    found = compare(
        settings(steps=4),
        fusions=("late_average", "small_tasks:Broken", "small_tasks:Unbuildable"),
        seeds=(0,), processes=1, out=tmp_path, parameters=SMALL, dropout="none",
    )  # fmt: skip
    assert [one.key for one in found.rows] == ["late_average", "only left", "only right"]
    unbuilt, broken = found.failed
    assert (unbuilt.key, unbuilt.seed) == ("Unbuildable", -1)
    assert "It takes no modalities" in unbuilt.message
    assert (broken.key, broken.fold, broken.seed) == ("Broken", 0, 0)
    assert "broken on purpose" in broken.message
    assert "Traceback" in next((tmp_path / "runs").glob("Broken-*failed.txt")).read_text()


def test_a_fusion_that_aligns_has_two_objectives(settings: Any, tmp_path: Path) -> None:
    found = compare(
        settings(kind="redundant", steps=40), fusions=("align",), seeds=(0,), processes=1,
        out=tmp_path, parameters=40_000, dropout="none",
    )  # fmt: skip
    assert not found.failed
    align = row(found, "align")
    assert align.accuracy.value > 0.9
    assert align.learning.loss[-1] < align.learning.loss[0]
    metrics = (tmp_path / align.runs[0].folder / "metrics.jsonl").read_text().splitlines()
    contrast = [json.loads(line)["parts"]["contrast/left-right"] for line in metrics]
    assert contrast[-1] < contrast[0]


@pytest.mark.slow
def test_every_fusion_goes_through(settings: Any, tmp_path: Path) -> None:
    found = compare(
        settings(modalities=3, steps=4, batch_size=16), out=tmp_path, processes=1, dropout="all"
    )
    assert not found.failed
    assert len(found.rows) == 2 * len(fusion.TABLE) + 3
    assert all(one.parameters.matched for one in found.rows)
    assert all(one.costs is not None for one in found.rows)


@pytest.mark.slow
def test_a_process_that_dies_costs_only_its_run(
    settings: Any, small_tasks: ModuleType, tmp_path: Path
) -> None:
    once = small_tasks.Dying.Config(once=str(tmp_path / "died"), num_heads=2)
    found = compare(
        settings(steps=4), fusions=("late_average", "small_tasks:Dying", once),
        seeds=(0,), processes=2, out=tmp_path / "out", parameters=SMALL, dropout="none",
    )  # fmt: skip
    assert (tmp_path / "died").exists()
    assert [one.fusion for one in found.rows].count("small_tasks:Dying") == 1, "tried again"
    assert len(found.rows) == 4
    (failed,) = found.failed
    assert failed.key == "Dying"
    assert "SIGKILL" in failed.message


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        ("one class", "one class only"),
        ("one label", "All training things are of the class 'other'"),
        ("training only", "'right' is there in training only"),
        ("test only", "'right' is there in test only"),
        ("shared", "in training and in test"),
        ("refused", "There is nothing"),
    ],
)
def test_bad_data_are_refused(settings: Any, tmp_path: Path, spoilt: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as error:
        compare(settings(spoilt=spoilt), out=tmp_path, processes=1)
    assert error.value.where
    assert not (tmp_path / COMPARISON_FILE).exists()


def test_sets_that_are_too_small_are_refused(settings: Any, tmp_path: Path) -> None:
    for small in ({"train": 4}, {"test": 3}):
        with pytest.raises(DataError, match="fewer than") as error:
            compare(settings(**small), out=tmp_path, processes=1)
        assert error.value.next_step


def test_bad_settings_are_refused(settings: Any, small_tasks: ModuleType, tmp_path: Path) -> None:
    def refused(match: str, task: Any = None, **given: Any) -> None:
        with pytest.raises(ConfigError, match=match):
            compare(task or settings(), out=tmp_path, **{"processes": 1, **given})

    refused("nothing to fuse", settings(modalities=1))
    refused("does not take without=", small_tasks.OldTask.Config(name="small_tasks:OldTask"))
    refused("Seeds", seeds=())
    refused("Seeds", seeds=(1, 1))
    refused("processes", processes=-1)
    refused("did you mean 'gated'", fusions=("gatd",))


def test_a_folder_is_used_by_one_process(settings: Any, tmp_path: Path) -> None:
    with (
        file_lock.held(tmp_path / ".lock", wait=False),
        pytest.raises(TrainingError, match="Another process"),
    ):
        compare(settings(), out=tmp_path, processes=1)
