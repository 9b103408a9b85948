"""ImageNet-1k (ILSVRC 2012) as it is handed out: synset folders, or the Kaggle archive.

``train/n01440764/*.JPEG`` and ``val/n01440764/*.JPEG``, or ``val/*.JPEG`` with
``LOC_val_solution.csv``; the two folders may stand in ``ILSVRC/Data/CLS-LOC`` as in
Kaggle's archive. Class numbers are the places of the synsets in sorted order, as everywhere.

Source: Russakovsky et al. 2015, arXiv:1409.0575, section 3.
"""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import ClassVar, Literal

from interlingua import weights
from interlingua.config import NamedConfig
from interlingua.content import FileContent
from interlingua.data.labels import ClassName, aliases
from interlingua.data.source import Problem
from interlingua.data.sources.image_folder import (
    LabelledSource,
    class_folders,
    labelled,
    named,
    pictures_below,
)
from interlingua.errors import DataError

SYNSET = re.compile(r"n\d{8}")
MAPPING = "LOC_synset_mapping.txt"
SOLUTION = "LOC_val_solution.csv"
INSIDE = Path("ILSVRC/Data/CLS-LOC")
SIZES = {"val": 50_000, "train": 1_281_167}


class ImageNet(LabelledSource):
    """The pictures of one split with their synsets.

    Raises:
        DataError: the folder isn't laid out so, or names and synsets don't fit.
        FetchError: the names of the classes can't be had.
    """

    class Config(NamedConfig):
        """Settings.

        Attributes:
            root: the folder that holds ``train`` and ``val``.
            split: which of them.
            names: a label file: ``synset<TAB>names``, or 1,000 lines in class order such as
                CLIP's own list; by default ``LOC_synset_mapping.txt`` beside the
                pictures, else the weights entry ``imagenet-names``.
            present_only: only synsets that have pictures are classes. A part of ImageNet is
                an easier task then, so it's off unless asked for.
            templates: texts for training.
        """

        folder: ClassVar[str] = "data"
        name: str = "imagenet"
        root: Path
        split: Literal["train", "val"] = "val"
        names: Path | None = None
        present_only: bool = False
        templates: tuple[str, ...] = ()

    def __init__(self, config: ImageNet.Config):
        root = config.root.expanduser()
        pictures = _split_folder(root, config.split)
        problems: list[Problem] = []
        found = _by_solution(root, pictures, problems) if _is_flat(pictures) else None
        if found is None:
            found = [
                (path, folder.name)
                for folder in class_folders(pictures)
                if _is_synset(folder, problems)
                for path in pictures_below(folder, problems)
            ]
        classes = _classes(root, config.names)
        if config.present_only:
            present = {synset for _, synset in found}
            classes = [one for one in classes if one.key in present]
        by_key = {one.key: one for one in classes}
        samples = []
        for path, synset in found:
            if synset not in by_key:
                problems.append(Problem("a synset that is no class", str(path)))
                continue
            key = path.relative_to(pictures).as_posix()
            content = FileContent(path)
            samples.append(labelled(key, content, by_key[synset], "imagenet", config.templates))
        if not samples:
            raise DataError(
                "There is no ImageNet picture here.",
                where=str(pictures),
                next_step="Pictures stand in folders such as n01440764.",
            )
        self.classes = classes
        if not config.present_only and len(classes) == 1000:
            self.benchmark = f"ImageNet-1k {config.split}"
            self.benchmark_size = SIZES[config.split]
        super().__init__("imagenet", samples, problems)


def _split_folder(root: Path, split: str) -> Path:
    for place in (root / split, root / INSIDE / split):
        if place.is_dir():
            return place
    raise DataError(
        f"There is no {split!r} folder here.",
        where=str(root),
        next_step=f"Give the folder that holds `train` and `val`, or Kaggle's with `{INSIDE}`.",
    )


def _is_flat(pictures: Path) -> bool:
    """Whether the pictures stand in one folder, as the archive of the validation set has them."""
    return not any(SYNSET.fullmatch(path.name) for path in pictures.iterdir() if path.is_dir())


def _is_synset(folder: Path, problems: list[Problem]) -> bool:
    if SYNSET.fullmatch(folder.name):
        return True
    problems.append(Problem("a folder that is no synset", str(folder)))
    return False


def _by_solution(root: Path, pictures: Path, problems: list[Problem]) -> list[tuple[Path, str]]:
    """Pictures of one folder with the synsets that the table gives."""
    table = root / SOLUTION
    if not table.is_file():
        raise DataError(
            "The pictures are not in synset folders, and there is no table of their classes.",
            where=str(pictures),
            next_step=f"Put {SOLUTION} into {root}, or sort them into folders such as n01440764.",
        )
    synsets: dict[str, str] = {}
    with table.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        for row in csv.reader(file):
            # ImageId, then "n03995372 85 1 499 272 ...": a synset and its box, repeated
            match = SYNSET.match(row[1]) if len(row) > 1 else None
            if match:
                synsets[row[0]] = match.group()
    found = []
    for path in pictures_below(pictures, problems):
        if path.stem in synsets:
            found.append((path, synsets[path.stem]))
        else:
            problems.append(Problem("a picture that the table doesn't name", str(path)))
    return found


def _classes(root: Path, names: Path | None) -> list[ClassName]:
    mapping = root / MAPPING
    known = _read_mapping(mapping) if mapping.is_file() else _from_catalogue()
    return known if names is None else named([one.key for one in known], names)


def _read_mapping(path: Path) -> list[ClassName]:
    """``n01440764 tench, Tinca tinca`` per line."""
    classes = []
    for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
        synset, _, words = line.strip().partition(" ")
        if not line.strip():
            continue
        if not SYNSET.fullmatch(synset) or not aliases(words):
            raise DataError("This is not a synset with its names.", where=f"{path}:{number}")
        classes.append(ClassName(synset, aliases(words)))
    return sorted(classes, key=lambda one: one.key)


def _from_catalogue() -> list[ClassName]:
    path = weights.get("imagenet-names") / "imagenet_names.json"
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        return [ClassName(one["synset"], tuple(one["lemmas"])) for one in listed]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            "The names of ImageNet's classes can't be read.",
            where=str(path),
            next_step="interlingua weights get imagenet-names --force",
        ) from error
