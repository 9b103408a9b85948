"""A sample as the members of a tar: its media as they are, its texts, its description."""

from __future__ import annotations

from collections.abc import Iterator

from interlingua.data.gate import MediaLimits, read_bytes, require_audio, require_image
from interlingua.data.shards import sample_json
from interlingua.errors import MediaError
from interlingua.sample import Audio, Image, Part, Sample, Text

_ENDINGS = {"jpeg": "jpg", "aiff": "aif"}  # the usual ending where the kind has another name


def members_of(sample: Sample, limits: MediaLimits) -> list[tuple[str, bytes]]:
    """(ending, bytes) of each member, sorted by ending, as WebDataset's own writer has them.

    A second picture of the sample has the ending ``1.jpg``. The first text is there as ``.txt``
    too, for programs that don't know the description.

    Raises:
        MediaError: media that can't be read, are too large, or are not what they should be.
    """
    if not sample.parts:
        raise MediaError("The sample has no part.", reason="nothing", where=sample.key)
    members: dict[str, bytes] = {}
    ending_of: dict[int, str] = {}
    counts = {"image": 0, "audio": 0}
    for part in sample.all_parts():
        if isinstance(part, Image | Audio) and id(part) not in ending_of:
            kind, data = media_bytes(part, limits)
            name = "image" if isinstance(part, Image) else "audio"
            ending = f"{counts[name]}.{kind}" if counts[name] else kind
            counts[name] += 1
            ending_of[id(part)] = ending
            members[ending] = data
    for text in _texts(sample):
        members.setdefault("txt", text.text.encode("utf-8", "replace"))
    described = sample_json.describe(sample, lambda part: ending_of[id(part)])
    members["json"] = sample_json.to_bytes(described)
    return sorted(members.items())


def media_bytes(part: Image | Audio, limits: MediaLimits) -> tuple[str, bytes]:
    """The ending that the bytes deserve, and the bytes.

    Raises:
        MediaError: they can't be read, are too large, or are not what they should be.
    """
    where = part.content.name
    if isinstance(part, Image):
        data = read_bytes(part.content, limits.image.max_bytes)
        kind: str = require_image(data, where)
        if kind == "svg" and data[:2] == b"\x1f\x8b":
            kind = "svgz"
    else:
        data = read_bytes(part.content, limits.audio.max_bytes)
        kind = require_audio(data, where)
    return _ENDINGS.get(kind, kind), data


def _texts(sample: Sample) -> Iterator[Text]:
    """The texts, the one that is drawn most often first."""
    weights = sample.weights("text")
    parts: tuple[Part, ...] = sample.alternatives("text")
    if len(weights) == len(parts) and parts:
        first = max(range(len(parts)), key=lambda place: weights[place])
        parts = (parts[first],)
    for part in parts:
        if isinstance(part, Text):
            yield part
