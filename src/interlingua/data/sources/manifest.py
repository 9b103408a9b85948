"""A manifest of your own: a CSV, TSV or JSONL file that names pictures, sounds and texts.

One row is one sample; rows that name the same media are one sample with several
captions. Paths are relative to the manifest. Rows that ``data split`` wrote hold a
sample whole (``described_rows.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from interlingua.config import NamedConfig, nearest
from interlingua.content import FileContent
from interlingua.data.endings import AUDIO_ENDINGS, IMAGE_ENDINGS
from interlingua.data.source import ListSource, Problem, count_reasons
from interlingua.data.sources.described_rows import described_sample, is_described
from interlingua.data.sources.manifest_rows import read_rows
from interlingua.errors import DataError
from interlingua.sample import Audio, Image, Label, Meta, OneOf, Part, Sample, Text

COLUMNS = (
    "image",
    "text",
    "sound",
    "speech",
    "transcript",
    "label",
    "key",
    "group",
    "language",
    "component",
)
ALIASES = {
    "picture": "image",
    "image_path": "image",
    "img": "image",
    "caption": "text",
    "captions": "text",
    "texts": "text",
    "title": "text",
    "description": "text",
    "audio": "sound",
    "audio_path": "sound",
    "transcription": "transcript",
    "sentence": "transcript",
    "class": "label",
    "id": "key",
    "lang": "language",
    "locale": "language",
}
# Columns that say "file": what kind of file, its ending tells.
FILE_COLUMNS = ("file_name", "filename", "filepath", "file_path", "path", "file")
MEDIA_COLUMNS = ("image", "sound", "speech")


class Manifest(ListSource):
    """The rows as samples.

    Raises:
        DataError: no such file, no known column, unreadable, or every row is bad.
    """

    class Config(NamedConfig):
        """Settings.

        Attributes:
            path: the manifest.
            root: what relative paths in it start from; its own folder if not given.
        """

        folder: ClassVar[str] = "data"
        name: str = "manifest"
        path: Path
        root: Path | None = None

    def __init__(self, config: Manifest.Config):
        path = config.path.expanduser()
        root = (config.root or path.parent).expanduser()
        problems: list[Problem] = []
        columns: dict[str, str] = {}
        things: dict[Any, _Thing | Sample] = {}
        components: dict[str, int] = {}
        for line, row in read_rows(path, problems):
            if is_described(row):
                whole = described_sample(row, root, path.stem, f"{path}:{line}", problems)
                if whole is not None:
                    _add(whole, things, problems, f"{path}:{line}")
                continue
            known = _known(row, columns)
            thing = _thing(known, root, line, f"{path}:{line}", problems)
            if thing is not None:
                _add(thing, things, problems, f"{path}:{line}")
        unknown = [name for name, meaning in columns.items() if not meaning]
        if columns and len(unknown) == len(columns):
            raise DataError(
                f"The manifest has no known column; it has {', '.join(map(repr, unknown))}.",
                where=str(path),
                next_step=f"Known columns: {', '.join(COLUMNS)}; also {', '.join(ALIASES)}.",
            )
        if unknown:
            hints = ", ".join(f"{name!r}{nearest(name, [*COLUMNS, *ALIASES])}" for name in unknown)
            problems.append(Problem(f"unknown columns are ignored: {hints}", str(path)))
        if not things:
            raise _all_bad(path, problems)
        name = path.stem
        samples = [
            thing.sample(name, components) if isinstance(thing, _Thing) else thing
            for thing in things.values()
        ]
        super().__init__(name, samples, problems)


@dataclass
class _Thing:
    """What one row, or several rows of the same media, say of one thing."""

    key: str
    media: dict[str, Path]
    row: Mapping[str, Any]
    texts: dict[str, str | None] = field(default_factory=dict)  # text -> language

    def sample(self, source: str, components: dict[str, int]) -> Sample:
        """The sample; ``components`` numbers the manifest's own component names."""
        language = _string(self.row.get("language")) or None
        transcript = _string(self.row.get("transcript")) or None
        parts: list[Part | OneOf] = []
        if "image" in self.media:
            parts.append(Image(FileContent(self.media["image"])))
        if "sound" in self.media:
            parts.append(Audio(FileContent(self.media["sound"]), "sound"))
        if "speech" in self.media:
            content = FileContent(self.media["speech"])
            parts.append(Audio(content, "speech", language=language, transcript=transcript))
        texts = tuple(Text(text, language) for text, language in self.texts.items())
        if texts:
            parts.append(OneOf(texts) if len(texts) > 1 else texts[0])
        label = _string(self.row.get("label"))
        if label:
            parts.append(Label(label))
        given = _string(self.row.get("component"))
        meta = Meta(
            source=source,
            group=_string(self.row.get("group")) or label,
            component=components.setdefault(given, len(components)) if given else None,
            name=texts[0].text.lower() if texts else "",
        )
        return Sample(self.key, tuple(parts), meta=meta)


