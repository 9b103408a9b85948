"""What a stage asks of its model: sizes and dropouts, compiled blocks."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from interlingua.errors import ConfigError
from interlingua.towers.vit import ViT
from interlingua.train import compiling
from interlingua.train.parallel import blocks_of
from interlingua.train.session import Session, train_recipe
from interlingua.train.stages import Stage, give_settings

VIT = {
    "name": "vit", "image_size": 32, "patch_size": 8, "width": 16, "num_layers": 2,
    "num_heads": 2, "hidden_width": 32,
}  # fmt: skip


def recipe_of(world: Any, *stages: dict[str, Any], **changes: Any) -> Any:
    model = {
        "name": "dual_encoder",
        "width": 8,
        "towers": {"image": {"tower": VIT}, "text": world.tower("text")},
    }
    plan = [{"steps": 2, "batch_size": 10, "name": str(n), **s} for n, s in enumerate(stages)]
    return world.recipe(model=model, stages=plan, **changes)


def test_each_stage_has_its_own_size_and_the_model_gets_its_own_back(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, float]] = []
    honest = ViT._embed

    def watching(self: ViT, values: torch.Tensor) -> Any:
        if self.training:
            seen.append((values.shape[-1], self.patch_dropout))
        return honest(self, values)

    monkeypatch.setattr(ViT, "_embed", watching)
    small = {"model": {"image": {"image_size": 16, "patch_dropout": 0.5}}}
    session: Session = train_recipe(recipe_of(world, small, {}), tmp_path / "run")
    assert seen == [(16, 0.5)] * 2 + [(32, 0.0)] * 2
    last: Session = train_recipe(recipe_of(world, {}, small), tmp_path / "small last")
    for trained in (session, last):
        assert trained.model.preprocess("image").size == 32
        assert trained.model.towers["image"].patch_dropout == 0.0


def test_settings_of_a_tower_that_is_not_there(world: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not trained here"):
        train_recipe(recipe_of(world, {"model": {"sound": {"rate": 1}}}), tmp_path / "run")


def test_a_model_without_settings(tiny: ModuleType) -> None:
    give_settings(tiny.TinyModel(), {})
    with pytest.raises(ConfigError, match="takes no settings"):
        give_settings(tiny.TinyModel(), {"image": {"image_size": 8}})


def test_micro_batches_train_alike(world: Any, tmp_path: Path) -> None:
    weights = []
    for number, stage in enumerate(({}, {"micro_batch": 3})):
        session = train_recipe(recipe_of(world, {"epsilon": 1e-3, **stage}), tmp_path / str(number))
        weights.append(session.model.state_dict())
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("wrong", [{"ema": 1.0}, {"micro_batch": -1}])
def test_wrong_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Stage(steps=1, **wrong)


def test_no_compiler_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    compiling.check(torch.device("cpu"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ConfigError, match=r"needs a C\+\+ compiler") as caught:
        compiling.check(torch.device("cpu"))
    assert "compile=false" in str(caught.value)


def test_the_blocks_of_all_towers(world: Any) -> None:
    model = recipe_of(world, {}).model.build()
    assert len(blocks_of(model)) == 2
    assert blocks_of(torch.nn.Linear(2, 2)) == []


@pytest.mark.slow
def test_compiled_blocks_train_alike(world: Any, tmp_path: Path) -> None:
    states = []
    for compiled in (False, True):
        recipe = recipe_of(world, {"epsilon": 1e-3}, compile=compiled)
        session = train_recipe(recipe, tmp_path / str(compiled))
        states.append(session.model.state_dict())
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name], rtol=1e-4, atol=1e-5)
