"""Recipes are found by name, by module, by file, by run folder."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

from interlingua import recipes
from interlingua.config import NamedConfig
from interlingua.errors import ConfigError
from interlingua.recipes import load_recipe
from interlingua.train.recipe import Recipe, to_yaml


class Model:
    class Config(NamedConfig):
        folder: ClassVar[str] = "models"
        name: str


def mine(tiny: bool = False) -> Recipe:
    return Recipe(
        name="mine",
        model={"name": "my_recipes:Model"},
        data={"sources": [{"source": "stamps"}]},
        objectives={"pairs": {"objective": "pairwise_contrastive"}},
        stages=[{"steps": 2 if tiny else 100}],
    )


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("my_recipes")
    module.Model, module.mine = Model, mine
    module.wrong = lambda tiny: Recipe(name="wrong")
    module.number = lambda tiny: 3
    monkeypatch.setitem(sys.modules, "my_recipes", module)
    monkeypatch.setattr("interlingua.models.TABLE", {}, raising=False)
    monkeypatch.setitem(recipes.TABLE, "mine", "my_recipes:mine")


def test_by_name_and_module() -> None:
    assert load_recipe("mine") == load_recipe("my_recipes:mine") == mine()
    assert load_recipe("mine", tiny=True).stages[0].steps == 2


def test_by_file_and_run_folder(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(to_yaml(mine()), encoding="utf-8")
    assert load_recipe(tmp_path) == load_recipe(str(tmp_path / "recipe.yaml")) == mine()
    with pytest.raises(ConfigError, match="no tiny variant"):
        load_recipe(tmp_path, tiny=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mien", "no recipe 'mien' (did you mean 'mine'?)"),
        ("absent.yaml", "no such recipe file"),
        ("no.such.module:function", "can't be imported"),
        ("my_recipes:absent", "can't be imported"),
        ("my_recipes:wrong", "is wrong"),
        ("my_recipes:number", "not a Recipe"),
    ],
)
def test_what_is_no_recipe(name: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_recipe(name)
    assert message in str(caught.value)
