"""What the files beside a ``transformers`` model say about its architecture and preprocessing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interlingua.errors import LayoutError

# PIL's numbers of its filters
_INTERPOLATION = {2: "bilinear", 3: "bicubic"}
# in a folder's config.json, but about other things than the shape of the model
_NOT_SETTINGS = ("architectures", "auto_map", "dtype", "torch_dtype", "transformers_version",
                 "_name_or_path")  # fmt: skip
LONGEST_TEXT = 512


def read_description(folder: Path) -> dict[str, Any]:
    """Settings of a ``TransformersBackbone`` from a folder.

    Args:
        folder: with ``config.json``, and where it has them ``preprocessor_config.json`` and
            ``tokenizer.json``.

    Raises:
        LayoutError: there is no description, or it is not what it should be.
    """
    settings = _read(folder / "config.json")
    if not isinstance(settings.get("model_type"), str):
        raise LayoutError("The description names no model_type.", where=str(folder / "config.json"))
    found: dict[str, Any] = {
        "settings": {key: value for key, value in settings.items() if key not in _NOT_SETTINGS}
    }
    pictures = folder / "preprocessor_config.json"
    if pictures.exists():
        found |= _of_pictures(_read(pictures))
    elif isinstance(settings.get("image_size"), int):
        found["image_size"] = settings["image_size"]
    if "vocab_size" in settings:
        found["modality"] = "text"
        positions = settings.get("max_position_embeddings")
        found["max_tokens"] = min(positions or LONGEST_TEXT, LONGEST_TEXT)
    if (folder / "tokenizer.json").exists():
        found["tokenizer"] = str(folder)
    return found


def _of_pictures(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Resize, centre crop and normalisation of transformers as ours."""
    found: dict[str, Any] = {}
    for theirs, ours in (("image_mean", "mean"), ("image_std", "std")):
        if settings.get("do_normalize", True) and settings.get(theirs):
            found[ours] = tuple(settings[theirs])
    found["interpolation"] = _INTERPOLATION.get(settings.get("resample", 3), "bicubic")
    size, crop = settings.get("size"), settings.get("crop_size")
    short = _side(size, "shortest_edge") or (size if isinstance(size, int) else 0)
    if settings.get("do_center_crop") and _side(crop, "height"):
        found["image_size"] = _side(crop, "height")
        found["fit"] = "crop"
        if short >= found["image_size"]:
            found["crop_fraction"] = found["image_size"] / short
    elif _side(size, "height"):
        found["image_size"] = _side(size, "height")
        found["fit"] = "squash"
    elif short:
        found |= {"image_size": short, "fit": "crop", "crop_fraction": 1.0}
    return found


def _side(size: Any, key: str) -> int:
    """A side in pixels, 0 where there is none; a plain number is the side of a square."""
    if key == "height" and isinstance(size, int):
        return size
    return int(size.get(key) or 0) if isinstance(size, Mapping) else 0


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise LayoutError(f"{path.name} can't be read: {error}", where=str(path)) from error
    if not isinstance(content, dict):
        raise LayoutError(f"{path.name} holds no settings.", where=str(path))
    return content
