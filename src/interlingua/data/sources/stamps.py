"""Tux Paint stamps: the one set where the same thing is seen, heard, spoken and written.

Each stamp has a ``.txt``: its first line is English, then ``xx.utf8=`` lines give its name
in other languages. Beside it stand a picture, sometimes a sound (``dog.ogg`` barks) and
its name spoken (``dog_desc_fr.ogg``; ``dog_desc.ogg`` is English).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from interlingua import data
from interlingua.config import NamedConfig
from interlingua.content import FileContent
from interlingua.data.entries import STAMPS_FOLDER
from interlingua.data.source import ListSource, Problem
from interlingua.data.sources.names import plain_name
from interlingua.errors import DataError
from interlingua.sample import Audio, Image, Meta, OneOf, Part, Sample, Text

# Letters, digits and chess pieces are no things, and mirrored stamps repeat others.
LEFT_OUT_FOLDER = "symbols"
LEFT_OUT_NAME = re.compile(r"_(mirror|flip)")
SPOKEN = re.compile(r"_desc(?:_(?P<language>[a-z]{2,3}(?:_[A-Z]{2})?))?\.(?:ogg|wav)$")
TRANSLATION = re.compile(r"^(?P<language>[A-Za-z@_]+)\.utf8=(?P<text>.*)$")


class Stamps(ListSource):
    """The stamps as samples with the views image, text, sound and speech.

    Raises:
        FetchError: they aren't cached and can't be fetched.
        DataError: there are none at ``root``.
    """

    class Config(NamedConfig):
        """Settings.

        Attributes:
            root: the folder that holds ``animals``, ``food`` ...; fetched if not given.
            languages: BCP 47 codes of the spoken names to keep; all if empty.
        """

        folder: ClassVar[str] = "data"
        name: str = "stamps"
        root: Path | None = None
        languages: tuple[str, ...] = ()

    def __init__(self, config: Stamps.Config):
        root = config.root or data.get("stamps") / STAMPS_FOLDER
        samples: list[Sample] = []
        problems: list[Problem] = []
        for folder, names in _folders(root):
            for stem in sorted(Path(n).stem for n in names if n.endswith(".txt")):
                if LEFT_OUT_NAME.search(stem):
                    continue
                sample = _sample(root, folder, stem, names, config.languages)
                if isinstance(sample, Problem):
                    problems.append(sample)
                else:
                    samples.append(sample)
        if not samples:
            raise DataError(
                "There are no stamps here.",
                where=str(root),
                next_step="Give the folder that holds `animals`, `food` and so on, or no root.",
            )
        super().__init__("stamps", samples, problems)


def _folders(root: Path) -> Iterable[tuple[Path, set[str]]]:
    for parent, folders, names in os.walk(root):
        folders[:] = sorted(folders)
        if Path(parent) == root:
            folders[:] = [name for name in folders if name != LEFT_OUT_FOLDER]
        yield Path(parent), set(names)


def _sample(
    root: Path, folder: Path, stem: str, names: set[str], languages: tuple[str, ...]
) -> Sample | Problem:
    picture = next((f"{stem}{end}" for end in (".png", ".svg") if f"{stem}{end}" in names), None)
    group = folder.relative_to(root).as_posix()
    key = f"{group}/{stem}"
    if picture is None:
        return Problem("a text without a picture", key)
    english, translations = _read_names(folder / f"{stem}.txt")
    if not english:
        return Problem("no English name", key)
    name = plain_name(english, stem)
    parts: list[Part | OneOf] = [
        Image(FileContent(folder / picture)),
        OneOf(tuple(Text(text, "en") for text in dict.fromkeys((english, name)))),
    ]
    sound = next((f"{stem}{end}" for end in (".ogg", ".wav") if f"{stem}{end}" in names), None)
    if sound:
        parts.append(Audio(FileContent(folder / sound), "sound"))
    spoken = []
    for file_name in sorted(n for n in names if n.startswith(f"{stem}_desc")):
        match = SPOKEN.fullmatch(file_name, len(stem))
        if not match:
            continue
        code = match["language"] or "en"
        language = code.replace("_", "-")
        if languages and language not in languages:
            continue
        transcript = english if code == "en" else translations.get(code)
        content = FileContent(folder / file_name)
        spoken.append(Audio(content, "speech", language=language, transcript=transcript))
    if spoken:
        parts.append(OneOf(tuple(spoken)))
    meta = Meta(source="stamps", group=group, licence="GPL-2.0-only", name=name)
    return Sample(key, tuple(parts), meta=meta)


def _read_names(path: Path) -> tuple[str, dict[str, str]]:
    """The English line, and the other names by language code as the file writes it."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    translations = {
        match["language"]: match["text"].strip()
        for match in map(TRANSLATION.match, lines[1:])
        if match and match["text"].strip()
    }
    return lines[0].strip(), translations
