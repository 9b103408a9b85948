from __future__ import annotations

import json
from pathlib import Path

import pytest

from interlingua.errors import CheckpointError, ConfigError, DataError
from interlingua.report.run_record import differing_names, read_run, read_runs


def folder(path: Path, recipe: str = "name: a\nseed: 0\n") -> Path:
    path.mkdir(parents=True)
    (path / "recipe.yaml").write_text(recipe)
    return path


def test_a_run_is_read_as_plain_values(tmp_path: Path) -> None:
    run = folder(tmp_path / "a")
    rows = [{"kind": "train", "step": 1, "loss": 2.0}, {"kind": "evaluation", "step": 1}]
    torn = '{"kind": "train", "st'
    (run / "metrics.jsonl").write_text("\n".join([*map(json.dumps, rows), torn]))
    (run / "figures.json").write_text('{"counts": {"train": 3}}')
    found = read_run(run)
    assert (found.name, found.recipe["seed"]) == ("a", 0)
    assert [row["loss"] for row in found.training] == [2.0]
    assert found.figures["counts"] == {"train": 3}
    assert found.queries == {}


def test_a_run_that_was_not_measured_has_no_figures(tmp_path: Path) -> None:
    found = read_run(folder(tmp_path / "a"))
    assert (found.metrics, found.figures, found.queries) == ([], {}, {})


def test_a_recipe_of_parts_that_are_not_here_is_read_all_the_same(tmp_path: Path) -> None:
    run = folder(tmp_path / "a", "model: {name: 'not.there:Model', width: 3}\n")
    assert read_run(run).recipe["model"]["width"] == 3


def test_names_are_as_long_as_it_takes() -> None:
    paths = [Path("/x/a/demo"), Path("/y/a/demo"), Path("/y/b/demo")]
    assert differing_names(paths) == ["x/a/demo", "y/a/demo", "y/b/demo"]
    assert differing_names([Path("/x/one"), Path("/x/two")]) == ["one", "two"]


def test_what_can_not_be_compared_is_refused(tmp_path: Path) -> None:
    run = folder(tmp_path / "a")
    with pytest.raises(ConfigError, match="needs two"):
        read_runs([run])
    with pytest.raises(ConfigError, match="twice"):
        read_runs([run, tmp_path / "b" / ".." / "a"])
    with pytest.raises(CheckpointError, match="no run here"):
        read_runs([run, tmp_path])
    for name, recipe in (("list", "- 1\n"), ("broken", "{")):
        with pytest.raises(ConfigError, match="recipe"):
            read_run(folder(tmp_path / name, recipe))


@pytest.mark.parametrize("name", ["figures.json", "held_out_queries.json"])
@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_damaged_figures_say_how_to_get_them_back(tmp_path: Path, name: str, text: str) -> None:
    run = folder(tmp_path / "a")
    (run / name).write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match="measured"):
        read_run(run)
