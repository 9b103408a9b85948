"""What a stage trains, how fast, and the optimizer's state as named tensors."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from interlingua.errors import CheckpointError
from interlingua.train import optim
from interlingua.train.stages import Stage


def small_model() -> nn.ModuleDict:
    torch.manual_seed(0)
    return nn.ModuleDict(
        {
            "tower": nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)),
            "head": nn.Sequential(nn.Linear(4, 2), nn.Dropout(0.5)),
        }
    )


def one_step(model: nn.ModuleDict, optimizer: torch.optim.Optimizer) -> None:
    model["head"](model["tower"](torch.ones(3, 4))).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def test_decay_is_for_matrices_only_and_rates_are_multiplied() -> None:
    model = small_model()
    stage = Stage(steps=1, trainable=(("head.*", 1.0), ("*", 0.1)), weight_decay=0.3)
    optimizer = optim.prepare(model, stage)
    optim.set_learning_rate(optimizer, 2.0)
    found = {
        (group["lr"], group["weight_decay"]): [tuple(p.shape) for p in group["params"]]
        for group in optimizer.param_groups
    }
    assert found == {
        (2.0, 0.3): [(2, 4)],
        (2.0, 0.0): [(2,)],
        (0.2, 0.3): [(4, 4)],
        (0.2, 0.0): [(4,)],
    }
    assert all(group["fused"] for group in optimizer.param_groups)


def test_a_frozen_part_is_untouched_and_in_evaluation_mode() -> None:
    model = small_model()
    before = model["tower"][0].weight.clone()
    optimizer = optim.prepare(model, Stage(steps=1, trainable=(("head.*", 1.0),)))
    optim.training_mode(model)
    assert not model["tower"].training
    assert not model["tower"][0].training
    assert model["head"].training
    assert model["head"][1].training
    one_step(model, optimizer)
    assert torch.equal(model["tower"][0].weight, before)
    assert model["tower"][0].weight.grad is None


def test_a_later_stage_thaws() -> None:
    model = small_model()
    optim.prepare(model, Stage(steps=1, trainable=(("head.*", 1.0),)))
    optim.prepare(model, Stage(steps=1))
    optim.training_mode(model)
    assert model["tower"][0].weight.requires_grad
    assert model["tower"].training


def test_state_comes_back_bit_for_bit() -> None:
    stage = Stage(steps=1, trainable=(("head.*", 1.0), ("*", 0.5)))
    model = small_model().eval()
    optimizer = optim.prepare(model, stage)
    one_step(model, optimizer)
    tensors = {name: value.clone() for name, value in optim.state_tensors(optimizer, model).items()}
    assert "head.0.weight:exp_avg" in tensors
    copy = small_model().eval()
    copy.load_state_dict(model.state_dict())
    other = optim.prepare(copy, stage)
    optim.restore_state(other, copy, tensors)
    for _ in range(3):
        one_step(model, optimizer)
        one_step(copy, other)
    for name, value in model.state_dict().items():
        assert torch.equal(value, copy.state_dict()[name]), name


def test_state_of_other_parameters_is_refused() -> None:
    model = small_model()
    optimizer = optim.prepare(model, Stage(steps=1, trainable=(("head.*", 1.0),)))
    with pytest.raises(CheckpointError, match=r"tower\.0\.weight"):
        optim.restore_state(optimizer, model, {"tower.0.weight:exp_avg": torch.zeros(4, 4)})
