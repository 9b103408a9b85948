"""What a check found, as one value; as JSON for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal

from interlingua.data.check.languages import LanguageFacts
from interlingua.data.check.learnable import Lesson
from interlingua.data.check.media import MediaFacts
from interlingua.data.check.model_fit import ModelFit
from interlingua.data.check.shared import SharedFacts
from interlingua.data.check.texts import TextFacts
from interlingua.data.check.tokens import TokenFacts
from interlingua.data.check.twins import TwinFacts
from interlingua.sample import Sample

FORMAT_VERSION = 1
_FOR_THE_PAGE = frozenset(("place", "test_place", "train_place"))

Level = Literal["refused", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person should know before training.

    Attributes:
        level: ``refused``: nothing can be learned; ``warning``: figures or training suffer;
            ``note``: worth a look.
        what: what was found, a sentence with its counts.
        next_step: what to do about it.
        part: of the page that shows it.
    """

    level: Level
    what: str
    next_step: str = ""
    part: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """All that was found; a part is None where the source has nothing of the kind.

    Attributes:
        contents: what the source says of itself: counts by view, language, group, licence.
        media: of the training samples.
        test_media: of the test samples.
        texts, languages, twins: of the training samples.
        tokens: where a model's tokenizer was given.
        fit: what a model's preprocessing changes, where one was given.
        shared: what both sides have in common, where there is a test source.
        lessons: what can be learned.
        refused: why nothing can be, a sentence; empty where something can.
        findings: what of all this matters, the worst first.
        samples: of both sides, with components, for the page; training's first.
    """

    contents: Mapping[str, Any]
    media: tuple[MediaFacts, ...]
    test_media: tuple[MediaFacts, ...]
    texts: TextFacts | None
    languages: LanguageFacts | None
    twins: TwinFacts
    tokens: TokenFacts | None
    fit: tuple[ModelFit, ...]
    shared: SharedFacts | None
    lessons: tuple[Lesson, ...]
    refused: str
    findings: tuple[Finding, ...] = ()
    samples: Sequence[Sample] = field(default=(), repr=False)


def to_json(check: Check) -> dict[str, Any]:
    """The check as plain data."""
    plain: dict[str, Any] = _plain(replace(check, samples=()))
    del plain["samples"]  # those are for the page
    return {"format_version": FORMAT_VERSION, **plain}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {
            one.name: _plain(getattr(value, one.name))
            for one in fields(value)
            if one.name not in _FOR_THE_PAGE
        }
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return round(value, 4)
    return value
