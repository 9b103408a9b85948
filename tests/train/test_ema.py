"""The moving average: its value, what has it, and that a resumed run has the same one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from interlingua.errors import CheckpointError
from interlingua.space import load
from interlingua.train.checkpoint import CheckpointStore
from interlingua.train.ema import Average
from interlingua.train.session import open_run, train_recipe
from interlingua.train.stages import Stage

MakeFolder = Callable[[str], Path]


def test_it_is_the_weighted_mean_of_the_weights_so_far() -> None:
    model = nn.Linear(1, 1, bias=False).double()
    model.weight.data.fill_(2.0)
    average = Average(model, 0.5)
    expected = 2.0
    for step in range(1, 30):
        model.weight.data.fill_(float(step**2))
        average.update(model)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step**2
    assert average.tensors["weight"].item() == pytest.approx(expected, rel=1e-12)
    assert average.updates == 29
    assert model.weight.item() == 29**2
    with average.within(model):
        assert model.weight.item() == pytest.approx(expected, rel=1e-12)
    assert model.weight.item() == 29**2


def test_what_is_frozen_is_not_averaged() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    assert set(Average(model, 0.9).tensors) == {"1.weight", "1.bias"}


def test_other_parameters_are_refused() -> None:
    average = Average(nn.Linear(2, 2), 0.9)
    with pytest.raises(CheckpointError, match="other parameters"):
        average.restore({"weight": torch.zeros(2, 2)}, 3)


def test_the_run_measures_and_ends_with_it_and_keeps_both(
    tiny: ModuleType, tiny_folder: MakeFolder
) -> None:
    folder = tiny_folder("averaged")
    stage = Stage(steps=5, batch_size=12, learning_rate=0.1, ema=0.9)
    model, result = tiny.train(folder, stages=[stage])
    tensors = CheckpointStore(folder / "run" / "steps").load().tensors
    name = "heads.image.0.weight"
    assert torch.equal(model.state_dict()[name], tensors["ema"][name])
    assert not torch.equal(tensors["model"][name], tensors["ema"][name])
    assert result.figures == {"weight": float(tensors["ema"][name].sum())}
    assert "average" not in tensors["ema"], "buffers are not averaged"


def test_a_skipped_step_is_not_averaged_and_a_stage_has_its_own(
    tiny: ModuleType, tiny_folder: MakeFolder
) -> None:
    folder = tiny_folder("stages")
    stages = [
        Stage(name="a", steps=3, batch_size=12, ema=0.9),
        Stage(name="b", steps=2, batch_size=12),
    ]
    model, _ = tiny.train(folder, stages=stages)
    store = CheckpointStore(folder / "run" / "steps")
    assert store.load(3).state["ema"] == {"updates": 3}
    assert "ema" not in store.load(5).tensors
    assert torch.equal(model.log_scale, store.load(5).tensors["model"]["log_scale"])


def test_resumed_within_a_stage_it_has_the_same_bits(
    tiny: ModuleType, tiny_folder: MakeFolder, outcome_of: Callable[[Path], Any]
) -> None:
    stages = [Stage(steps=9, batch_size=12, ema=0.7, checkpoint_every=2, evaluate_every=4)]
    whole, broken = tiny_folder("whole"), tiny_folder("broken")
    model, _ = tiny.train(whole, stages=stages)

    def stopping(features: Any, stage: Stage) -> Any:
        stream = tiny.batches(features, stage)
        honest, left = stream.next, iter(range(100))

        def ask() -> Any:
            if next(left) == 5:
                raise KeyboardInterrupt
            return honest()

        stream.next = ask
        return stream

    with pytest.raises(KeyboardInterrupt):
        tiny.train(broken, stages=stages, make_stream=stopping)
    resumed, _ = tiny.train(broken, stages=stages, resume=True)
    assert outcome_of(whole) == outcome_of(broken)
    for name, value in model.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_space_and_an_opened_run_have_the_averages(world: Any, tmp_path: Path) -> None:
    stage = {"steps": 4, "batch_size": 10, "learning_rate": 0.1, "ema": 0.9}
    session = train_recipe(world.recipe(stages=[stage]), tmp_path / "run")
    tensors = CheckpointStore(tmp_path / "run" / "steps").load().tensors
    name = "log_scale"
    for model in (session.model, open_run(tmp_path / "run").model, load(tmp_path / "run").model):
        assert torch.equal(model.state_dict()[name], tensors["ema"][name])
    assert not torch.equal(tensors["ema"][name], tensors["model"][name])
