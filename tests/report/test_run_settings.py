from __future__ import annotations

from pathlib import Path
from typing import Any

from interlingua.report.run_record import RunRecord
from interlingua.report.run_settings import different_settings, flattened


def run(name: str, **recipe: Any) -> RunRecord:
    return RunRecord(name, Path(name), recipe)


def test_settings_are_found_by_their_path() -> None:
    recipe = {
        "description": "long",
        "seed": 0,
        "data": {
            "sources": [{"source": {"name": "stamps"}, "weight": 3.0}],
            "filters": [],
            "split": None,
        },
        "stages": [{"name": "heads", "trainable": [["*", 1.0]]}],
        "weights": {},
    }
    assert flattened(recipe) == {
        "seed": 0,
        "data.sources.stamps.source.name": "stamps",
        "data.sources.stamps.weight": 3.0,
        "data.filters": [],
        "data.split": None,
        "stages.heads.name": "heads",
        "stages.heads.trainable": [["*", 1.0]],
        "weights": {},
    }


def test_list_items_of_one_name_go_by_number() -> None:
    recipe = {"filters": [{"name": "size"}, {"name": "size", "x": 1}], "plain": [{"a": 1}]}
    assert list(flattened(recipe)) == [
        "filters.0.name",
        "filters.1.name",
        "filters.1.x",
        "plain.0.a",
    ]


def test_only_what_differs_is_told_in_the_order_of_the_recipes() -> None:
    runs = [
        run("a", seed=0, same=1, model={"name": "clip", "width": 8}),
        run("b", seed=1, same=1, model={"name": "lit", "depth": 2}),
        run("c", seed=0, same=1, model={"name": "clip", "width": 8}),
    ]
    found = {one.path: one for one in different_settings(runs)}
    assert list(found) == ["seed", "model.name", "model.width", "model.depth"]
    assert found["seed"].values == {"a": 0, "b": 1, "c": 0}
    assert found["model.width"].values == {"a": 8, "c": 8}
    assert [one.tells for one in found.values()] == [True, True, False, False]


def test_a_source_that_one_run_lacks_is_told() -> None:
    stamps = {"source": {"name": "stamps", "root": None}}
    runs = [run("a", sources=[stamps]), run("b", sources=[stamps, {"source": {"name": "clipart"}}])]
    (name,) = different_settings(runs)
    assert name.path == "sources.clipart.source.name"
    assert name.tells


def test_a_number_is_the_same_however_it_is_written() -> None:
    assert different_settings([run("a", x=1.0), run("b", x=1)]) == []
