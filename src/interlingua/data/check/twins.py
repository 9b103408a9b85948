"""What is there twice: the same bytes, the same drawing, the same name.

Components are those of ``data.component``: what a split may not part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from interlingua.data.check.example import EXAMPLES, Example
from interlingua.data.check.media import Medium
from interlingua.data.component import DisjointSets
from interlingua.data.filters.chain import spread as evenly
from interlingua.data.near_duplicates import pairs
from interlingua.data.recordings import pairs_of_equals
from interlingua.sample import Sample

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TwinFacts:
    """What is there more than once.

    Attributes:
        copies: by view, samples with a file that is byte for byte an earlier sample's.
        copy_examples: of those; the note names the earlier one.
        near: pictures that are the same drawing as an earlier sample's, copies included.
        near_groups: how many drawings those are.
        near_examples: (a picture of the group, another one), of different groups.
        keys: keys that several samples have.
        key_examples: of those.
        components: things that count as one: same name, same drawing, same recording.
        largest: samples in the largest components, most first.
        largest_examples: of the largest one.
    """

    copies: dict[str, int]
    copy_examples: tuple[Example, ...]
    near: int
    near_groups: int
    near_examples: tuple[tuple[Example, Example], ...]
    keys: int
    key_examples: tuple[Example, ...]
    components: int
    largest: tuple[int, ...]
    largest_examples: tuple[Example, ...]


def same_bytes(media: Sequence[Medium]) -> list[tuple[int, int, str]]:
    """(place of the first sample, place of a later one, view) that have a file in common."""
    first: dict[bytes, int] = {}
    found: dict[tuple[int, int, str], None] = {}
    for medium in media:
        if medium.digest and not medium.reason:
            place = first.setdefault(medium.digest, medium.place)
            if place != medium.place:
                found[place, medium.place, medium.view] = None
    return list(found)


def same_drawings(media: Sequence[Medium]) -> list[Pair]:
    """(place, place) of samples whose pictures are near-duplicates, each pair once.

    Of pictures with the same bytes one stands for all: a thousand copies of a placeholder would be
    half a million pairs.
    """
    chosen: dict[bytes, Medium] = {}
    found: dict[Pair, None] = {}
    for medium in media:
        if medium.fingerprint is None:
            continue
        first = chosen.setdefault(medium.digest, medium)
        if first.place != medium.place:
            found[first.place, medium.place] = None
    ones = list(chosen.values())
    for left, right in pairs([one.fingerprint for one in ones]):
        pair = sorted((ones[left].place, ones[right].place))
        if pair[0] != pair[1]:
            found[pair[0], pair[1]] = None
    return list(found)


def same_sounds(media: Sequence[Medium]) -> list[Pair]:
    """(place, place) of samples with a recording in common, silence aside."""
    return pairs_of_equals(
        (medium.place, medium.wave) for medium in media if medium.wave and not medium.silent
    )


def twin_facts(
    samples: Sequence[Sample], media: Sequence[Medium], drawings: Sequence[Pair]
) -> TwinFacts:
    """The facts of one source.

    Args:
        samples: with their components.
        media: that were looked at; places are those of ``samples``.
        drawings: of ``same_drawings``.
    """
    copies = {(right, view): left for left, right, view in same_bytes(media)}
    groups = _groups(drawings, len(samples))
    keys = Counter(sample.key for sample in samples)
    double = [place for place, sample in enumerate(samples) if keys[sample.key] > 1]
    sizes = Counter(sample.meta.component for sample in samples).most_common()
    largest = [
        place for place, sample in enumerate(samples) if sample.meta.component == sizes[0][0]
    ]
    return TwinFacts(
        copies=dict(Counter(view for _, view in copies).most_common()),
        copy_examples=tuple(
            Example(samples[right].key, f"{view} as {samples[left].key}", right)
            for (right, view), left in evenly(sorted(copies.items()), EXAMPLES)
        ),
        near=sum(len(group) - 1 for group in groups),
        near_groups=len(groups),
        near_examples=tuple(
            (_plain(samples, group[0]), _plain(samples, group[1]))
            for group in evenly(groups, EXAMPLES)
        ),
        keys=len({samples[place].key for place in double}),
        key_examples=tuple(_plain(samples, place) for place in evenly(double, EXAMPLES)),
        components=len(sizes),
        largest=tuple(number for _, number in sizes[:5]),
        largest_examples=tuple(_plain(samples, place) for place in evenly(largest, EXAMPLES)),
    )


def _plain(samples: Sequence[Sample], place: int) -> Example:
    sample = samples[place]
    return Example(sample.key, sample.meta.name, place)


def _groups(drawings: Sequence[Pair], number: int) -> list[list[int]]:
    """The samples that show one drawing, of each drawing that several show."""
    sets = DisjointSets(number)
    for left, right in drawings:
        sets.join(left, right)
    groups: dict[int, list[int]] = {}
    for place in sorted({place for pair in drawings for place in pair}):
        groups.setdefault(sets.find(place), []).append(place)
    return list(groups.values())
