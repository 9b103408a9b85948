"""Every picture and sound is decoded once, through the gate that training uses.

What comes of it is small: sizes, seconds, a digest of the bytes, a fingerprint, or why it can't be
used. So a source of any size is looked at in the memory of its list.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from interlingua.content import BytesContent, Content
from interlingua.data.check.example import EXAMPLES, Example
from interlingua.data.check.spread import Spread, spread_of
from interlingua.data.filters.chain import spread as evenly
from interlingua.data.gate import MediaLimits, read_bytes, require_audio, require_image
from interlingua.data.image import open_image
from interlingua.data.image_header import declared_size
from interlingua.data.loader import available_cores
from interlingua.data.near_duplicates import DECODED_SIDE, Fingerprint, fingerprint_of
from interlingua.data.sound import read_sound
from interlingua.errors import MediaError, MissingExtraError
from interlingua.sample import Audio, Image, Sample

SILENCE = 1e-3  # of full scale: -60 dB, under what a microphone's noise is
NO_PACKAGE = "package_missing"
_RATE = 16_000

OnProgress = Callable[[int, int], None]  # (done, in all)


@dataclass(frozen=True, slots=True)
class Medium:
    """One picture or sound of a sample, looked at.

    Attributes:
        place: of its sample.
        view: ``image``, ``sound`` or ``speech``.
        content: where its bytes are.
        num_bytes: of the file; 0 where they can't be had.
        digest: 16 bytes of SHA-256 of the file; empty where it can't be read.
        kind: ``png``, ``wav`` ...; empty where it is none that is read.
        size: width and height that the header declares; (0, 0) of a drawing.
        seconds: of a sound.
        silent: nothing of it is louder than ``SILENCE``.
        fingerprint: of a picture that isn't plain.
        reason: why it can't be used, the gate's fixed word; empty where it can.
        what: the gate's message.
    """

    place: int
    view: str
    content: Content
    num_bytes: int = 0
    digest: bytes = b""
    kind: str = ""
    size: tuple[int, int] = (0, 0)
    seconds: float = 0.0
    silent: bool = False
    fingerprint: Fingerprint | None = None
    reason: str = ""
    what: str = ""

    @property
    def name(self) -> str:
        """Of its content: a path, or ``archive::member``."""
        return self.content.name


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What the media of one view are like.

    Attributes:
        view: ``image``, ``sound`` or ``speech``.
        count: how many there are.
        looked_at: how many of them were decoded.
        damaged: why some can't be used, by reason.
        examples: of those.
        kinds: how many files of each kind.
        num_bytes: of the files.
        short_side, long_side: of pictures, in pixels; drawings have none.
        seconds: of sounds.
        silent: how many sounds are.
        silent_examples: of those.
    """

    view: str
    count: int
    looked_at: int
    damaged: dict[str, int]
    examples: tuple[Example, ...]
    kinds: dict[str, int]
    num_bytes: Spread | None
    short_side: Spread | None
    long_side: Spread | None
    seconds: Spread | None
    silent: int
    silent_examples: tuple[Example, ...]


@dataclass(slots=True)
class LookedAt:
    """All that was decoded of a source.

    Attributes:
        media: in the order of the samples.
        counts: by view, how many there are in all.
    """

    media: list[Medium]
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether nothing was passed over."""
        return len(self.media) == sum(self.counts.values())


def look(
    samples: Sequence[Sample],
    limits: MediaLimits,
    *,
    most: int | None = None,
    seed: int = 0,
    on_progress: OnProgress = lambda done, total: None,
) -> LookedAt:
    """Decode the pictures and sounds of samples, in threads.

    Args:
        samples: of one or several sources.
        limits: what is refused.
        most: decode so many of each view, drawn by seed; None = all.
        seed: of that choice.
        on_progress: told how far it is.
    """
    parts = [
        (place, part)
        for place, sample in enumerate(samples)
        for part in sample.all_parts()
        if isinstance(part, Image | Audio)
    ]
    counts = Counter(part.view for _, part in parts)
    if most is not None:
        parts = [parts[number] for number in _drawn([part.view for _, part in parts], most, seed)]
    media = []
    pool = ThreadPoolExecutor(available_cores())
    try:
        for medium in pool.map(lambda one: _look_at(one[0], one[1], limits), parts):
            media.append(medium)
            on_progress(len(media), len(parts))
    finally:  # interrupted: what is queued is not waited for
        pool.shutdown(cancel_futures=True)
    return LookedAt(media, dict(counts))


def media_facts(looked: LookedAt, samples: Sequence[Sample]) -> list[MediaFacts]:
    """The facts of each view that has media, in a fixed order."""
    return [
        _facts(
            view, looked.counts[view], [one for one in looked.media if one.view == view], samples
        )
        for view in ("image", "sound", "speech")
        if looked.counts.get(view)
    ]


def _drawn(views: Sequence[str], most: int, seed: int) -> list[int]:
    """Places of at most ``most`` of each view, in order."""
    chosen: list[int] = []
    for view in sorted(set(views)):
        places = [place for place, one in enumerate(views) if one == view]
        chosen += random.Random(seed).sample(places, min(most, len(places)))
    return sorted(chosen)


def _facts(view: str, count: int, media: Sequence[Medium], samples: Sequence[Sample]) -> MediaFacts:
    bad = [one for one in media if one.reason]
    good = [one for one in media if not one.reason]
    silent = [one for one in good if one.silent]
    sizes = [one.size for one in good if one.size[0]]
    return MediaFacts(
        view=view,
        count=count,
        looked_at=len(media),
        damaged=dict(Counter(one.reason for one in bad).most_common()),
        examples=tuple(_examples(bad, samples)),
        kinds=dict(Counter(one.kind for one in good).most_common()),
        num_bytes=spread_of([one.num_bytes for one in good]),
        short_side=spread_of([min(size) for size in sizes]),
        long_side=spread_of([max(size) for size in sizes]),
        seconds=spread_of([one.seconds for one in good]) if view != "image" else None,
        silent=len(silent),
        silent_examples=tuple(_examples(silent, samples)),
    )


def _examples(media: Sequence[Medium], samples: Sequence[Sample]) -> Iterator[Example]:
    for one in evenly(media, EXAMPLES):
        note = f"{one.name}: {one.what}" if one.reason else one.name
        yield Example(samples[one.place].key, note, one.place)


def _look_at(place: int, part: Image | Audio, limits: MediaLimits) -> Medium:
    seen = Medium(place, part.view, part.content)
    limit = limits.image.max_bytes if isinstance(part, Image) else limits.audio.max_bytes
    try:
        data = read_bytes(part.content, limit)
        seen = replace(seen, num_bytes=len(data), digest=hashlib.sha256(data).digest()[:16])
        read = BytesContent(data, part.content.name)
        if isinstance(part, Audio):
            seen = replace(seen, kind=require_audio(data, seen.name))
            wave = read_sound(read, _RATE, limits.audio)
            silent = bool(np.abs(wave).max() < SILENCE)
            return replace(seen, seconds=round(len(wave) / _RATE, 3), silent=silent)
        kind = require_image(data, seen.name)
        size = None if kind == "svg" else declared_size(data, kind)
        seen = replace(seen, kind=kind, size=size or (0, 0))
        picture = open_image(read, limits.image, near_size=DECODED_SIDE)
        return replace(seen, fingerprint=fingerprint_of(picture))
    except MediaError as error:
        return replace(seen, reason=error.reason, what=error.what)
    except MissingExtraError as error:
        return replace(seen, reason=NO_PACKAGE, what=error.what)
