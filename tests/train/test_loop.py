"""The loop on a tiny real model: exact resume, the guard, stages, signals, what it writes."""

from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from interlingua.errors import CheckpointError, ConfigError, TrainingError
from interlingua.objectives.objective import Loss
from interlingua.train.checkpoint import CheckpointStore
from interlingua.train.loop import fit
from interlingua.train.not_finite import spoiled
from interlingua.train.run_folder import RunFolder, read_lines
from interlingua.train.stages import Stage
from interlingua.train.stream import Stream

MakeFolder = Callable[[str], Path]


class Stop(Exception):
    """Ends a run at once, as a crash does, without a last checkpoint."""


class StopsAt:
    """A stream that fails when it is asked for one batch too many."""

    def __init__(self, inner: Stream, batches: int):
        self.inner = inner
        self.left = batches
        self.state, self.restore = inner.state, inner.restore

    def next(self) -> Any:
        if not self.left:
            raise Stop
        self.left -= 1
        return self.inner.next()


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def metrics(folder: Path, kind: str = "train") -> list[dict[str, Any]]:
    timing = {"seconds", "rate", "peak_memory"}
    return [
        {key: value for key, value in row.items() if key not in timing}
        for row in read_lines(folder / "run" / "metrics.jsonl")
        if row["kind"] == kind
    ]


def test_resumed_after_each_step_it_ends_with_the_same_bits(
    tiny: ModuleType, tiny_folder: MakeFolder
) -> None:
    model, result = tiny.train(tiny_folder("whole"))
    assert result.finished
    assert result.step == 11
    for batches in (0, 1, 3, 5):
        folder = tiny_folder(f"broken{batches}")

        def stopping(features: Any, stage: Stage, left: int = batches) -> StopsAt:
            return StopsAt(tiny.batches(features, stage), left)

        with pytest.raises(Stop):
            tiny.train(folder, make_stream=stopping)
        resumed, result = tiny.train(folder, resume=True)
        assert result.finished
        assert_equal(weights(model), weights(resumed))
        assert metrics(folder) == metrics(folder.parent / "whole")
        assert metrics(folder, "evaluation") == metrics(folder.parent / "whole", "evaluation")


def test_loss_falls_and_rows_are_complete(tiny: ModuleType, tiny_folder: MakeFolder) -> None:
    folder = tiny_folder("longer")
    stage = Stage(steps=120, batch_size=18, learning_rate=1e-2, log_every=1)
    tiny.train(folder, stages=[stage])
    rows = read_lines(folder / "run" / "metrics.jsonl")
    losses = [row["loss"] for row in rows if row["kind"] == "train"]
    assert len(losses) == 120
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
    assert rows[0].keys() == {
        "kind", "step", "stage", "loss", "parts", "learning_rate", "grad_norm",
        "skipped_steps", "rate", "seconds", "peak_memory",
    }  # fmt: skip
    assert rows[0]["parts"].keys() == {"image-sound"}
    assert rows[0]["peak_memory"] > 1e6
    assert rows[-1]["kind"] == "evaluation"
    assert rows[-1]["last"]


