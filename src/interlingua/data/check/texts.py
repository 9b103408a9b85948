"""Texts: how long, how many alike, how many that say nothing.

What says nothing is judged by the filters that can take it out (``data.filters``), so that the
check and the recipe mean the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from interlingua.data.check.example import EXAMPLES, Example
from interlingua.data.check.spread import Spread, spread_of
from interlingua.data.filters.boilerplate import Boilerplate
from interlingua.data.filters.chain import spread as evenly
from interlingua.data.filters.filter import Filter, Verdict
from interlingua.data.filters.repeated_words import RepeatedWords
from interlingua.data.filters.words import folded, split_words
from interlingua.sample import Sample, Text

SHOWN_TEXTS = 10
LOST = "\ufffd"  # what a character becomes that was read in the wrong encoding


@dataclass(frozen=True, slots=True)
class Poor:
    """Texts of one kind that teach little.

    Attributes:
        reason: what is wrong with them, a short fixed phrase.
        count: how many texts.
        examples: of them.
    """

    reason: str
    count: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class TextFacts:
    """What the texts are like.

    Attributes:
        count: of texts, alternatives included.
        different: of those, case and spacing aside.
        empty: texts without anything but white space.
        words, characters: of each text.
        shared: texts that are those of an earlier sample too.
        commonest: (text, samples that have it), of those that several have.
        poor: boilerplate and repeated words, and characters that were lost, by reason.
    """

    count: int
    different: int
    empty: int
    words: Spread | None
    characters: Spread | None
    shared: int
    commonest: tuple[tuple[str, int], ...]
    poor: tuple[Poor, ...]


def all_texts(samples: Sequence[Sample]) -> Iterator[tuple[int, Text]]:
    """(place of the sample, text), alternatives and the texts of sequences included."""
    for place, sample in enumerate(samples):
        for part in sample.all_parts():
            if isinstance(part, Text):
                yield place, part


def text_facts(samples: Sequence[Sample]) -> TextFacts | None:
    """The facts of the texts; None where there is none."""
    texts = [(place, part.text) for place, part in all_texts(samples)]
    if not texts:
        return None
    said = [(place, folded(text)) for place, text in texts]
    # a sample that says it twice counts once
    samples_of = Counter(text for _, text in set(said) if text)
    common = [(text, number) for text, number in samples_of.most_common(SHOWN_TEXTS) if number > 1]
    return TextFacts(
        count=len(texts),
        different=len(samples_of),
        empty=sum(not text for _, text in said),
        words=spread_of([len(split_words(text)) for _, text in texts], whole=True),
        characters=spread_of([len(text) for _, text in texts], whole=True),
        shared=sum(number - 1 for number in samples_of.values()),
        commonest=tuple((text[:200], number) for text, number in common),
        poor=tuple(_poor(samples)),
    )


def _poor(samples: Sequence[Sample]) -> Iterator[Poor]:
    judges: list[Filter] = [
        Boilerplate(Boilerplate.Config()),
        RepeatedWords(RepeatedWords.Config()),
    ]
    found: dict[str, list[Verdict]] = {}
    for judge in judges:
        for verdict in judge.judge(samples):
            found.setdefault(verdict.reason, []).append(verdict)
    for reason, verdicts in sorted(found.items(), key=lambda item: (-len(item[1]), item[0])):
        examples = [_example(verdict, samples) for verdict in evenly(verdicts, EXAMPLES)]
        yield Poor(reason, len(verdicts), tuple(examples))
    lost = [(place, part.text) for place, part in all_texts(samples) if LOST in part.text]
    if lost:
        examples = [
            Example(samples[place].key, text[:200], place) for place, text in evenly(lost, EXAMPLES)
        ]
        yield Poor("characters that were lost", len(lost), tuple(examples))


def _example(verdict: Verdict, samples: Sequence[Sample]) -> Example:
    sample = samples[verdict.place]
    part = sample.alternatives("text")[verdict.text or 0]
    text = part.text if isinstance(part, Text) else ""
    return Example(sample.key, text[:200], verdict.place)
