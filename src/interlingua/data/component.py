"""Components: what must not be split between training and test.

Samples that bear the same name, or show the same drawing, over all sources, share a
component. A held-out thing then has no twin in training, and in evaluation any item of the
query's component counts as a hit.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from interlingua.content import Content
from interlingua.data.near_duplicates import Fingerprint, fingerprints, pairs
from interlingua.errors import DataError
from interlingua.sample import Image, Sample, Text

# A longer text describes; two things that it fits are still two things.
MAX_NAME_WORDS = 6
_DROPPED = frozenset(("a", "an", "the", "some"))


def assign_components(
    samples: Sequence[Sample],
    *,
    image_hash: Callable[[Sample], Fingerprint | None] | None = None,
    pictures: bool = True,
    same_pictures: Iterable[tuple[int, int]] | None = None,
    same_sounds: Iterable[tuple[int, int]] = (),
) -> list[Sample]:
    """The same samples, each with its ``meta.component``.

    Joined are: equal normalised names; near-duplicate pictures; and samples of one source to which
    the source itself gave the same component. Numbers are 0, 1, ... in order of appearance.

    Args:
        samples: of all sources that a split is about, together.
        image_hash: another fingerprint for a sample's picture; by default the first picture's own,
            kept in the cache folder.
        pictures: whether pictures are compared at all.
        same_pictures: (place, place) of samples with near-duplicate pictures, where they have been
            found already; ``image_hash`` is not used then.
        same_sounds: (place, place) of samples with a recording in common (``same_recordings``);
            sounds are not decoded here.
    """
    sets = DisjointSets(len(samples))
    first: dict[Hashable, int] = {}
    for place, sample in enumerate(samples):
        marks: list[Hashable] = list(names(sample))
        if sample.meta.component is not None:
            marks.append((sample.meta.source, sample.meta.component))
        for mark in marks:
            sets.join(first.setdefault(mark, place), place)
    if pictures:
        found = _same_pictures(samples, image_hash) if same_pictures is None else same_pictures
        for left, right in found:
            sets.join(left, right)
    for left, right in same_sounds:
        sets.join(left, right)
    numbers: dict[int, int] = {}
    return [
        replace(
            sample,
            meta=replace(sample.meta, component=numbers.setdefault(sets.find(place), len(numbers))),
        )
        for place, sample in enumerate(samples)
    ]


def names(sample: Sample) -> set[str]:
    """The normalised names that a sample goes by: its plain name and its most telling texts.

    A sample with a label has none: its text is a class, which many things share on purpose.
    """
    if sample.alternatives("label"):
        return set()
    found = {normalised(sample.meta.name)}
    weights = sample.weights("text")
    for part, weight in zip(sample.alternatives("text"), weights, strict=True):
        if isinstance(part, Text) and weight == max(weights):
            name = normalised(part.text)
            if len(name.split()) <= MAX_NAME_WORDS:
                found.add(name)
    return found - {""}


def normalised(name: str) -> str:
    """Lower case, without accents, punctuation, articles and plural endings."""
    text = unicodedata.normalize("NFKD", name.lower())
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    words = re.sub(r"[^\w]+|_", " ", text.replace("'", "").replace("’", "")).split()
    return " ".join(_singular(word) for word in words if word not in _DROPPED)


def _singular(word: str) -> str:
    """English plural endings off; what counts is that both forms come out alike."""
    if len(word) <= 3 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("sses", "ches", "shes", "xes", "zes", "oes")):
        return word[:-2]
    return word[:-1]


def _same_pictures(
    samples: Sequence[Sample], image_hash: Callable[[Sample], Fingerprint | None] | None
) -> list[tuple[int, int]]:
    owners: list[int] = []
    prints: list[Fingerprint | None] = []
    if image_hash is not None:
        owners = list(range(len(samples)))
        prints = [image_hash(sample) for sample in samples]
    else:
        contents: list[Content] = []
        for place, sample in enumerate(samples):
            for part in sample.alternatives("image"):
                if isinstance(part, Image):
                    owners.append(place)
                    contents.append(part.content)
        prints = fingerprints(contents)
    return [(owners[left], owners[right]) for left, right in pairs(prints)]


@dataclass(frozen=True)
class Split:
    """Two sides that no component is on both of.

    Attributes:
        train: what may be learned from.
        held_out: what is tested on.
        removed: on neither side: of a held-out component, but not chosen.
    """

    train: list[Sample]
    held_out: list[Sample]
    removed: list[Sample]


def split_by_component(
    samples: Sequence[Sample],
    *,
    held_out: int | Collection[str] | Callable[[Sample], bool],
    source: str | None = None,
    views: Sequence[str] = ("image", "text"),
    seed: int = 0,
) -> Split:
    """Hold samples out; whatever shares a component with one of them leaves training too.

    Args:
        samples: with components (``assign_components``).
        held_out: how many to choose at random; or the keys; or a test.
        source: choose among the samples of this source only; None = all.
        views: choose among samples that have all of these.
        seed: of the random choice; the order of ``samples`` doesn't matter to it.

    Raises:
        DataError: components are lacking, a key is unknown, or fewer samples than asked for.
    """
    if any(sample.meta.component is None for sample in samples):
        raise DataError(
            "The samples have no components, so a split could leak.",
            next_step="Call assign_components on the samples of all sources first.",
        )
    candidates = [
        sample
        for sample in samples
        if (source is None or sample.meta.source == source)
        and all(sample.alternatives(view) for view in views)
    ]
    chosen = {id(sample) for sample in _choose(candidates, held_out, seed, source)}
    held = [sample for sample in samples if id(sample) in chosen]
    components = {sample.meta.component for sample in held}
    rest = [sample for sample in samples if id(sample) not in chosen]
    return Split(
        train=[sample for sample in rest if sample.meta.component not in components],
        held_out=held,
        removed=[sample for sample in rest if sample.meta.component in components],
    )


def _choose(
    candidates: list[Sample],
    held_out: int | Collection[str] | Callable[[Sample], bool],
    seed: int,
    source: str | None,
) -> list[Sample]:
    place = f"source {source}" if source else None
    if isinstance(held_out, int):
        if not 0 < held_out <= len(candidates):
            raise DataError(
                f"{held_out} samples are to be held out; {len(candidates)} have the wanted views.",
                where=place,
                next_step="Hold out fewer, or check the source and the views.",
            )
        ordered = sorted(candidates, key=lambda sample: (sample.meta.source, sample.key))
        return random.Random(seed).sample(ordered, held_out)
    if callable(held_out):
        return [sample for sample in candidates if held_out(sample)]
    keys = set(held_out)
    found = [sample for sample in candidates if sample.key in keys]
    unknown = sorted(keys - {sample.key for sample in found})
    if unknown:
        raise DataError(
            f"{len(unknown)} keys to hold out are not among the candidates, {unknown[0]!r} first.",
            where=place,
            next_step="Check the keys, the source and the views.",
        )
    return found


class DisjointSets:
    """Union-find with path halving."""

    def __init__(self, size: int):
        self._parent = list(range(size))

    def find(self, item: int) -> int:
        """The representative of the item's set."""
        while self._parent[item] != item:
            self._parent[item] = self._parent[self._parent[item]]
            item = self._parent[item]
        return item

    def join(self, left: int, right: int) -> None:
        """Make one set of two; the earlier representative stays."""
        first, second = sorted((self.find(left), self.find(right)))
        self._parent[second] = first
