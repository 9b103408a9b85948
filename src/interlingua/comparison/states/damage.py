"""One medium in several known states of damage, as its tower takes it.

Damage comes after everything that looks at the whole medium: a picture is trimmed and resized
first, so that what is hidden doesn't change where the rest stands.

Shape legend: V variants, S side of a picture, T samples, F mel frames, M mel bands, N token ids.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Tensor

from interlingua.config import Config
from interlingua.data import degrade
from interlingua.data.image import decode_pixels
from interlingua.data.sound import decode_wave, log_mel, padded_length
from interlingua.data.text import Tokenizer
from interlingua.errors import DataError
from interlingua.sample import Audio, Image, Part, Text
from interlingua.towers.tower import AudioPreprocess, ImagePreprocess, Preprocess, TextPreprocess

DamageKind = Literal["none", "hide", "drown", "drop_words", "drop_letters"]
_TAKEN_BY: dict[str, tuple[DamageKind, ...]] = {
    "image": ("none", "hide"),
    "audio": ("none", "drown"),
    "text": ("none", "drop_words", "drop_letters"),
}
_KINDS: dict[str, type[Image] | type[Audio] | type[Text]] = {
    "image": Image,
    "audio": Audio,
    "text": Text,
}
# values of all variants and their mask, of a medium and what names its bytes
Read = Callable[[Part, str], tuple[Tensor, Tensor | None]]


class Damage(Config):
    """The variants of each medium: how it is made worse, how much, how often.

    Attributes:
        kind: a function of ``data.degrade``; ``drown`` takes levels by ``signal_to_noise``.
            ``none``: the media as they are.
        levels: 0 = as it is, 1 = nothing left.
        draws: variants of each level between 0 and 1, damaged in other places.
        seed: of the places.
    """

    kind: DamageKind = "none"
    levels: tuple[float, ...] = Field(default=(0.0,), min_length=1)
    draws: PositiveInt = 1
    seed: int = 0

    @model_validator(mode="after")
    def _levels_are_shares(self) -> Damage:
        if len(set(self.levels)) < len(self.levels) or not all(0 <= x <= 1 for x in self.levels):
            raise ValueError("levels are different numbers from 0 to 1")
        if self.kind == "none" and self.levels != (0.0,):
            raise ValueError("no damage has level 0 alone")
        return self

    @property
    def variants(self) -> list[tuple[float, int]]:
        """(level, draw) of each variant, in order."""
        return variants_of(self.levels, self.draws)

    def generators(self, digest: str) -> list[tuple[float, degrade.Random]]:
        """The level of each variant and the generator of its damage."""
        return [
            (level, degrade.generator(self.seed, self.kind, level, draw, digest))
            for level, draw in self.variants
        ]


def variants_of(levels: Sequence[float], draws: int) -> list[tuple[float, int]]:
    """(level, draw) of each variant: 0 and 1 leave nothing to draw, so there is one of each."""
    return [(level, draw) for level in levels for draw in range(draws if 0.0 < level < 1.0 else 1)]


class Pooling(Config):
    """What becomes of a tower's states before they are kept.

    Attributes:
        grid: pictures: averaged to ``grid`` x ``grid`` tokens.
        seconds: sounds: the window that each is cut to, or padded with silence to.
        spans: sounds: averaged over this many equal spans of the window.
        words: texts: tokens, special ones included; longer texts are cut, shorter ones masked.
    """

    grid: PositiveInt = 4
    seconds: PositiveFloat = 3.2
    spans: PositiveInt = 16
    words: PositiveInt = 16

    def of_kind(self, kind: str) -> dict[str, float]:
        """What matters to media of a kind, by name."""
        names = {"image": ("grid",), "audio": ("seconds", "spans"), "text": ("words",)}[kind]
        return {name: getattr(self, name) for name in names}


def reader(preprocess: Preprocess, pooling: Pooling, damage: Damage) -> Read:
    """The function that reads a medium of a tower's kind.

    Returns:
        ``read(part, digest)``: uint8 pixels [V, 3, S, S], float32 frames [V, M, F] or ids [V, N]
        with their mask. The same part and digest give the same values.

    Raises:
        DataError: the damage is for media of another kind, or the tower takes none of these.
    """
    if damage.kind not in _TAKEN_BY.get(preprocess.kind, ()):
        raise DataError(
            f"The damage {damage.kind!r} is not for media of the kind {preprocess.kind!r}.",
            next_step=f"It takes {', '.join(_TAKEN_BY.get(preprocess.kind, ())) or 'none'}.",
        )
    if isinstance(preprocess, ImagePreprocess):
        return lambda part, digest: (_pictures(part, digest, preprocess, damage), None)
    if isinstance(preprocess, AudioPreprocess):
        return lambda part, digest: (_sounds(part, digest, preprocess, pooling, damage), None)
    assert isinstance(preprocess, TextPreprocess)
    whole = preprocess.model_copy(update={"max_tokens": pooling.words, "pad_to_max": True})
    tokenizer = Tokenizer(whole)
    return lambda part, digest: _texts(part, digest, tokenizer, damage)


def check_kind(part: Part, preprocess: Preprocess, number: int) -> None:
    """Refuse a medium of another kind than the tower's.

    Raises:
        DataError: names the number.
    """
    if not isinstance(part, _KINDS.get(preprocess.kind, ())):
        raise DataError(
            f"A tower for {preprocess.kind} was given a {type(part).__name__.lower()}.",
            where=f"medium {number}",
            next_step="Give each tower the media of its own kind.",
        )


def _pictures(part: Part, digest: str, preprocess: ImagePreprocess, damage: Damage) -> Tensor:
    """[V, 3, S, S] uint8, channels last in memory."""
    assert isinstance(part, Image)
    picture = decode_pixels(part.content, preprocess).permute(1, 2, 0).numpy()
    hidden = [
        degrade.hide(picture, level, random, paper=preprocess.background[0])
        for level, random in damage.generators(digest)
    ]
    return torch.from_numpy(np.stack(hidden)).permute(0, 3, 1, 2)


def _sounds(
    part: Part, digest: str, preprocess: AudioPreprocess, pooling: Pooling, damage: Damage
) -> Tensor:
    """[V, M, F] float32."""
    assert isinstance(part, Audio)
    window = preprocess.model_copy(
        update={"max_seconds": pooling.seconds, "bucket_seconds": pooling.seconds}
    )
    wave = decode_wave(part.content, window)
    length = padded_length(len(wave), window)
    drowned = [
        degrade.drown(wave, degrade.signal_to_noise(level), random, length=length)
        for level, random in damage.generators(digest)
    ]
    return log_mel(torch.from_numpy(np.stack(drowned)), window)


def _texts(part: Part, digest: str, tokenizer: Tokenizer, damage: Damage) -> tuple[Tensor, Tensor]:
    """[V, N] ids and their mask."""
    assert isinstance(part, Text)
    drop = degrade.drop_words if damage.kind == "drop_words" else degrade.drop_letters
    return tokenizer(
        [
            drop(part.text, level, random) if level else part.text
            for level, random in damage.generators(digest)
        ]
    )
