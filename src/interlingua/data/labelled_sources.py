"""Opens what somebody has with classes or captions, by its layout: one place that looks.

``open_labelled("my/pictures")`` is a folder of class folders, ``open_labelled("imagenet")`` with
synset folders is ImageNet, a folder with ``batches.meta.txt`` is CIFAR, a
``dataset_coco.json`` is the Karpathy split, a manifest has a ``label`` column.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from interlingua import data
from interlingua.config import nearest, resolve, validate
from interlingua.data import MANIFEST_ENDINGS, PARQUET_ENDING, TABLE
from interlingua.data.endings import IMAGE_ENDINGS
from interlingua.data.shards.places import is_shards
from interlingua.data.source import Source
from interlingua.data.sources.imagenet import INSIDE, MAPPING, SOLUTION, SYNSET
from interlingua.data.sources.karpathy import is_karpathy
from interlingua.errors import ConfigError, DataError

# the test part first: it is what figures are about
SPLITS = ("test", "val", "valid", "validation", "train")


def open_labelled(
    name_or_path: str | Path,
    *,
    split: str = "",
    names: Path | None = None,
    images: Path | None = None,
) -> Source:
    """Open a source of pictures with classes or captions.

    Args:
        name_or_path: a folder, a manifest, a Karpathy JSON, or a source's name.
        split: which part of it, as the layout calls it; its test part by default.
        names: a label file for the classes; of a source that has labels only (a manifest) they
            are taken by ``labels.classes_of``.
        images: the folder of the pictures, for a Karpathy JSON.

    Raises:
        DataError: see the sources.
        ConfigError: an option that this layout doesn't have, or a split that it lacks.
    """
    settings = settings_of(name_or_path, split=split, names=names, images=images)
    source_class = resolve("data", settings["name"])
    config = validate(source_class.Config, settings, where=f"data {name_or_path}")
    source: Source = source_class(config)
    return source


def settings_of(
    name_or_path: str | Path,
    *,
    split: str = "",
    names: Path | None = None,
    images: Path | None = None,
) -> dict[str, Any]:
    """What ``open_labelled`` opens, as the settings of a source: for a recipe.

    Raises:
        DataError: there is nothing of that name.
        ConfigError: an option that this layout doesn't have.
    """
    path = Path(name_or_path).expanduser()
    given: dict[str, Any] = {"split": split, "names": names, "images": images}
    if str(name_or_path) in TABLE or (":" in str(name_or_path) and not path.exists()):
        _only(given, "names", str(name_or_path))
        return {"name": str(name_or_path)}
    if is_shards(str(name_or_path)) or path.suffix.lower() == PARQUET_ENDING:
        _only(given, "names", "a set of shards or a table")
        return data.settings_of(str(name_or_path))
    if path.is_dir():
        return _of_folder(path, given)
    if path.is_file() and is_karpathy(path):
        options = _only(given, "split images", "a Karpathy split")
        if "split" in options:
            options["splits"] = options.pop("split").split("+")
        return {"name": "karpathy", "path": path, **options}
    if path.is_file() and path.suffix.lower() in MANIFEST_ENDINGS:
        _only(given, "names", "a manifest")
        return {"name": "manifest", "path": path}
    raise DataError(
        f"There is no folder, manifest, Karpathy JSON or source {str(name_or_path)!r}"
        f"{nearest(str(name_or_path), TABLE)}.",
        next_step=f"Known names: {', '.join(sorted(TABLE))}; or give a path.",
    )


def split_names(path: Path) -> list[str]:
    """The parts of a folder that holds nothing but ``train``, ``val`` and so on."""
    if not path.is_dir():
        return []
    folders = {one.name for one in path.iterdir() if one.is_dir() and one.name[0] != "."}
    return [name for name in SPLITS if name in folders] if folders <= set(SPLITS) else []


def _of_folder(path: Path, given: dict[str, Any]) -> dict[str, Any]:
    if _has_captions(path):
        _only(given, "", "a folder with captions")
        return {"name": "folder", "path": path}
    options = _only(given, "split names", "a folder")
    if _is_cifar(path):
        return {"name": "cifar", "root": path, **options}
    if _is_imagenet(path):
        return {"name": "imagenet", "root": path, **options}
    if "split" not in options and (parts := split_names(path)):
        options["split"] = parts[0]
    return {"name": "image_folder", "path": path, **options}


def _has_captions(path: Path) -> bool:
    """Whether a text file stands beside a picture of its name."""
    for text in (*path.glob("*.txt"), *path.glob("*/*.txt")):
        if any(text.with_suffix(ending).is_file() for ending in IMAGE_ENDINGS):
            return True
    return False


def _is_cifar(path: Path) -> bool:
    inner = ("", "cifar-10-batches-bin", "cifar-100-binary", "cifar-10-batches-py")
    marks = ("batches.meta.txt", "fine_label_names.txt", "batches.meta")
    if (path / "cifar-100-python").is_dir() or (path / "meta").is_file():
        return True
    return any((path / place / mark).is_file() for place in inner for mark in marks)


def _is_imagenet(path: Path) -> bool:
    if any((path / name).is_file() for name in (MAPPING, SOLUTION)) or (path / INSIDE).is_dir():
        return True
    for part in ("val", "train"):
        place = path / part
        folders = [one.name for one in place.iterdir() if one.is_dir()] if place.is_dir() else []
        if folders and all(SYNSET.fullmatch(name) for name in folders):
            return True
    return False


def _only(given: dict[str, Any], allowed: str, what: str) -> dict[str, Any]:
    """The options that were given; refuses those that the layout doesn't have."""
    options = {name: value for name, value in given.items() if value}
    extra = sorted(set(options) - set(allowed.split()))
    if extra:
        raise ConfigError(
            f"{what} takes no {', '.join(extra)}.",
            next_step=f"It takes {', '.join(allowed.split())}." if allowed else "Leave it out.",
        )
    return options
