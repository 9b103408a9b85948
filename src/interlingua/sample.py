r"""Samples: what a source gives, before anything is decoded.

A sample has a key, typed parts and a ``Meta``. It is either a *sequence* (the
order of its parts matters: a question about a picture) or a set of *views* of
one thing (the picture of a dog, its names, its bark, its spoken name).
``OneOf`` holds alternatives: five captions are not five turns.

Every string in a sample is text that UTF-8 can hold. File names in another encoding and careless
JSON bring halves of characters (lone surrogates); in keys and names they are written out as
``\udce9``, so that keys stay different, in words they become U+FFFD.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from interlingua.content import Content

Role = Literal["given", "target"]
AudioUse = Literal["sound", "speech"]


@dataclass(frozen=True, slots=True)
class Text:
    """Written words. ``language`` is a BCP 47 code."""

    text: str
    language: str | None = None
    role: Role = "given"

    def __post_init__(self) -> None:
        if not self.text.isascii():
            object.__setattr__(self, "text", whole_characters(self.text))

    @property
    def view(self) -> str:
        return "text"


@dataclass(frozen=True, slots=True)
class Image:
    """A picture, not yet decoded."""

    content: Content
    role: Role = "given"

    @property
    def view(self) -> str:
        return "image"


@dataclass(frozen=True, slots=True)
class Audio:
    """A sound (a bark) or speech (the spoken word), not yet decoded.

    ``language`` and ``transcript`` belong to speech; the transcript is in that language.
    """

    content: Content
    use: AudioUse = "sound"
    language: str | None = None
    transcript: str | None = None
    role: Role = "given"

    def __post_init__(self) -> None:
        if self.transcript and not self.transcript.isascii():
            object.__setattr__(self, "transcript", whole_characters(self.transcript))

    @property
    def view(self) -> str:
        return self.use


@dataclass(frozen=True, slots=True)
class Label:
    """A class name, as folder names and label columns give them."""

    name: str
    role: Role = "target"

    def __post_init__(self) -> None:
        if not self.name.isascii():
            object.__setattr__(self, "name", _written_out(self.name))

    @property
    def view(self) -> str:
        return "label"


Part = Text | Image | Audio | Label


@dataclass(frozen=True, slots=True)
class OneOf:
    """Alternatives for one view; training draws one of them by weight.

    Raises:
        ValueError: no alternative, alternatives of different views, or weights that
            are not one non-negative number per alternative with a positive sum.
    """

    parts: tuple[Part, ...]
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("OneOf needs at least one alternative")
        if len({part.view for part in self.parts}) > 1:
            raise ValueError("OneOf holds alternatives of one view only")
        if self.weights is not None and (
            len(self.weights) != len(self.parts) or min(self.weights) < 0 or sum(self.weights) <= 0
        ):
            raise ValueError("OneOf needs one non-negative weight for each alternative")

    @property
    def view(self) -> str:
        return self.parts[0].view


@dataclass(frozen=True, slots=True)
class Meta:
    """What is known of a sample beside its parts.

    Attributes:
        source: the name of the source it comes from.
        group: a coarse kind ("animals/mammals/dogs"), for tables and colours.
        licence: SPDX name where known.
        component: what must not be split between train and test; samples that show
            or name the same thing share it. None until it has been worked out.
        name: the thing's plain name, where it has one.
    """

    source: str = ""
    group: str = ""
    licence: str = ""
    component: int | None = None
    name: str = ""

    def __post_init__(self) -> None:
        for one in ("source", "group", "name"):
            if not (text := getattr(self, one)).isascii():
                object.__setattr__(self, one, _written_out(text))


@dataclass(frozen=True, slots=True)
class Sample:
    """One thing: a key, its parts, what is known of it.

    Raises:
        ValueError: a set of views that has the same view twice (use ``OneOf``).
    """

    key: str
    parts: tuple[Part | OneOf, ...]
    kind: Literal["views", "sequence"] = "views"
    meta: Meta = field(default_factory=Meta)

    def __post_init__(self) -> None:
        if not self.key.isascii():
            object.__setattr__(self, "key", _written_out(self.key))
        if self.kind == "views":
            views = [part.view for part in self.parts]
            if len(set(views)) != len(views):
                raise ValueError(f"sample {self.key!r} has a view twice: use OneOf")

    def alternatives(self, view: str) -> tuple[Part, ...]:
        """All parts of one view, in order; empty where the sample lacks that view."""
        for part in self.parts:
            if part.view == view:
                return part.parts if isinstance(part, OneOf) else (part,)
        return ()

    def weights(self, view: str) -> tuple[float, ...]:
        """The drawing weight of each of ``alternatives(view)``."""
        for part in self.parts:
            if part.view == view:
                if isinstance(part, OneOf):
                    return part.weights or (1.0,) * len(part.parts)
                return (1.0,)
        return ()

    def all_parts(self) -> Iterator[Part]:
        """Every part, alternatives included."""
        for part in self.parts:
            if isinstance(part, OneOf):
                yield from part.parts
            else:
                yield part


def whole_characters(text: str) -> str:
    """The text with halves of characters replaced by U+FFFD, or joined where both are there."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _written_out(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
