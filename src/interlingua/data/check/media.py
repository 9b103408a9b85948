"""Every picture and sound is decoded once, through the gate that training uses.

Workers are processes: a file that kills its decoder, or asks for more memory than there is, is
counted among the damaged ones, and the look goes on.

What comes of it is small: sizes, seconds, a digest of the bytes, a fingerprint, or why it can't be
used. So a source of any size is looked at in the memory of its list.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from interlingua.content import Content
from interlingua.data.check.example import EXAMPLES, Example
from interlingua.data.check.spread import Spread, spread_of
from interlingua.data.examined import NO_PACKAGE, Examined, examine_image, examine_sound
from interlingua.data.filters.chain import spread as evenly
from interlingua.data.gate import AudioLimits, ImageLimits, MediaLimits, read_bytes
from interlingua.data.isolation import IsolatedDecoder
from interlingua.data.loader import available_cores
from interlingua.data.near_duplicates import Fingerprint
from interlingua.errors import MediaError, MissingExtraError
from interlingua.sample import Audio, Image, Sample

_WORTH_A_WORKER = 64  # files: about what one process decodes while another one starts

OnProgress = Callable[[int, int], None]  # (done, in all)
Examine = Callable[[bytes, str, ImageLimits | AudioLimits], Examined]


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
        silent: nothing of it is louder than ``recordings.SILENCE``.
        fingerprint: of a picture that isn't plain.
        wave: digest of a sound's samples in hexadecimal, whatever its file is.
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
    wave: str = ""
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
    workers: int = 0,
    on_progress: OnProgress = lambda done, total: None,
) -> LookedAt:
    """Decode the pictures and sounds of samples.

    What is found doesn't depend on ``workers``; a file that ends its decoder is the exception: it
    is refused as ``crashed``, ``too_slow`` or ``too_large`` by a worker, and ends this process
    without one.

    Args:
        samples: of one or several sources.
        limits: what is refused.
        most: decode so many of each view, drawn by seed; None = all.
        seed: of that choice.
        workers: processes that decode; 0 = threads of this one. A few files take fewer.
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
    workers = min(workers, -(-len(parts) // _WORTH_A_WORKER))
    media = []
    with contextlib.ExitStack() as opened:
        examine: Examine = _examine
        if workers:
            examine = opened.enter_context(IsolatedDecoder(workers)).examine
        # a worker waits for nothing while another thread reads its next file
        pool = ThreadPoolExecutor(2 * workers or available_cores())
        # interrupted: what is queued is not waited for
        opened.callback(pool.shutdown, cancel_futures=True)
        for medium in pool.map(lambda one: _look_at(one[0], one[1], limits, examine), parts):
            media.append(medium)
            on_progress(len(media), len(parts))
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


def _look_at(place: int, part: Image | Audio, limits: MediaLimits, examine: Examine) -> Medium:
    seen = Medium(place, part.view, part.content)
    limit = limits.image if isinstance(part, Image) else limits.audio
    try:
        data = read_bytes(part.content, limit.max_bytes)
        digest = hashlib.sha256(data).digest()[:16]
        seen = replace(seen, num_bytes=len(data), digest=digest)
        found = examine(data, part.content.name, limit)
    except MediaError as error:
        return replace(seen, reason=error.reason, what=error.what)
    except MissingExtraError as error:
        return replace(seen, reason=NO_PACKAGE, what=error.what)
    return replace(
        seen,
        kind=found.kind,
        size=found.size,
        seconds=found.seconds,
        silent=found.silent,
        fingerprint=found.fingerprint,
        wave=found.wave,
    )


def _examine(data: bytes, name: str, limits: ImageLimits | AudioLimits) -> Examined:
    """In this process."""
    if isinstance(limits, ImageLimits):
        return examine_image(data, name, limits)
    return examine_sound(data, name, limits)
