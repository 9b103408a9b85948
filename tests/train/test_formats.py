"""Files of every released format version can still be read."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from interlingua.train.checkpoint import load_newest
from interlingua.train.feature_chunks import ChunkFolder
from interlingua.train.recipe import from_yaml, read_yaml, to_yaml

GOLDEN = Path(__file__).parent / "golden"


def test_checkpoint_1() -> None:
    checkpoint = load_newest(GOLDEN / "checkpoint-1" / "step-00000002")
    assert checkpoint.step == 2
    assert checkpoint.state == {"third": 1 / 3}
    model = checkpoint.tensors["model"]
    assert torch.equal(model["weight"], torch.arange(6.0).reshape(2, 3))
    assert torch.equal(model["half"], torch.tensor([1.5, -2], dtype=torch.bfloat16))
    assert checkpoint.tensors["optimizer"]["weight:exp_avg"].tolist() == [[0.25] * 3] * 2


def test_checkpoint_2() -> None:
    """Written by two processes: shards, and an index of which rows are where."""
    checkpoint = load_newest(GOLDEN / "checkpoint-2" / "step-00000002")
    assert checkpoint.state == {"third": 1 / 3, "processes": 2}
    model = checkpoint.tensors["model"]
    assert model.keys() == {"weight", "one", "scale", "half"}
    assert torch.equal(model["weight"], torch.arange(6.0).reshape(3, 2))
    assert torch.equal(model["half"], torch.tensor([1.5, -2], dtype=torch.bfloat16))
    assert model["one"].tolist() == [7.0]
    assert model["scale"].item() == 1.5
    randoms = [checkpoint.tensors[f"random-0000{n}-of-00002"]["torch"].tolist() for n in (1, 2)]
    assert randoms == [[0], [1]]


def test_features_1(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "features-1", tmp_path / "features")
    folder = ChunkFolder(tmp_path / "features")
    [task] = folder.tasks()
    assert list(task.members) == ["a" * 64, "b" * 64, "c" * 64]
    features = folder.read(task)
    assert features is not None
    assert features.digests == ["a" * 64, "c" * 64]
    assert torch.equal(features.values, torch.arange(8.0).reshape(2, 4))
    assert features.seconds[0].isnan()
    assert features.seconds[1] == 1.5
    assert features.failed == {"b" * 64: ("damaged", "The picture is damaged.")}


def test_recipe_1() -> None:
    """As a run kept it: settings that came later have their defaults."""
    recipe = read_yaml(GOLDEN / "recipe-1.yaml")
    assert (recipe.name, recipe.seed) == ("demo", 0)
    assert list(recipe.model.towers) == ["image", "text", "audio"]
    assert [(use.source.name, use.weight) for use in recipe.data.sources] == [("stamps", 3.0)]
    assert recipe.data.split.unseen_languages == ("da",)
    assert from_yaml(to_yaml(recipe)) == recipe
