"""Gloo processes on loopback train what one trains: DDP and FSDP2, saved, resumed, disturbed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from interlingua.train.checkpoint import Checkpoint, CheckpointStore
from interlingua.train.run_folder import read_lines
from tests.train.many_processes import Server

BLIND = list(range(14))  # most things have no picture: some shares of a batch see none at all

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    started = Server()
    yield started
    started.close()


@pytest.fixture
def run(server: Server, tmp_path: Path) -> Run:
    """Trains in a folder of tmp_path; a run that isn't to fail must end well in all processes."""

    def train(folder: str, fails: bool = False, **request: Any) -> dict[str, Any]:
        answer = server(tmp_path / folder, **request)
        assert fails or set(answer["statuses"]) == {0}, answer
        return answer

    return train


def stages(**changes: Any) -> list[dict[str, Any]]:
    """Epsilon: the gradient of a key's bias is 0 but for rounding, which AdamW would blow up."""
    plan = {"steps": 3, "batch_size": 9, "log_every": 1, "learning_rate": 1e-2, "epsilon": 1e-3}
    return [{**plan, **changes}]


def checkpoint(folder: Path, step: int | None = None) -> Checkpoint:
    return CheckpointStore(folder / "run" / "steps").load(step)


def rows(folder: Path, kind: str = "train") -> list[dict[str, Any]]:
    return [row for row in read_lines(folder / "run" / "metrics.jsonl") if row["kind"] == kind]


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in rows(folder)]


def gradients(folder: Path) -> dict[str, Tensor]:
    """Of a run of one step: AdamW keeps a tenth of them."""
    state = checkpoint(folder).tensors["optimizer"]
    return {name: value * 10 for name, value in state.items() if name.endswith(":exp_avg")}


def assert_close(
    first: Mapping[str, Tensor], second: Mapping[str, Tensor], tolerance: float
) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        scale = max(1.0, float(value.abs().max()))
        assert float((value - second[name]).abs().max()) <= tolerance * scale, name


SETTINGS: dict[str, dict[str, Any]] = {
    "info_nce": {},
    "sigmoid": {"objectives": ["sigmoid_contrastive"], "blind": [1, 5, 9]},
    "a share without pictures": {"blind": BLIND},
    "accumulated": {"stages": {"accumulate": 3}, "blind": [0, 3, 4]},
    "counted": {"objectives": ["counting"], "blind": BLIND, "stages": {"accumulate": 2}},
    "two objectives": {"objectives": ["pairwise_contrastive", "counting"], "blind": BLIND},
    "micro-batches": {"stages": {"micro_batch": 2}, "blind": [1, 2, 3, 4, 5, 6]},
}


SLOW_SETTINGS = {"accumulated", "two objectives"}


