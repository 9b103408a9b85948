"""Recipes: Python functions that return a complete description of a run.

Only the command line and the tests import this folder; the library never does.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from interlingua.config import nearest
from interlingua.errors import ConfigError

if TYPE_CHECKING:
    from interlingua.train.recipe import Recipe

TABLE: dict[str, str] = {
    "align": "interlingua.recipes.align:align",
    "align_b7": "interlingua.recipes.align:align_b7",
    "aligned": "interlingua.recipes.towers_alone:aligned",
    "caption_words": "interlingua.recipes.towers_alone:caption_words",
    "clip": "interlingua.recipes.clip:clip",
    "clip_b16": "interlingua.recipes.clip:clip_b16",
    "clip_b32": "interlingua.recipes.clip:clip_b32",
    "clip_l14": "interlingua.recipes.clip:clip_l14",
    "clip_small_first": "interlingua.recipes.clip:clip_small_first",
    "cnn_gru": "interlingua.recipes.lit:cnn_gru",
    "demo": "interlingua.recipes.shared_space:demo",
    "lit": "interlingua.recipes.lit:lit",
    "picture_classes": "interlingua.recipes.towers_alone:picture_classes",
    "picture_patches": "interlingua.recipes.towers_alone:picture_patches",
    "siglip": "interlingua.recipes.siglip:siglip",
    "siglip_b16": "interlingua.recipes.siglip:siglip_b16",
    "siglip_l16": "interlingua.recipes.siglip:siglip_l16",
    "siglip_so400m": "interlingua.recipes.siglip:siglip_so400m",
    "finetune": "interlingua.recipes.finetune:finetune",
}


def load_recipe(name: str | Path, tiny: bool = False) -> Recipe:
    """The recipe of a name in ``TABLE``, of ``package.module:function``, or of a YAML file.

    Args:
        name: also a run folder, which keeps its resolved recipe.
        tiny: the small variant that the tests run; a YAML file has none.

    Raises:
        ConfigError: nothing has that name (the nearest one is named), or the file is wrong.
    """
    from interlingua.train.recipe import Recipe, read_yaml  # torch-free, but slow to start

    path = Path(name)
    if path.is_dir():
        path = path / "recipe.yaml"
    if path.suffix in (".yaml", ".yml"):
        if tiny:
            raise ConfigError(
                "A recipe file has no tiny variant.",
                where=str(path),
                next_step="Leave --tiny out, or name the recipe that the file was made from.",
            )
        return read_yaml(path)
    target = TABLE.get(str(name), str(name))
    if ":" not in target:
        raise ConfigError(
            f"There is no recipe {str(name)!r}{nearest(str(name), TABLE)}.",
            next_step=f"Known: {', '.join(sorted(TABLE))}; or a .yaml file, "
            "or package.module:function.",
        )
    module_name, _, attribute = target.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        if str(name) in TABLE:
            raise
        raise ConfigError(f"{str(name)!r} can't be imported: {error}.") from error
    try:
        recipe = function(tiny=tiny)
    except ValidationError as error:
        raise ConfigError(f"The recipe {str(name)!r} is wrong: {error}.") from error
    if not isinstance(recipe, Recipe):
        raise ConfigError(f"{str(name)!r} gives a {type(recipe).__name__}, not a Recipe.")
    return recipe
