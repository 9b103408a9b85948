from __future__ import annotations

import json

import pytest

from interlingua.cli import recipes
from interlingua.recipes import TABLE


def test_list(interlingua) -> None:
    rows = json.loads(interlingua("recipes", "list", "--json").out)
    assert [row["name"] for row in rows] == list(TABLE)
    assert all(row["about"] for row in rows)


@pytest.mark.parametrize("name", TABLE)
def test_show_gives_a_file_that_is_the_recipe(interlingua, name: str, tmp_path) -> None:
    from interlingua.recipes import load_recipe
    from interlingua.train.recipe import read_yaml

    path = tmp_path / "mine.yaml"
    path.write_text(interlingua("recipes", "show", name, "seed=7", "--tiny").out)
    assert read_yaml(path) == load_recipe(name, tiny=True).model_copy(update={"seed": 7})


@pytest.mark.parametrize("name", TABLE)
def test_a_wrong_key_names_the_nearest(interlingua, name: str) -> None:
    ended = interlingua("recipes", "show", name, "stages.0.learning_rat=1")
    assert (ended.code, ended.out.startswith("name")) == (2, False)
    assert "learning_rate" in ended.err


def test_an_unknown_recipe(interlingua) -> None:
    ended = interlingua("recipes", "show", "no-such-recipe")
    assert (ended.code, ended.out) == (2, "")
    assert "no-such-recipe" in ended.err


def test_first_line() -> None:
    assert recipes.first_line("One thing.\n\nMore.") == "One thing"
    assert recipes.docstring("") == ""