@pytest.mark.parametrize(
    "setting",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW_SETTINGS else [])
        for name in SETTINGS
    ],
)
def test_two_processes_are_one(run: Run, tmp_path: Path, setting: str) -> None:
    """Loss and every gradient, for both ways to spread the model."""
    request = {**SETTINGS[setting]}
    request["stages"] = stages(steps=1, clip_norm=0, **request.pop("stages", {}))
    run("one", **request)
    for distributed in ("ddp", "fsdp2"):
        run(distributed, world=2, distributed=distributed, **request)
        [one], [two] = rows(tmp_path / "one"), rows(tmp_path / distributed)
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
        assert two["parts"] == pytest.approx(one["parts"], rel=1e-5)
        assert two["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-5)
        assert_close(gradients(tmp_path / "one"), gradients(tmp_path / distributed), 1e-5)
        assert (
            checkpoint(tmp_path / "one").state["stream"]
            == (checkpoint(tmp_path / distributed).state["stream"])
        )


@pytest.mark.slow
def test_three_uneven_processes_train_like_one(run: Run, tmp_path: Path) -> None:
    """Batches of 8 and 7 samples in three shares, stages of their own, an average kept."""
    plan = [
        *stages(name="text", steps=3, batch_size=8, trainable=[["towers.text.*", 1.0]], ema=0.9),
        *stages(name="all", steps=4, batch_size=8, ema=0.5, evaluate_every=2, clip_norm=0.5),
    ]
    run("one", stages=plan)
    for distributed in ("ddp", "fsdp2"):
        run(distributed, world=3, distributed=distributed, stages=plan)
        assert losses(tmp_path / distributed) == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
        one, three = checkpoint(tmp_path / "one"), checkpoint(tmp_path / distributed)
        assert set(three.tensors) >= {"model", "optimizer", "ema"}
        for group in ("model", "ema"):
            assert_close(one.tensors[group], three.tensors[group], 1e-4)
        figures = [row["figures"]["sum"] for row in rows(tmp_path / "one", "evaluation")]
        found = [row["figures"]["sum"] for row in rows(tmp_path / distributed, "evaluation")]
        assert found == pytest.approx(figures, abs=1e-4)


def test_the_files_of_a_sharded_checkpoint(run: Run, tmp_path: Path) -> None:
    run("two", world=2, distributed="fsdp2", stages=stages(ema=0.9))
    step = tmp_path / "two" / "run" / "steps" / "step-00000003"
    assert sorted(path.name for path in step.iterdir()) == [
        "ema-00001-of-00002.safetensors",
        "ema-00002-of-00002.safetensors",
        "ema.index.json",
        "manifest.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.index.json",
        "optimizer-00001-of-00002.safetensors",
        "optimizer-00002-of-00002.safetensors",
        "optimizer.index.json",
        "random-00001-of-00002.safetensors",
        "random-00002-of-00002.safetensors",
        "state.json",
    ]
    sizes = [(step / f"model-0000{n}-of-00002.safetensors").stat().st_size for n in (1, 2)]
    assert sizes[1] > 0.8 * sizes[0], "each process writes its half"


PATHS = [
    ((2, "ddp"), (1, "ddp")),
    ((1, "ddp"), (2, "ddp")),
    ((2, "fsdp2"), (1, "ddp")),
    ((1, "ddp"), (2, "fsdp2")),
    pytest.param((2, "fsdp2"), (3, "fsdp2"), marks=pytest.mark.slow),
    pytest.param((2, "fsdp2"), (2, "ddp"), marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("first", "second"), PATHS, ids=str)
def test_a_run_goes_on_with_another_number_of_processes(
    run: Run, tmp_path: Path, first: tuple[int, str], second: tuple[int, str]
) -> None:
    """Stopped within an epoch: the same batches follow, and the losses are the unbroken run's."""
    plan = {"stages": stages(steps=8, batch_size=5, checkpoint_every=3, ema=0.8)}
    run("whole", **plan)
    fault = {"rank": 0, "how": "terminate", "step": 3}
    run("broken", world=first[0], distributed=first[1], fault=fault, **plan)
    stopped = checkpoint(tmp_path / "broken").step
    assert stopped < 8
    run("broken", world=second[0], distributed=second[1], resume=True, **plan)
    assert len(losses(tmp_path / "broken")) == 8
    assert losses(tmp_path / "broken") == pytest.approx(losses(tmp_path / "whole"), rel=1e-5)
    one, other = checkpoint(tmp_path / "whole"), checkpoint(tmp_path / "broken")
    assert one.state["stream"] == other.state["stream"]
    assert_close(one.tensors["model"], other.tensors["model"], 1e-4)
    assert_close(one.tensors["ema"], other.tensors["ema"], 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("distributed", ["ddp", "fsdp2"])
def test_the_same_processes_go_on_bit_for_bit(run: Run, tmp_path: Path, distributed: str) -> None:
    plan = {"stages": stages(steps=6, batch_size=6, checkpoint_every=2, ema=0.8), "world": 2}
    run("whole", distributed=distributed, **plan)
    fault = {"rank": 1, "how": "error", "step": 4}
    run("broken", distributed=distributed, fault=fault, fails=True, **plan)
    assert checkpoint(tmp_path / "broken").step == 2
    run("broken", distributed=distributed, resume=True, **plan)
    one, other = checkpoint(tmp_path / "whole"), checkpoint(tmp_path / "broken")
    assert one.digests == other.digests
    assert losses(tmp_path / "whole") == losses(tmp_path / "broken")


# -- when something happens to one of them ------------------------------------------------------


@pytest.mark.parametrize(
    ("distributed", "victim"),
    [
        ("ddp", 1),
        ("fsdp2", 0),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in (("ddp", 0), ("fsdp2", 1))),
    ],
)
def test_a_killed_process_ends_the_other_which_names_it(
    run: Run, tmp_path: Path, distributed: str, victim: int
) -> None:
    fault = {"rank": victim, "how": "kill", "step": 3}
    answer = run(
        "killed", world=2, distributed=distributed, fault=fault, fails=True, timeout=8,
        stages=stages(steps=50, checkpoint_every=1),
    )  # fmt: skip
    assert answer["seconds"] < 8
    assert answer["statuses"][victim] == -9
    assert answer["statuses"][1 - victim] == 70
    message = answer["messages"][1 - victim]
    assert message.startswith("TrainingError: Training ends in all processes: ")
    assert f"rank {victim} (" in message
    assert f"process {answer['pids'][victim]})" in message
    assert "is gone" in message
    assert "--resume" in message
    assert checkpoint(tmp_path / "killed").step == 2


def test_a_frozen_process_is_named_within_the_timeout(run: Run) -> None:
    fault = {"rank": 1, "how": "freeze", "step": 2}
    answer = run("frozen", world=2, fault=fault, fails=True, timeout=3, stages=stages(steps=50))
    assert answer["seconds"] < 10
    assert answer["statuses"][0] == 70
    assert "rank 1 (" in answer["messages"][0]
    assert "is gone at step 2" in answer["messages"][0]


@pytest.mark.slow
def test_a_process_that_waits_for_its_data_is_called_stuck(run: Run) -> None:
    fault = {"rank": 1, "how": "sleep", "step": 2}
    answer = run(
        "stuck", world=2, fault=fault, fails=True, timeout=3, stages=stages(steps=50), limit=10
    )
    assert answer["statuses"][0] == 70
    assert "rank 1 (" in answer["messages"][0]
    assert "is stuck at step 2" in answer["messages"][0]


def test_an_error_in_one_process_is_told_by_the_others(run: Run) -> None:
    fault = {"rank": 1, "how": "error", "step": 2}
    answer = run("error", world=2, fault=fault, fails=True, timeout=10, stages=stages(steps=50))
    assert answer["seconds"] < 9
    assert answer["messages"][1] == "ValueError: a bug in one process"
    assert "rank 1 ended with ValueError" in answer["messages"][0]


def test_a_signal_to_one_process_stops_all_at_one_step(run: Run, tmp_path: Path) -> None:
    fault = {"rank": 1, "how": "terminate", "step": 2}
    run("stopped", world=2, fault=fault, stages=stages(steps=50))
    step, finished = json.loads((tmp_path / "stopped" / "result.json").read_text())
    assert (step, finished) == (2, False)
    assert checkpoint(tmp_path / "stopped").step == 2


@pytest.mark.parametrize("distributed", ["ddp", "fsdp2"])
def test_what_is_not_finite_in_one_process_is_skipped_in_all(
    run: Run, tmp_path: Path, distributed: str
) -> None:
    fault = {"rank": 1, "how": "nan", "step": 2}
    plan = stages(steps=4, checkpoint_every=1)
    run("nan", world=2, distributed=distributed, fault=fault, stages=plan)
    [error] = read_lines(tmp_path / "nan" / "run" / "errors.jsonl")
    assert error["step"] == 2
    assert len(error["keys"]) == 8, "of both processes"
    before, after = checkpoint(tmp_path / "nan", 2), checkpoint(tmp_path / "nan", 3)
    assert [row["skipped_steps"] for row in rows(tmp_path / "nan")] == [0, 1, 1, 1]
    assert all(value.isfinite().all() for value in after.tensors["model"].values())
    assert not torch.equal(
        before.tensors["model"]["log_scale"], after.tensors["model"]["log_scale"]
    )


def test_a_batch_smaller_than_the_number_of_processes_is_refused(run: Run) -> None:
    answer = run("small", world=3, fails=True, stages=stages(batch_size=2))
    assert set(answer["statuses"]) == {70}
    assert any("A batch of 2 samples has none" in message for message in answer["messages"])


def test_a_folder_that_holds_a_run_is_refused_by_all(run: Run) -> None:
    run("twice", world=2, stages=stages())
    answer = run("twice", world=2, fails=True, stages=stages())
    assert set(answer["statuses"]) == {70}
    assert all("already holds a run" in message for message in answer["messages"])


@pytest.mark.slow
def test_bf16_runs_in_both(run: Run, tmp_path: Path) -> None:
    run("one", precision="bfloat16", stages=stages())
    for distributed in ("ddp", "fsdp2"):
        run(distributed, world=2, distributed=distributed, precision="bfloat16", stages=stages())
        assert losses(tmp_path / distributed) == pytest.approx(losses(tmp_path / "one"), rel=0.1)
        model = checkpoint(tmp_path / distributed).tensors["model"]
        assert {value.dtype for value in model.values()} == {torch.float32}
