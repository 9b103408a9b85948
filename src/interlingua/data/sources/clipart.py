"""Open Clip Art: drawings whose words are as noisy as web alt-text.

Each picture is a PNG; its words stand in the RDF of the SVG of the same name. Titles are
copied from picture to picture ("gramastar" 1,375 times), so a text counts the less the
more pictures share it; the file name is often the only word that is a picture's own.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from interlingua import data
from interlingua.config import NamedConfig
from interlingua.content import FileContent
from interlingua.data.entries import CLIPART_FOLDER
from interlingua.data.source import ListSource, Problem
from interlingua.data.sources.names import words_of
from interlingua.data.sources.svg_words import SvgWords, read_all
from interlingua.errors import DataError
from interlingua.sample import Image, Meta, OneOf, Sample, Text

SHARED_BY_MANY = 10
MAX_DESCRIPTION = 200
# Keywords that say nothing of the picture.
BOILERPLATE = frozenset(
    (
        *("11", "clip_art", "clipart", "externalsource", "hash", "icons", "image", "images"),
        *("lemon_theme_icon", "mapsym", "mime-types", "mimetypes", "openclipart", "png"),
        *("simple", "special", "svg", "theme", "unsorted", "webpage"),
    )
)
_NO_WORD = re.compile(r"^(hash\()?0x|^hash\(|^[\W\d_]*$")
_ADVERT = re.compile(r"^(?:clipart|clip art|picture|drawing) by [^-–:]+[-–:]\s*", re.IGNORECASE)
_NO_DESCRIPTION = re.compile(r"@|https?:|hash\(", re.IGNORECASE)


class Clipart(ListSource):
    """The pictures with title, description, keywords, file name and folder as texts.

    Raises:
        FetchError: they aren't cached and can't be fetched.
        DataError: there are none at ``root``.
    """

    class Config(NamedConfig):
        """Settings.

        Attributes:
            root: the folder that holds ``png`` and ``svg``; fetched if not given.
            titles: ``cleaned`` gives all words, weighted; ``raw`` the title alone, as it stands
                there with all its noise (for filters to work on).
        """

        folder: ClassVar[str] = "data"
        name: str = "clipart"
        root: Path | None = None
        titles: Literal["cleaned", "raw"] = "cleaned"

    def __init__(self, config: Clipart.Config):
        root = config.root or data.get("clipart") / CLIPART_FOLDER
        pictures = _pictures(root / "png")
        if not pictures:
            raise DataError(
                "There is no clip art here.",
                where=str(root),
                next_step="Give the folder that holds `png` and `svg`, or no root.",
            )
        words, unread = read_all(root / "svg")
        titles = Counter(_title(item).lower() for item in words.values())
        descriptions = Counter(item.description for item in words.values())
        raw = config.titles == "raw"
        samples, problems = [], [Problem(reason, f"svg/{name}") for name, reason in unread]
        for stem in pictures:
            item = words.get(stem, SvgWords())
            texts = _texts(stem, item, titles, descriptions)
            if not texts:
                problems.append(Problem("no words", f"png/{stem}.png"))
                continue
            if raw and not item.title:
                problems.append(Problem("no title", f"png/{stem}.png"))
                continue
            samples.append(_sample(root, stem, texts, item.title if raw else ""))
        super().__init__("clipart", samples, problems)


def _pictures(folder: Path) -> list[str]:
    """The paths below ``folder`` of all PNG files, without ending, in a fixed order."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders.sort()
        place = Path(parent).relative_to(folder)
        found += [(place / n).as_posix()[:-4] for n in sorted(names) if n.endswith(".png")]
    return found


def _sample(root: Path, stem: str, texts: dict[str, float], raw_title: str) -> Sample:
    """With all its texts, or with ``raw_title`` alone where that is not empty."""
    alternatives = tuple(Text(text) for text in texts)
    words = Text(raw_title) if raw_title else OneOf(alternatives, tuple(texts.values()))
    image = Image(FileContent(root / "png" / f"{stem}.png"))
    meta = Meta(
        source="clipart",
        group=stem.rpartition("/")[0],
        licence="public domain",
        name=max(texts, key=texts.__getitem__).lower(),
    )
    return Sample(stem, (image, words), meta=meta)


def _texts(
    stem: str, item: SvgWords, titles: Counter[str], descriptions: Counter[str]
) -> dict[str, float]:
    """Text -> drawing weight, the most telling first."""
    texts: dict[str, float] = {}

    def add(text: str, weight: float) -> None:
        if len(text) > 1 and text.lower() not in {known.lower() for known in texts}:
            texts[text] = weight

    folder, _, file_name = stem.rpartition("/")
    title = _title(item)
    own_words = _without_author(words_of(file_name), item.creator)
    count = titles[title.lower()]
    if title and count < SHARED_BY_MANY and (count == 1 or _share_a_word(title, own_words)):
        add(title, 1.0)
        add(own_words, 0.5)
    else:  # copied from another picture: "piggybank" on nine that show none
        add(own_words, 1.0)
        add(title, 0.5 if count < SHARED_BY_MANY else 0.1)
    if not _NO_DESCRIPTION.search(item.description):
        rare = descriptions[item.description] < SHARED_BY_MANY
        add(item.description[:MAX_DESCRIPTION], 0.5 if rare else 0.1)
    add(", ".join(_keywords(item.keywords)), 0.5)
    add(words_of(folder), 0.2)
    return texts


def _title(item: SvgWords) -> str:
    """The title without its advertisement, underscores and running number."""
    title = _ADVERT.sub("", item.title).replace("_", " ")
    return re.sub(r"\s*\d+$", "", title).strip() if not title.isdigit() else ""


def _share_a_word(left: str, right: str) -> bool:
    return bool(set(words_of(left).split()) & set(right.split()))


def _keywords(keywords: Sequence[str]) -> list[str]:
    kept = (
        word.replace("_", " ").strip().lower()
        for word in keywords
        if word.lower() not in BOILERPLATE and not _NO_WORD.match(word.lower())
    )
    return list(dict.fromkeys(word for word in kept if len(word) > 1))


def _without_author(words: str, creator: str) -> str:
    """File names end in the author's name, cut anywhere: "cigno architetto frances"."""
    kept = words.split()
    author = re.findall(r"\w+", creator.lower())
    while len(kept) > 1 and any(name.startswith(kept[-1]) for name in author):
        kept.pop()
    return " ".join(kept)
