"""Pictures with five captions each: COCO, Flickr30k and Flickr8k in the Karpathy split.

``dataset_coco.json`` and its brothers hold ``images``: each with ``filename``, ``filepath``
(COCO only), ``split`` (train, restval, val, test) and ``sentences``, whose ``raw`` is the
caption. The pictures stand beside the JSON, or in the folder that is given.

The file is read picture by picture, so a file of any size takes the memory of what is kept of it.

Source: Karpathy, Fei-Fei 2015, "Deep Visual-Semantic Alignments", section 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, PositiveInt

from interlingua.config import NamedConfig
from interlingua.content import FileContent
from interlingua.data.json_members import read_members
from interlingua.data.source import ListSource, Problem
from interlingua.errors import DataError
from interlingua.sample import Image, Meta, OneOf, Sample, Text

Split = Literal["train", "restval", "val", "test"]

# the pictures of each test split
TEST_SIZES = {"coco": 5_000, "flickr30k": 1_000, "flickr8k": 1_000}
# where the usual downloads put the pictures
PLACES = ("", "images", "flickr30k-images", "flickr30k_images", "Flicker8k_Dataset", "Images")


class Karpathy(ListSource):
    """The pictures of some splits, each with its captions as alternatives.

    Attributes:
        benchmark: ``coco test`` where the test split alone is read, else empty.
        benchmark_size: how many pictures that split has.

    Raises:
        DataError: no such file, another layout, or none of its pictures is there.
    """

    benchmark: str = ""
    benchmark_size: int = 0

    class Config(NamedConfig):
        """Settings.

        Attributes:
            path: of the JSON file.
            images: the folder of the pictures; the JSON's own if not given.
            splits: which are read; COCO is usually trained on ``train`` and ``restval``.
            captions: of a picture, the first ones; some of COCO's have six or seven, the
                published figures count five.
        """

        folder: ClassVar[str] = "data"
        name: str = "karpathy"
        path: Path
        images: Path | None = None
        splits: tuple[Split, ...] = Field(default=("test",), min_length=1)
        captions: PositiveInt = 5

    def __init__(self, config: Karpathy.Config):
        path = config.path.expanduser()
        title = path.stem
        root = (config.images or path.parent).expanduser()
        samples: list[Sample] = []
        problems: list[Problem] = []
        known: list[Path] = []
        splits: set[str] = set()
        number = -1
        for name, entry in _read(path):
            if name == "dataset":
                title = entry if isinstance(entry, str) and entry else title
                continue
            number += 1
            splits.add(str(entry.get("split")))
            if entry.get("split") not in config.splits:
                continue
            sample = _sample(number, entry, root, config.captions, known)
            if isinstance(sample, Problem):
                problems.append(sample)
            else:
                samples.append(sample)
        if number < 0:
            raise _no_images(path)
        for place, sample in enumerate(samples):  # the name may stand behind the pictures
            samples[place] = replace(sample, meta=replace(sample.meta, source=title))
        if not samples:
            first = f" ({problems[0].reason}: {problems[0].where})" if problems else ""
            raise DataError(
                f"No picture of the splits {', '.join(config.splits)} can be used{first}.",
                where=str(path),
                next_step=f"Splits in the file: {', '.join(sorted(splits))}. "
                "Give the folder of the pictures as `images`.",
            )
        if config.splits == ("test",) and title in TEST_SIZES:
            self.benchmark, self.benchmark_size = f"{title} test", TEST_SIZES[title]
        super().__init__(title, samples, problems)


def is_karpathy(path: Path) -> bool:
    """Whether the head of a JSON file looks like this layout."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    return path.suffix.lower() == ".json" and b'"images"' in head and b"{" in head[:64]


def _read(path: Path) -> Iterator[tuple[str, Any]]:
    """(``images``, an entry) of each picture, and (``dataset``, the name) where it stands."""
    try:
        for name, value in read_members(path, "images"):
            if name == "dataset":
                yield name, value
            elif name == "images":
                if not isinstance(value, dict):
                    raise _no_images(path)
                yield name, value
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            "The captions can't be read as JSON.",
            where=str(path),
            next_step="Give dataset_coco.json, dataset_flickr30k.json or a file like them.",
        ) from error


def _no_images(path: Path) -> DataError:
    return DataError(
        "This JSON has no list `images` of pictures, so it is not in the Karpathy layout.",
        where=str(path),
        next_step="A table of pictures and captions of your own goes into a .jsonl manifest.",
    )


def _sample(
    number: int, entry: dict[str, Any], root: Path, most: int, known: list[Path]
) -> Sample | Problem:
    place = f"image {number}"
    name, folder = entry.get("filename"), entry.get("filepath", "")
    if not isinstance(name, str) or not isinstance(folder, str) or not name:
        return Problem("an entry without a file name", place)
    picture = _find(root, folder, name, known)
    if picture is None:
        return Problem("a picture that isn't there", str(root / folder / name))
    sentences = entry.get("sentences")
    captions = [
        " ".join(one["raw"].split())
        for one in (sentences if isinstance(sentences, list) else [])
        if isinstance(one, dict) and isinstance(one.get("raw"), str) and one["raw"].strip()
    ]
    if not captions:
        return Problem("a picture without a caption", str(picture))
    texts = tuple(Text(caption, "en") for caption in captions[:most])
    words = OneOf(texts) if len(texts) > 1 else texts[0]
    component = entry.get("imgid")
    meta = Meta(component=component if isinstance(component, int) else number)
    return Sample(f"{folder}/{name}".lstrip("/"), (Image(FileContent(picture)), words), meta=meta)


def _find(root: Path, folder: str, name: str, known: list[Path]) -> Path | None:
    """The picture's file below ``root``; ``known`` are folders that pictures were found in."""
    if Path(name).name != name or Path(folder).is_absolute() or ".." in Path(folder).parts:
        return None  # a path that leads elsewhere
    tried = [root / folder, *known, *(root / place for place in PLACES)]
    for place in tried:
        if (place / name).is_file():
            if place not in known:
                known.append(place)
            return place / name
    return None