def test_damaged_newest_checkpoint(
    tiny: ModuleType, tiny_folder: MakeFolder, outcome_of: Callable[[Path], Any]
) -> None:
    """The run goes on from the one before, says so, and ends with the same bits."""
    whole, folder = tiny_folder("whole"), tiny_folder("damaged")
    model, _ = tiny.train(whole)
    tiny.train(folder)
    newest = folder / "run" / "steps" / "step-00000011"
    data = bytearray((newest / "model.safetensors").read_bytes())
    data[len(data) // 2] ^= 1
    (newest / "model.safetensors").write_bytes(data)
    notes: list[str] = []

    class Notes(tiny_display()):
        def note(self, message: str) -> None:
            notes.append(message)

    resumed, result = tiny.train(folder, resume=True, display=Notes())
    assert result.finished
    assert_equal(weights(model), weights(resumed))
    assert outcome_of(folder) == outcome_of(whole)
    assert any("model.safetensors has other bytes" in note for note in notes)
    assert any("last good one, step 9" in note for note in notes)
    assert len(list((folder / "run" / "steps").glob("damaged-step-00000011-*"))) == 1


def tiny_display() -> type:
    from interlingua.train.log import Silent

    return Silent


def test_a_finished_run_stays_as_it_is(tiny: ModuleType, tiny_folder: MakeFolder) -> None:
    folder = tiny_folder("done")
    model, first = tiny.train(folder)
    before = (folder / "run" / "metrics.jsonl").read_bytes()
    again, second = tiny.train(folder, resume=True)
    assert_equal(weights(model), weights(again))
    assert second.finished
    assert second.figures == first.figures
    assert [row["step"] for row in read_lines(folder / "run" / "metrics.jsonl")] == [
        json.loads(line)["step"] for line in before.splitlines()
    ]


def test_a_folder_that_holds_a_run_is_not_overwritten(
    tiny: ModuleType, tiny_folder: MakeFolder
) -> None:
    folder = tiny_folder("twice")
    tiny.train(folder)
    with pytest.raises(TrainingError, match="already holds a run"):
        tiny.train(folder)


def test_all_checkpoints_damaged_is_an_error_not_a_new_beginning(
    tiny: ModuleType, tiny_folder: MakeFolder
) -> None:
    folder = tiny_folder("lost")
    tiny.train(folder)
    for path in (folder / "run" / "steps").glob("*/state.json"):
        path.write_bytes(b"{}")
    with pytest.raises(CheckpointError, match="Every checkpoint"):
        tiny.train(folder, resume=True)


def test_a_folder_in_use_is_refused(tiny: ModuleType, tiny_folder: MakeFolder) -> None:
    folder = tiny_folder("used")
    with (
        RunFolder(folder / "run").locked(),
        pytest.raises(TrainingError, match="Another process"),
    ):
        tiny.train(folder)


# -- non-finite numbers -------------------------------------------------------------------------


class Poisoned:
    """An objective whose loss is not finite at some calls, in its value or its gradient."""

    needs: frozenset[str] = frozenset({"vectors"})

    def __init__(self, inner: Any, bad_calls: set[int], how: str):
        self.inner, self.bad_calls, self.how = inner, bad_calls, how
        self.calls = 0

    def __call__(self, outputs: Any, batch: Any) -> Loss:
        loss = self.inner(outputs, batch)
        self.calls += 1
        if self.calls in self.bad_calls:
            if self.how == "value":
                loss.total = loss.total * math.inf
            else:  # the square root has an infinite slope at 0
                loss.total = loss.total + (outputs.scale * 0).sqrt()
        return loss


def poisoned_fit(
    tiny: ModuleType, folder: Path, bad_calls: set[int], how: str, steps: int = 8
) -> tuple[nn.Module, Any]:
    features = tiny.fill(folder / "media", folder / "cache")
    torch.manual_seed(0)
    model = tiny.TinyModel()
    inner = tiny.PairwiseContrastive(tiny.PairwiseContrastive.Config())
    result = fit(
        model,
        {"poisoned": (Poisoned(inner, bad_calls, how), 1.0)},
        [Stage(steps=steps, batch_size=12, log_every=1, checkpoint_every=2)],
        lambda stage: tiny.batches(features, stage),
        RunFolder(folder / "run"),
        max_skipped_in_a_row=3,
    )
    return model, result


@pytest.mark.parametrize("how", ["value", "gradient"])
def test_a_step_that_is_not_finite_is_skipped_and_written_down(
    tiny: ModuleType, tiny_folder: MakeFolder, how: str
) -> None:
    folder = tiny_folder("poison")
    model, result = poisoned_fit(tiny, folder, {3, 4, 6}, how)
    assert result.finished
    assert result.skipped_steps == 3
    assert all(value.isfinite().all() for value in model.state_dict().values())
    errors = read_lines(folder / "run" / "errors.jsonl")
    assert [row["step"] for row in errors] == [3, 4, 6]
    assert all(len(row["keys"]) == 12 for row in errors)
    assert [row["skipped_steps"] for row in metrics(folder)] == [0, 0, 1, 2, 2, 3, 3, 3]


def test_a_skipped_step_changes_no_weight(tiny: ModuleType, tiny_folder: MakeFolder) -> None:
    folder = tiny_folder("skipped")
    poisoned_fit(tiny, folder, {3, 4}, "gradient", steps=4)
    store = CheckpointStore(folder / "run" / "steps")
    second, fourth = store.load(2).tensors, store.load(4).tensors
    assert_equal(second["model"], fourth["model"])
    assert_equal(second["optimizer"], fourth["optimizer"])


def test_too_many_in_a_row_stop_the_run_with_a_good_checkpoint(
    tiny: ModuleType, tiny_folder: MakeFolder
) -> None:
    folder = tiny_folder("poison")
    with pytest.raises(TrainingError, match="3 steps in a row were not finite") as caught:
        poisoned_fit(tiny, folder, {3, 5, 6, 7}, "value")
    assert "errors.jsonl" in str(caught.value)
    checkpoint = CheckpointStore(folder / "run" / "steps").load()
    assert checkpoint.step == 6
    assert all(value.isfinite().all() for value in checkpoint.tensors["model"].values())


def test_weights_that_are_not_finite_are_never_saved(
    tiny: ModuleType, tiny_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_folder("broken")

    def break_weights(self: nn.Module, step: int) -> None:
        if step == 5:
            self.heads["image"][0].weight.data.fill_(math.nan)

    monkeypatch.setattr(tiny.TinyModel, "after_step", break_weights)
    with pytest.raises(TrainingError, match=r"not finite any more \(heads\.image\.0\.weight\)"):
        tiny.train(folder, stages=[Stage(steps=9, batch_size=12, checkpoint_every=2)],
                   max_skipped_in_a_row=50)  # fmt: skip
    assert CheckpointStore(folder / "run" / "steps").load().step == 4


# -- the rest -----------------------------------------------------------------------------------


def test_lack_of_memory_is_a_message(tiny: ModuleType, tiny_folder: MakeFolder) -> None:
    """A real refusal by torch's allocator, at the third batch."""

    def greedy(features: Any, stage: Stage) -> Any:
        stream = tiny.batches(features, stage)
        honest, count = stream.next, iter(range(100))

        def ask() -> Any:
            if next(count) == 2:
                torch.empty(10**16)
            return honest()

        stream.next = ask
        return stream

    with pytest.raises(TrainingError, match="not enough memory on cpu for batches of 12") as caught:
        tiny.train(tiny_folder("memory"), make_stream=greedy)
    assert "stages.heads.batch_size" in str(caught.value)


def test_our_own_errors_are_not_dressed_up(tiny: ModuleType, tiny_folder: MakeFolder) -> None:
    def broken(features: Any, stage: Stage) -> Any:
        stream = tiny.batches(features, stage)
        stream.next = lambda: torch.zeros(2) @ torch.zeros(3)
        return stream

    with pytest.raises(RuntimeError, match="size"):
        tiny.train(tiny_folder("bug"), make_stream=broken)


def test_accumulated_halves_are_the_mean(tiny: ModuleType, tiny_folder: MakeFolder) -> None:
    """Two batches in one step: the gradient of the mean of their losses."""
    folder = tiny_folder("accumulate")
    features = tiny.fill(folder / "media", folder / "cache")
    stage = Stage(
        steps=1, batch_size=9, accumulate=2, learning_rate=0.1, clip_norm=0, weight_decay=0,
        schedule="constant", epsilon=1.0, log_every=1,
    )  # fmt: skip
    torch.manual_seed(1)
    model = tiny.TinyModel().eval()
    monkey = model.heads["image"][2], model.heads["sound"][2]
    for dropout in monkey:
        dropout.p = 0.0
    objective = tiny.PairwiseContrastive(tiny.PairwiseContrastive.Config())
    stream = tiny.batches(features, stage)
    total = sum(objective(model(batch), batch).total for batch in (stream.next(), stream.next()))
    (total / 2).backward()
    gradient = model.heads["image"][0].weight.grad.clone()
    before = model.heads["image"][0].weight.detach().clone()
    fit(
        model, {"contrastive": (objective, 1.0)}, [stage],
        lambda stage: tiny.batches(features, stage), RunFolder(folder / "run"),
    )  # fmt: skip
    # the first step of Adam: the bias corrections cancel
    expected = before - 0.1 * gradient / (gradient.abs() + 1.0)
    torch.testing.assert_close(model.heads["image"][0].weight, expected)
    assert metrics(folder)[0]["loss"] == pytest.approx(total.item() / 2)


def test_objectives_are_weighted_and_named(tiny: ModuleType, tiny_folder: MakeFolder) -> None:
    folder = tiny_folder("two objectives")
    features = tiny.fill(folder / "media", folder / "cache")
    contrastive = tiny.PairwiseContrastive(tiny.PairwiseContrastive.Config())
    asked: list[frozenset[str]] = []

    class Constant:
        needs = frozenset({"something"})

        def __call__(self, outputs: Any, batch: Any) -> Loss:
            return Loss(outputs.scale * 0 + 5, {"five": torch.tensor(5.0)})

    class Model(tiny.TinyModel):
        def forward(self, batch: Any, needs: frozenset[str] = frozenset()) -> Any:
            asked.append(needs)
            return super().forward(batch)

    fit(
        Model(), {"pairs": (contrastive, 0.5), "constant": (Constant(), 2.0)},
        [Stage(steps=2, batch_size=12, log_every=1)],
        lambda stage: tiny.batches(features, stage), RunFolder(folder / "run"),
    )  # fmt: skip
    for row in metrics(folder):
        parts = row["parts"]
        assert parts.keys() == {"pairs/image-sound", "constant/five"}
        assert row["loss"] == pytest.approx(0.5 * parts["pairs/image-sound"] + 2 * 5)
    assert asked == [frozenset({"vectors", "something"})] * 2, "one forward a step, for both"


def test_a_stage_that_trains_nothing_known(tiny: ModuleType, tiny_folder: MakeFolder) -> None:
    stage = Stage(steps=1, trainable=(("haeds.*", 1.0),))
    with pytest.raises(ConfigError, match=r"'haeds\.\*' matches no parameter"):
        tiny.train(tiny_folder("typo"), stages=[stage])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_finishes_the_step_and_resuming_is_exact(
    tiny: ModuleType, tiny_folder: MakeFolder, number: int, code: int
) -> None:
    model, _ = tiny.train(tiny_folder("whole"))
    folder = tiny_folder("signalled")

    def signalling(features: Any, stage: Stage) -> Any:
        stream = tiny.batches(features, stage)
        honest = stream.next

        def ask() -> Any:
            if stream.position == 2 and stream.epoch == 0:
                os.kill(os.getpid(), number)
            return honest()

        stream.next = ask
        return stream

    handler = signal.getsignal(number)
    _, result = tiny.train(folder, make_stream=signalling)
    assert signal.getsignal(number) == handler
    assert (result.finished, result.step, result.exit_code) == (False, 3, code)
    assert CheckpointStore(folder / "run" / "steps").load().step == 3
    resumed, result = tiny.train(folder, resume=True)
    assert result.finished
    assert_equal(weights(model), weights(resumed))


def test_bf16_is_autocast_and_losses_stay_fp32(tiny: ModuleType, tiny_folder: MakeFolder) -> None:
    seen: list[tuple[torch.dtype, torch.dtype]] = []

    class Watching(tiny.PairwiseContrastive):
        def __call__(self, outputs: Any, batch: Any) -> Loss:
            loss = super().__call__(outputs, batch)
            seen.append((outputs.vectors["image"].dtype, loss.total.dtype))
            return loss

    folder = tiny_folder("bf16")
    features = tiny.fill(folder / "media", folder / "cache")
    model = tiny.TinyModel()
    fit(
        model, {"contrastive": (Watching(Watching.Config()), 1.0)},
        [Stage(steps=2, batch_size=12)], lambda stage: tiny.batches(features, stage),
        RunFolder(folder / "run"), precision=torch.bfloat16,
    )  # fmt: skip
    assert [loss for _, loss in seen] == [torch.float32] * 2
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_changed_stages_are_mentioned_on_resume(tiny: ModuleType, tiny_folder: MakeFolder) -> None:
    folder = tiny_folder("changed")
    tiny.train(folder, stages=tiny.STAGES[:1])
    notes: list[str] = []

    class Notes(tiny_display()):
        def note(self, message: str) -> None:
            notes.append(message)

    _, result = tiny.train(folder, resume=True, display=Notes())
    assert result.finished
    assert result.step == 11
    assert any("the stages were changed" in note for note in notes)


def test_finite_guard_names_a_parameter() -> None:
    model = nn.Linear(2, 2)
    assert spoiled(model) == ""
    model.bias.data[1] = math.inf
    assert spoiled(model) == "bias"
    model.bias.requires_grad_(False)
    assert spoiled(model) == ""
