"""A folder of your own pictures and sounds.

``dog.png``, ``dog.ogg`` and ``dog.txt`` side by side are one thing: seen, heard, described.
Each line of the text file is one caption. Where the folder has no text files, the name of
the subfolder that a file lies in is its text; it is its label in any case.
"""

from __future__ import annotations

import os
from itertools import zip_longest
from pathlib import Path
from typing import ClassVar

from interlingua.config import NamedConfig
from interlingua.content import FileContent
from interlingua.data.endings import AUDIO_ENDINGS, IMAGE_ENDINGS, TEXT_ENDING, describe
from interlingua.data.source import ListSource, Problem
from interlingua.data.sources.names import words_of
from interlingua.errors import DataError
from interlingua.sample import Audio, AudioUse, Image, Label, Meta, OneOf, Part, Sample, Text

MAX_TEXT_BYTES = 1 << 20


class Folder(ListSource):
    """The folder's files as samples, in sorted order; hidden files are skipped.

    Raises:
        DataError: no such folder, or no picture and no sound in it.
    """

    class Config(NamedConfig):
        """Settings.

        Attributes:
            path: the folder; its subfolders are read too.
            audio: what the sounds are: ``sound`` (a bark) or ``speech`` (the spoken word).
            language: BCP 47 code of the texts and the speech, if you know it.
        """

        folder: ClassVar[str] = "data"
        name: str = "folder"
        path: Path
        audio: AudioUse = "sound"
        language: str | None = None

    def __init__(self, config: Folder.Config):
        root = config.path.expanduser()
        if not root.is_dir():
            raise DataError(
                "There is no such folder.", where=str(root), next_step="Check the path."
            )
        problems: list[Problem] = []
        things = _things(root, problems)
        has_texts = any(TEXT_ENDING in endings for endings in things.values())
        samples = []
        for place, endings in things.items():
            samples += _samples(root, place, endings, has_texts, config, problems)
        if not samples:
            raise DataError(
                "There is no picture and no sound in this folder.",
                where=str(root),
                next_step=f"Endings that are read: {describe()}.",
            )
        super().__init__(root.resolve().name or "folder", samples, problems)


def _things(root: Path, problems: list[Problem]) -> dict[Path, dict[str, Path]]:
    """Path without ending -> its files by lower-case ending."""
    things: dict[Path, dict[str, Path]] = {}
    known = {*IMAGE_ENDINGS, *AUDIO_ENDINGS, TEXT_ENDING}

    def unreadable(error: OSError) -> None:
        problems.append(Problem("a folder that can't be read", str(error.filename)))

    for parent, folders, names in os.walk(root, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            ending = path.suffix.lower()
            if name.startswith("."):
                continue
            if ending not in known:
                problems.append(Problem(f"the ending {ending or 'none'} is not read", str(path)))
                continue
            files = things.setdefault(path.with_suffix(""), {})
            # dog.PNG beside dog.png: the second keeps its own place.
            files[ending if ending not in files else f"{ending} {name}"] = path
    return things


def _samples(
    root: Path,
    place: Path,
    files: dict[str, Path],
    has_texts: bool,
    config: Folder.Config,
    problems: list[Problem],
) -> list[Sample]:
    """One sample for the files of one name; a second picture or sound of that name is another."""
    images = [path for path in files.values() if path.suffix.lower() in IMAGE_ENDINGS]
    sounds = [path for path in files.values() if path.suffix.lower() in AUDIO_ENDINGS]
    if not images and not sounds:
        problems.append(Problem("a text without a picture or a sound", str(place)))
        return []
    texts = _captions(files.get(TEXT_ENDING), config.language, problems)
    group = place.parent.relative_to(root).as_posix() if place.parent != root else ""
    label = place.parent.name if group else ""
    if not texts and label and not has_texts:
        texts = [Text(words_of(label) or label, config.language)]
    words: list[Part | OneOf] = []
    if texts:
        words.append(OneOf(tuple(texts)) if len(texts) > 1 else texts[0])
    if label:
        words.append(Label(label))
    meta = Meta(source=root.resolve().name, group=group, name=words_of(place.name))
    samples: list[Sample] = []
    for image, sound in zip_longest(images, sounds):
        media: list[Part | OneOf] = []
        if image:
            media.append(Image(FileContent(image)))
        if sound:
            media.append(_audio(sound, texts, config))
        first = place if not samples else image or sound
        key = first.relative_to(root).as_posix()
        samples.append(Sample(key, (*media, *words), meta=meta))
    return samples


def _audio(path: Path, texts: list[Text], config: Folder.Config) -> Audio:
    if config.audio == "sound":
        return Audio(FileContent(path), "sound")
    transcript = texts[0].text if texts else None
    return Audio(FileContent(path), "speech", language=config.language, transcript=transcript)


def _captions(path: Path | None, language: str | None, problems: list[Problem]) -> list[Text]:
    if path is None:
        return []
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            problems.append(Problem("a text file over 1 MB", str(path)))
            return []
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError:
        problems.append(Problem("a text file that can't be read", str(path)))
        return []
    captions = dict.fromkeys(" ".join(line.split()) for line in lines)
    return [Text(caption, language) for caption in captions if caption]