def _known(row: Mapping[str, Any], columns: dict[str, str]) -> dict[str, Any]:
    """The row's values under our names; ``columns`` remembers what each column means."""
    known: dict[str, Any] = {}
    for name, value in row.items():
        plain = name.strip().lower().replace(" ", "_").replace("-", "_")
        meaning = plain if plain in COLUMNS else ALIASES.get(plain, "")
        if plain in FILE_COLUMNS:
            meaning = "path"
        columns.setdefault(name, meaning)
        if not meaning or value is None or value == "" or value == []:
            continue
        if meaning == "path":
            ending = Path(str(value)).suffix.lower()
            meaning = "sound" if ending in AUDIO_ENDINGS else "image"
        if meaning == "text" and "text" in known:
            value = [*_strings(known["text"]), *_strings(value)]
        known[meaning] = value
    return known


def _thing(
    row: Mapping[str, Any], root: Path, line: int, where: str, problems: list[Problem]
) -> _Thing | None:
    """What the row says, or None with the reason in ``problems``."""
    media: dict[str, Path] = {}
    for column in MEDIA_COLUMNS:
        text = _string(row.get(column))
        if not text:
            continue
        if "://" in text:
            problems.append(Problem("an address: only files are read", where))
            return None
        reason = why_unusable(root / text, (IMAGE_ENDINGS, AUDIO_ENDINGS)[column != "image"])
        if reason:
            problems.append(Problem(reason, f"{where} ({column}: {text[:200]})"))
            return None
        media[column] = root / text
    language = _string(row.get("language")) or None
    texts: dict[str, str | None] = dict.fromkeys(_strings(row.get("text")), language)
    if not media and not texts:
        problems.append(Problem("a row without a picture, sound, speech or text", where))
        return None
    first = next(iter(media), "")
    key = _string(row.get("key")) or (_string(row[first]) if first else f"line-{line}")
    return _Thing(key, media, row, texts)


def why_unusable(path: Path, endings: tuple[str, ...]) -> str:
    """Why a row's file is not taken, a short fixed phrase; empty where it is."""
    try:
        if not path.exists():
            return "the file is missing"
        if not path.is_file():
            return "not a file"
    except (OSError, ValueError):  # a name too long or with a null character
        return "the file is missing"
    return "" if path.suffix.lower() in endings else "an ending that is not read"


def _add(
    thing: _Thing | Sample, things: dict[Any, _Thing | Sample], problems: list[Problem], where: str
) -> None:
    """Keep a thing; one with the key and media of an earlier row adds its captions to that."""
    earlier = things.get(thing.key)
    if earlier is None:
        things[thing.key] = thing
    elif isinstance(thing, Sample) or isinstance(earlier, Sample):
        problems.append(Problem("a key that was used before", f"{where} (key: {thing.key[:200]})"))
    elif thing.media and earlier.media == thing.media:
        earlier.texts.update(thing.texts)
    else:
        problems.append(Problem("a key that was used before", f"{where} (key: {thing.key[:200]})"))


def _all_bad(path: Path, problems: list[Problem]) -> DataError:
    if not problems:
        return DataError(
            "The manifest has no rows.",
            where=str(path),
            next_step="Check that it is the right file.",
        )
    reasons = ", ".join(f"{count}× {name}" for name, count in count_reasons(problems).items())
    return DataError(
        f"No row of the manifest can be used: {reasons}.",
        where=problems[0].where,
        next_step="Paths are relative to the manifest, or to `root` where that is given.",
    )


def _string(value: Any) -> str:
    """One plain text; empty for what isn't one."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _strings(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        text = " ".join(_string(item).split())
        if text:
            yield text
