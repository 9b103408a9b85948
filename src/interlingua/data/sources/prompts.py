"""Asterisk voice prompts: English sentences of one speaker, 8 kHz, with transcripts."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path
from typing import ClassVar

from interlingua import data
from interlingua.config import NamedConfig
from interlingua.content import FileContent
from interlingua.data.entries import PROMPTS_FOLDER, PROMPTS_TRANSCRIPTS
from interlingua.data.source import ListSource, Problem
from interlingua.errors import DataError
from interlingua.sample import Audio, Meta, Sample, Text

_LINE = re.compile(r"^(?P<name>[^\s:;][^\s:]*):\s*(?P<text>.*)$")
_REMARK = re.compile(r"\s*\[[^\]]*\]")  # "dash [-]" is spoken "dash"; "[ascending tones]" isn't


class Prompts(ListSource):
    """The prompts as samples with the views speech and text.

    Raises:
        FetchError: they aren't cached and can't be fetched.
        DataError: there are none at ``root``.
    """

    class Config(NamedConfig):
        """Settings.

        Attributes:
            root: the folder that the two packages were unpacked in; fetched if not given.
        """

        folder: ClassVar[str] = "data"
        name: str = "prompts"
        root: Path | None = None

    def __init__(self, config: Prompts.Config):
        root = config.root or data.get("prompts")
        transcripts = _transcripts(root / PROMPTS_TRANSCRIPTS)
        folder = root / PROMPTS_FOLDER
        samples, problems = [], []
        for path in sorted(folder.rglob("*.wav")):
            key = path.relative_to(folder).with_suffix("").as_posix()
            text = transcripts.pop(key, None)
            if not text:
                reason = "no transcript" if text is None else "a tone, no speech"
                problems.append(Problem(reason, key))
                continue
            speech = Audio(FileContent(path), "speech", language="en", transcript=text)
            group = key.rpartition("/")[0]
            meta = Meta(source="prompts", group=group, licence="CC-BY-SA-3.0", name=text.lower())
            samples.append(Sample(key, (speech, Text(text, "en")), meta=meta))
        problems += [Problem("a transcript without a recording", key) for key in transcripts]
        if not samples:
            raise DataError("There are no prompts here.", where=str(folder))
        super().__init__("prompts", samples, problems)


def _transcripts(path: Path) -> dict[str, str]:
    """Name -> what is said; empty where the recording holds no speech."""
    try:
        text = gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            "The transcripts of the prompts can't be read.",
            where=str(path),
            next_step="interlingua data get prompts --force",
        ) from error
    matches = filter(None, map(_LINE.match, text.splitlines()))
    return {match["name"]: _REMARK.sub("", match["text"]).strip() for match in matches}
