"""Pictures in one folder per class, as torchvision's ``ImageFolder`` and most class sets have them.

``root/red_panda/001.jpg`` is a picture of the class ``red_panda``; folders inside of a class
folder belong to it. With ``split`` the classes stand below ``root/train``, ``root/val`` and
so on. Unlike ``folder``, which takes words beside a picture for its captions, this
source knows nothing but classes, and all of them: one without a picture is a class too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from interlingua.config import NamedConfig, nearest
from interlingua.content import Content, FileContent
from interlingua.data.endings import IMAGE_ENDINGS
from interlingua.data.labels import (
    ClassName,
    check_classes,
    class_texts,
    class_words,
    read_class_names,
)
from interlingua.data.source import ListSource, Problem
from interlingua.data.sources.names import words_of
from interlingua.errors import DataError
from interlingua.sample import Image, Label, Meta, OneOf, Sample


class LabelledSource(ListSource):
    """A source of pictures with classes.

    Attributes:
        classes: all of them, in the order of their numbers; also those without a picture.
        benchmark: the public test set that this is a copy of, or empty.
        benchmark_size: how many pictures that set has; a figure on fewer isn't its figure.
    """

    classes: Sequence[ClassName] = ()
    benchmark: str = ""
    benchmark_size: int = 0


class ImageFolder(LabelledSource):
    """The pictures of a folder of class folders.

    Raises:
        DataError: no such folder, no class or no picture in it, or names that don't fit.
    """

    class Config(NamedConfig):
        """Settings.

        Attributes:
            path: the folder of class folders.
            split: the folder below it that is read, ``train`` or ``val``; empty = none.
            names: a label file (``folder<TAB>name``, or one name per line in the folders'
                sorted order); by default the words in the folders' names.
            templates: texts for training, ``a photo of a {}.``; the plain name if none.
        """

        folder: ClassVar[str] = "data"
        name: str = "image_folder"
        path: Path
        split: str = ""
        names: Path | None = None
        templates: tuple[str, ...] = ()

    def __init__(self, config: ImageFolder.Config):
        top = config.path.expanduser()
        root = top / config.split if config.split else top
        folders = class_folders(root)
        keys = [folder.name for folder in folders]
        if config.names is None:
            self.classes = [ClassName(key, (class_words(key),)) for key in keys]
            _check_names(keys, root)
            check_classes(self.classes, str(root))
        else:
            self.classes = named(keys, config.names)
        by_key = {one.key: one for one in self.classes}
        title = top.resolve().name or "pictures"
        samples: list[Sample] = []
        problems: list[Problem] = []
        for folder in folders:
            found = 0
            for path in pictures_below(folder, problems):
                key = path.relative_to(root).as_posix()
                one = by_key[folder.name]
                samples.append(labelled(key, FileContent(path), one, title, config.templates))
                found += 1
            if not found:
                problems.append(Problem("a class without a picture", str(folder)))
        if not samples:
            raise DataError(
                "There is no picture in these class folders.",
                where=str(root),
                next_step=f"Endings that are read: {' '.join(IMAGE_ENDINGS)}.",
            )
        super().__init__(title, samples, problems)


def _check_names(keys: Sequence[str], root: Path) -> None:
    """Refuse folders whose names say nothing: 0, 1, 2, or synsets."""
    if all(re.fullmatch(r"n?\d+", key) for key in keys):
        raise DataError(
            f"The classes have no names: the folders are called {', '.join(keys[:3])} ...",
            where=str(root),
            next_step="Give a label file as `names`, with lines such as `n02084071<TAB>dog`; "
            "for ImageNet, open the source `imagenet`.",
        )


def class_folders(root: Path) -> list[Path]:
    """The folders directly below ``root``, sorted; hidden ones are passed over.

    Raises:
        DataError: there is no ``root``, or nothing in it.
    """
    if not root.is_dir():
        raise DataError("There is no such folder.", where=str(root), next_step="Check the path.")
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not folders:
        raise DataError(
            "There is no class in this folder: it has no folders in it.",
            where=str(root),
            next_step="Put the pictures of each class into a folder that has the class's name.",
        )
    return folders


def pictures_below(folder: Path, problems: list[Problem]) -> Iterator[Path]:
    """The pictures of one class, sorted; what isn't read is noted."""

    def unreadable(error: OSError) -> None:
        problems.append(Problem("a folder that can't be read", str(error.filename)))

    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            ending = Path(name).suffix.lower()
            if name.startswith("."):
                continue
            if ending in IMAGE_ENDINGS:
                yield Path(parent, name)
            else:
                place = str(Path(parent, name))
                problems.append(Problem(f"the ending {ending or 'none'} is not read", place))


def labelled(
    key: str, content: Content, one: ClassName, source: str, templates: Sequence[str] = ()
) -> Sample:
    """A picture of a class, as a sample with the views image, text and label."""
    texts = class_texts(one, templates)
    words = OneOf(texts) if len(texts) > 1 else texts[0]
    meta = Meta(source=source, group=one.name, name=words_of(Path(key).stem))
    return Sample(key, (Image(content), words, Label(one.key)), meta=meta)


def named(keys: Sequence[str], path: Path) -> list[ClassName]:
    """The classes of some folders with the names that a label file gives them.

    Raises:
        DataError: the file is wrong, lacks a folder, or has another number of classes.
    """
    given = read_class_names(path, repeats=True)
    by_key = {one.key: one for one in given}
    if by_key.keys() & set(keys):
        lacking = [key for key in keys if key not in by_key]
        if lacking:
            raise DataError(
                f"{len(lacking)} classes have no name, {lacking[0]!r} first"
                f"{nearest(lacking[0], by_key)}.",
                where=str(path),
                next_step="Add a line for each: the folder's name, a tab, the class's name.",
            )
        return [by_key[key] for key in keys]
    if len(given) != len(keys):
        raise DataError(
            f"The file names {len(given)} classes, there are {len(keys)} folders.",
            where=str(path),
            next_step="Write one line per folder in sorted order, or `folder<TAB>name`.",
        )
    return [ClassName(key, one.names) for key, one in zip(keys, given, strict=True)]
