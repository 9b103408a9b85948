"""Recipes as values: overrides with paths, YAML that runs again by itself, clear errors."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

from interlingua.config import NamedConfig
from interlingua.errors import ConfigError
from interlingua.train.recipe import Recipe, apply_overrides, from_yaml, read_yaml, to_yaml


class Model:
    class Config(NamedConfig):
        folder: ClassVar[str] = "models"
        name: str
        width: int = 8
        pooling: str | None = None


class OtherModel:
    class Config(NamedConfig):
        folder: ClassVar[str] = "models"
        name: str
        depth: int = 2


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets ``my_models:Model`` be imported, as a user's own package could be."""
    module = ModuleType("my_models")
    module.Model, module.OtherModel = Model, OtherModel
    monkeypatch.setitem(sys.modules, "my_models", module)
    monkeypatch.setattr("interlingua.models.TABLE", {}, raising=False)


@pytest.fixture
def recipe() -> Recipe:
    return Recipe(
        name="try",
        description="Überall: 1e-3 # no comment",
        model={"name": "my_models:Model", "width": 16},
        data={
            "sources": [{"source": {"name": "stamps"}}, {"source": "clipart", "weight": 0.5}],
            "split": {"source": "stamps", "held_out": 20},
        },
        objectives={
            "pairs": {"objective": {"name": "pairwise_contrastive", "weights": {"image-text": 2}}}
        },
        stages=[{"name": "heads", "steps": 10}, {"name": "all", "steps": 5}],
    )


def test_yaml_comes_back_equal(recipe: Recipe) -> None:
    text = to_yaml(recipe)
    assert from_yaml(text) == recipe
    assert to_yaml(from_yaml(text)) == text
    assert "learning_rate: 0.001" in text, "defaults are written out"
    assert "Überall" in text


@pytest.mark.parametrize(
    ("override", "found"),
    [
        ("seed=7", lambda r: r.seed == 7),
        ("stages.0.learning_rate=1e-3", lambda r: r.stages[0].learning_rate == 1e-3),
        ("stages.all.steps=99", lambda r: r.stages[1].steps == 99),
        ("data.split.seed=2", lambda r: r.data.split.seed == 2),
        ("data.sources.1.weight=3", lambda r: r.data.sources[1].weight == 3),
        ("model.width=32", lambda r: r.model.width == 32),
        ("model.pooling=mean", lambda r: r.model.pooling == "mean"),
        ("model.pooling=null", lambda r: r.model.pooling is None),
        ("objectives.pairs.objective.weights.sound-text=0", lambda r: (
            r.objectives["pairs"].objective.weights == {"image-text": 2.0, "sound-text": 0.0}
        )),
        ("objectives.more={objective: pairwise_contrastive, weight: 0.1}", lambda r: (
            r.objectives["more"].weight == 0.1
        )),
        ("stages.heads.trainable=[['heads.*', 1.0], ['*', 0.1]]", lambda r: (
            r.stages[0].trainable == (("heads.*", 1.0), ("*", 0.1))
        )),
        ("data.split=null", lambda r: r.data.split is None),
        ("model.name=my_models:OtherModel", lambda r: r.model.depth == 2),
        ("description=a=b", lambda r: r.description == "a=b"),
    ],
)  # fmt: skip
def test_overrides(recipe: Recipe, override: str, found: object) -> None:
    changed = apply_overrides(recipe, [override])
    assert found(changed)
    assert from_yaml(to_yaml(changed)) == changed


def test_overrides_come_one_after_another(recipe: Recipe) -> None:
    changed = apply_overrides(
        recipe, ["model.name=my_models:OtherModel", "model.depth=5", "seed=1", "seed=2"]
    )
    assert (changed.model.depth, changed.seed) == (5, 2)
    assert recipe.seed == 0
    assert apply_overrides(recipe, []) == recipe


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sede=1", "unknown key 'sede' (did you mean 'seed'?)"),
        ("stages.0.learning_rat=1", "'stages.0.learning_rat' (did you mean 'learning_rate'?)"),
        ("stages.head.steps=1", "no 'stages.head' (did you mean 'heads'?)"),
        ("stages.7.steps=1", "There is no 'stages.7'"),
        ("data.splitt.seed=1", "unknown key 'data.splitt' (did you mean 'split'?)"),
        ("model.widht=3", "unknown key 'model.widht' (did you mean 'width'?)"),
        ("model.width.deeper=3", "'model.width' has nothing inside it"),
        ("model.width=wide", "model.width: "),
        ("model.name=my_models:Absent", "model: 'my_models:Absent' can't be imported"),
        ("stages.0.steps=0", "stages.0.steps: "),
        ("stages.1.name=heads", "two stages have one name"),
        ("data.sources.0.source=stmaps", "did you mean 'stamps'?"),
        ("objectives.pairs.objective.weights.imagetext=1", "is not a pair of views"),
        ("seed", "is not a change"),
        ("=3", "is not a change"),
        ("stages..steps=3", "is not a change"),
        ("seed=[1", "is not a YAML value"),
    ],
)
def test_wrong_overrides_say_so(recipe: Recipe, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        apply_overrides(recipe, [override])
    assert message in str(caught.value)
    assert override in str(caught.value)


def test_wrong_files_say_so(recipe: Recipe, tmp_path: Path) -> None:
    text = to_yaml(recipe)
    cases = {
        "unknown key 'stages.0.stepz' (did you mean 'steps'?)": text.replace(
            "steps: 10", "stepz: 1"
        ),
        "not YAML": text + "\n  : [",
        "not a mapping": "- 1\n- 2\n",
        "format version 9": text.replace("format_version: 1", "format_version: 9"),
    }
    path = tmp_path / "recipe.yaml"
    for message, wrong in cases.items():
        path.write_text(wrong)
        with pytest.raises(ConfigError) as caught:
            read_yaml(path)
        assert message in str(caught.value)
        assert str(path) in str(caught.value)
    with pytest.raises(ConfigError, match="no such recipe file"):
        read_yaml(tmp_path / "absent.yaml")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="can't be read"):
        read_yaml(path)


def test_yaml_makes_no_objects() -> None:
    with pytest.raises(ConfigError, match="not YAML"):
        from_yaml("name: !!python/object/apply:os.getcwd []")
