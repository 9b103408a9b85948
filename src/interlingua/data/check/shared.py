"""What training and test have in common: a test that was trained on measures memory."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from interlingua.data.check.example import EXAMPLES
from interlingua.data.check.media import Medium
from interlingua.data.check.twins import Pair, same_bytes
from interlingua.data.component import names
from interlingua.data.filters.chain import spread as evenly
from interlingua.data.filters.words import folded
from interlingua.sample import Sample, Text


@dataclass(frozen=True, slots=True)
class SharedExample:
    """A test sample with one of training's that is the same thing.

    Attributes:
        test, train: their keys.
        why: what makes them one thing.
        test_place, train_place: in all samples, training's first.
    """

    test: str
    train: str
    why: str
    test_place: int
    train_place: int


@dataclass(frozen=True, slots=True)
class SharedFacts:
    """What is on both sides.

    Attributes:
        test: what the test source is called.
        test_samples: how many it has.
        components: things that are on both sides.
        test_affected, train_affected: samples of these.
        files: test samples with a file that is byte for byte one of training's.
        texts: test samples with a text of training's, case and spacing aside.
        examples: of things on both sides.
    """

    test: str
    test_samples: int
    components: int
    test_affected: int
    train_affected: int
    files: int
    texts: int
    examples: tuple[SharedExample, ...]


def shared_facts(
    samples: Sequence[Sample],
    train: int,
    test: str,
    media: Sequence[Medium],
    drawings: Sequence[Pair],
    recordings: Sequence[Pair] = (),
) -> SharedFacts:
    """Compare the two sides.

    Args:
        samples: of both, with components over both; training's come first.
        train: how many are training's.
        test: what the test source is called.
        media: of both sides.
        drawings: of ``same_drawings`` over both sides.
        recordings: of ``same_sounds`` over both sides.
    """
    sides: tuple[dict[int | None, list[int]], ...] = ({}, {})
    for place, sample in enumerate(samples):
        sides[place >= train].setdefault(sample.meta.component, []).append(place)
    both = [component for component in sides[1] if component in sides[0]]
    seen = [place for component in both for place in sides[1][component]]
    # A file of training's is the first of its digest, because training's samples come first.
    files = {right: left for left, right, _ in same_bytes(media) if left < train <= right}
    said = {text for sample in samples[:train] for text in _said(sample)}
    twins = {"the same drawing": drawings, "the same recording": recordings}
    reasons = _reasons(samples, train, files, twins)
    examples = []
    for place in evenly(seen, EXAMPLES):
        twin, why = reasons.get(
            place, (sides[0][samples[place].meta.component][0], "through others")
        )
        examples.append(SharedExample(samples[place].key, samples[twin].key, why, place, twin))
    return SharedFacts(
        test=test,
        test_samples=len(samples) - train,
        components=len(both),
        test_affected=len(seen),
        train_affected=sum(len(sides[0][component]) for component in both),
        files=len(files),
        texts=sum(not said.isdisjoint(_said(sample)) for sample in samples[train:]),
        examples=tuple(examples),
    )


def _said(sample: Sample) -> set[str]:
    """The texts of a sample; of a class none, since things share its name on purpose."""
    if sample.alternatives("label"):
        return set()
    return {folded(part.text) for part in sample.all_parts() if isinstance(part, Text)} - {""}


def _reasons(
    samples: Sequence[Sample],
    train: int,
    files: Mapping[int, int],
    twins: Mapping[str, Sequence[Pair]],
) -> dict[int, tuple[int, str]]:
    """By the place of a test sample, one of training's and why they are the same; the surest."""
    found = {right: (left, "the same file") for right, left in files.items()}
    for why, pairs in twins.items():
        for left, right in pairs:
            if left < train <= right:
                found.setdefault(right, (left, why))
    named: dict[Hashable, int] = {}
    for place, sample in enumerate(samples[:train]):
        for name in names(sample):
            named.setdefault(name, place)
    for place in range(train, len(samples)):
        for name in sorted(names(samples[place])):
            if name in named:
                found.setdefault(place, (named[name], f"the same name: {name}"))
    return found
