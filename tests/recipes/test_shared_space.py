from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from interlingua.errors import ConfigError
from interlingua.recipes import load_recipe
from interlingua.recipes.shared_space import demo
from interlingua.train.recipe import apply_overrides, from_yaml, to_yaml


@pytest.mark.parametrize("tiny", [False, True])
def test_it_survives_as_yaml(tiny: bool) -> None:
    recipe = demo(tiny)
    assert from_yaml(to_yaml(recipe)) == recipe
    assert load_recipe("demo", tiny=tiny) == recipe


def test_tiny_is_less_of_the_same() -> None:
    whole, tiny = demo(), demo(tiny=True)
    assert tiny.model == whole.model
    assert [use.source.name for use in whole.data.sources][:1] == ["stamps"]
    assert [use.source.name for use in tiny.data.sources] == ["stamps"]
    assert tiny.stages[0].steps < whole.stages[0].steps / 5
    assert tiny.data.split == whole.data.split


def test_the_issues_split_is_held_out() -> None:
    split = demo().data.split
    assert split is not None
    assert (split.source, split.held_out) == ("stamps", 200)
    assert split.unseen_languages


def test_all_towers_are_frozen_and_the_model_is_built_without_their_weights() -> None:
    recipe = demo()
    assert all(use.frozen and use.weights for use in recipe.model.towers.values())
    model = recipe.model.build()
    assert model.views == ("image", "text", "sound", "speech")
    widths = {name: model.tower_shape(name).pooled_width for name in recipe.model.towers}
    assert widths == {"image": 1280, "text": 384, "audio": 768}
    assert model.dimension == 384 + 384
    assert model.named_classes.class_weight.shape == (1000, 1280)


@pytest.mark.parametrize(
    "override, message",
    [
        ("model.towers.image.frozen=false", "named_classes needs the tower 'image' frozen"),
        ("model.towers.image.weights=''", "a frozen tower needs weights"),
        ("model.named_classes.share=2", "less than or equal to 1"),
        ("model.views.image=eye", "tower 'eye' that is not there"),
        ("stages.heads.lerning_rate=1", "did you mean 'learning_rate'"),
    ],
)
def test_wrong_overrides_are_refused_in_words(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        apply_overrides(demo(tiny=True), [override])


def test_named_classes_can_be_left_out() -> None:
    recipe = apply_overrides(demo(tiny=True), ["model.named_classes=null"])
    model = recipe.model.build()
    assert model.named_classes is None and model.dimension == 384


def test_a_picture_tower_can_be_trained_by_override() -> None:
    recipe = apply_overrides(
        demo(tiny=True), ["model.named_classes=null", "model.towers.image.frozen=false"]
    )
    assert not recipe.model.towers["image"].frozen


def test_a_users_folder_takes_the_place_of_the_sources(tmp_path: Path) -> None:
    recipe = apply_overrides(
        demo(tiny=True),
        [f"data.sources=[{{source: {{name: folder, path: {tmp_path}}}}}]", "data.split=null"],
    )
    assert recipe.data.sources[0].source.name == "folder"
    assert recipe.data.split is None
    assert from_yaml(to_yaml(recipe)) == recipe


def test_importing_the_library_imports_no_recipe() -> None:
    code = "import sys, interlingua, interlingua.train.session as s; " \
           "print([m for m in sys.modules if m.startswith('interlingua.recipes')])"  # fmt: skip
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
