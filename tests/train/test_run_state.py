"""What a checkpoint holds of a model, and what it refuses to be put into."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from interlingua.errors import CheckpointError
from interlingua.train import optim, random_state, run_state
from interlingua.train.checkpoint import Checkpoint, CheckpointStore
from interlingua.train.run_state import Progress
from interlingua.train.stages import Stage
from interlingua.train.stream import ShuffledStream


class Pretrained(nn.Module):
    """A head on a tower whose weights come from elsewhere."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.tower = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)

    def pretrained_names(self) -> tuple[str, ...]:
        return ("tower.*",)


HEAD = (Stage(steps=1, trainable=(("head.*", 1.0),)),)
BOTH = (*HEAD, Stage(name="all", steps=1))


def saved(model: nn.Module, stages: tuple[Stage, ...], folder: Path) -> Checkpoint:
    store = CheckpointStore(folder)
    optimizer = optim.prepare(model, stages[0])
    stream = ShuffledStream(3, 2, lambda indices, random: None)
    store.save(1, *run_state.capture(model, optimizer, stream, Progress(), stages))
    return store.load()


def test_pretrained_weights_are_left_out_and_checked(tmp_path: Path) -> None:
    checkpoint = saved(Pretrained(), HEAD, tmp_path)
    assert checkpoint.tensors["model"].keys() == {"head.weight", "head.bias"}
    other = Pretrained()
    nn.init.zeros_(other.head.weight)
    run_state.load_model(other, checkpoint)
    assert torch.equal(other.head.weight, Pretrained().head.weight)
    with pytest.raises(CheckpointError, match="pretrained weights are not those"):
        run_state.load_model(Pretrained(seed=1), checkpoint)


def test_pretrained_weights_that_some_stage_trains_are_kept(tmp_path: Path) -> None:
    checkpoint = saved(Pretrained(), BOTH, tmp_path)
    assert len(checkpoint.tensors["model"]) == 4
    run_state.load_model(Pretrained(seed=1), checkpoint)


def test_another_model_is_refused_by_name(tmp_path: Path) -> None:
    checkpoint = saved(nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 2)), (Stage(steps=1),), tmp_path)
    other = nn.Sequential(nn.Linear(4, 3), nn.Identity(), nn.Linear(2, 2))
    with pytest.raises(CheckpointError) as caught:
        run_state.load_model(other, checkpoint)
    assert "missing 2.bias, 2.weight" in str(caught.value)
    assert "unexpected 1.bias, 1.weight" in str(caught.value)
    assert "0.weight" in str(caught.value).partition("another shape")[2]


def test_tied_weights_are_saved(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
            self.second.weight = self.first.weight

    model = Tied()
    checkpoint = saved(model, (Stage(steps=1),), tmp_path)
    other = Tied()
    run_state.load_model(other, checkpoint)
    assert torch.equal(other.second.weight, model.first.weight)
    assert other.second.weight is other.first.weight


def test_differences_are_named(tmp_path: Path) -> None:
    checkpoint = saved(Pretrained(), HEAD, tmp_path)
    assert run_state.differences(checkpoint, HEAD) == []
    assert run_state.differences(checkpoint, BOTH) == ["the stages were changed"]
    checkpoint.state["threads"] = 77
    checkpoint.state["torch"] = "1.0"
    assert len(run_state.differences(checkpoint, HEAD)) == 2


def test_digest_tells_names_types_and_values_apart() -> None:
    tensor = torch.tensor([1.0, 2.0])
    digests = {
        run_state.tensors_digest(tensors)
        for tensors in (
            {"a": tensor},
            {"b": tensor},
            {"a": tensor.reshape(2, 1)},
            {"a": tensor.view(torch.int32)},
            {"a": tensor.bfloat16()},
            {"a": torch.tensor([1.0, 2.0000002])},
            {"a": tensor, "b": tensor},
            {},
        )
    }
    assert len(digests) == 8
    assert run_state.tensors_digest({"a": tensor.clone()}) in digests


def draw() -> list[float]:
    import random

    import numpy as np

    return [random.random(), float(np.random.normal()), float(torch.rand(()))]


def test_random_state_comes_back_through_json_and_safetensors(tmp_path: Path) -> None:
    random_state.seed_all(5)
    draw()  # NumPy keeps every other normal number for later
    plain, tensors = random_state.capture()
    CheckpointStore(tmp_path).save(1, {"random": tensors}, {"random": plain})
    expected = draw()
    draw()
    loaded = CheckpointStore(tmp_path).load()
    random_state.restore(loaded.state["random"], loaded.tensors["random"])
    assert draw() == expected


def test_undisturbed() -> None:
    random_state.seed_all(6)
    with random_state.undisturbed():
        first = draw()
    assert draw() == first
    random_state.seed_all(6)
    assert draw() == first
