"""The contract of a filter: samples in; kept ones out, and what went, why, and by which measure.

The unit is the pair of a picture and a text. A sample with five captions is five pairs: a filter
of texts takes single captions from it, and the sample itself goes when none is left. A filter of
pictures takes whole samples. What lacks the view that a filter judges stays as it is, and so does
a *sequence*, whose texts belong together.

A filter is deterministic: the same samples in the same order give the same answer, and the kept
ones stay in order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from interlingua.config import NamedConfig, to_plain
from interlingua.sample import Image, OneOf, Part, Sample, Text

Value: TypeAlias = int | float | str
# Scores of picture-text pairs, higher = they fit better, NaN = one of them can't be read; and what
# opens the scorer of a run. They come from the training side, which this side knows nothing of.
PairScorer: TypeAlias = Callable[[Sequence[tuple[Image, Text]]], NDArray[np.float64]]
OpenScorer: TypeAlias = Callable[[Path], PairScorer]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a filter says of a sample or of one of its texts that shall go.

    Attributes:
        place: of the sample among those given.
        reason: a short fixed phrase, for counting.
        value: what was measured.
        text: which of ``sample.alternatives("text")``; None = the whole sample.
    """

    place: int
    reason: str
    value: Value
    text: int | None = None


@dataclass(frozen=True, slots=True)
class Removal:
    """A verdict that was carried out.

    Attributes:
        place: of the sample among all that the filter was given.
        sample: as it was before.
        reason, value, text: see ``Verdict``.
        whole: the sample left with this; at most one removal of a sample is marked.
    """

    place: int
    sample: Sample
    reason: str
    value: Value
    text: int | None
    whole: bool

    @property
    def shown_text(self) -> str:
        """The text that went; of a whole sample its first."""
        texts = self.sample.alternatives("text")
        part = texts[self.text or 0] if texts else None
        return part.text if isinstance(part, Text) else ""


@dataclass(frozen=True, slots=True)
class Filtered:
    """What one filter did.

    Attributes:
        name: of the filter.
        settings: of the filter, all of them, as plain data.
        given: how many samples it was given.
        given_texts: how many texts they had.
        kept: the samples that stay, in order, some with fewer texts.
        removals: in the order of the samples.
    """

    name: str
    settings: dict[str, Any]
    given: int
    given_texts: int
    kept: list[Sample]
    removals: list[Removal]

    @property
    def removed(self) -> int:
        """How many samples went."""
        return self.given - len(self.kept)

    @property
    def removed_texts(self) -> int:
        """How many texts went, those of removed samples included."""
        return self.given_texts - count_texts(self.kept)


class Filter(ABC):
    """Judges samples. Subclasses are built by name from a recipe.

    Args:
        config: the settings.
        open_scorer: opens what scores pairs, for the filter that needs one.
    """

    class Config(NamedConfig):
        """Settings of every filter.

        Attributes:
            sources: only samples of these sources are judged; all if empty.
        """

        folder: ClassVar[str] = "data.filters"
        sources: tuple[str, ...] = ()

    def __init__(self, config: Filter.Config, open_scorer: OpenScorer | None = None):
        self.config: Any = config
        self.open_scorer = open_scorer

    def __call__(self, samples: Sequence[Sample]) -> Filtered:
        """Judge the samples and take out what shall go."""
        wanted = self.config.sources
        places = [
            place for place, one in enumerate(samples) if not wanted or one.meta.source in wanted
        ]
        verdicts = (
            replace(verdict, place=places[verdict.place])
            for verdict in self.judge([samples[place] for place in places])
        )
        return carry_out(self.config.name, to_plain(self.config), samples, verdicts)

    @abstractmethod
    def judge(self, samples: Sequence[Sample]) -> Iterable[Verdict]:
        """The verdicts over what shall go, in any order, at most one for each text or sample."""


def carry_out(
    name: str, settings: dict[str, Any], samples: Sequence[Sample], verdicts: Iterable[Verdict]
) -> Filtered:
    """Take out what the verdicts say; a sample without any text left goes too.

    Args:
        name, settings: of the filter.
        samples: all of them.
        verdicts: places are those of ``samples``.
    """
    ordered = sorted(verdicts, key=lambda one: (one.place, -1 if one.text is None else one.text))
    removals: list[Removal] = []
    changed: dict[int, Sample | None] = {}
    for place, group in groupby(ordered, key=lambda one: one.place):
        found, sample = list(group), samples[place]
        left = None
        if found[0].text is None:
            found = found[:1]
        else:
            left = _without(sample, {one.text for one in found})
        changed[place] = left
        removals += [
            Removal(place, sample, one.reason, one.value, one.text, left is None and not number)
            for number, one in enumerate(found)
        ]
    after = (changed.get(place, sample) for place, sample in enumerate(samples))
    kept = [sample for sample in after if sample is not None]
    return Filtered(name, settings, len(samples), count_texts(samples), kept, removals)


def each_text(samples: Sequence[Sample]) -> Iterator[tuple[int, int, Text]]:
    """(place of the sample, place of the text in it, the text), of all that may be judged."""
    for place, sample in enumerate(samples):
        if sample.kind == "views":
            for number, part in enumerate(sample.alternatives("text")):
                if isinstance(part, Text):
                    yield place, number, part


def pictures(sample: Sample) -> list[Image]:
    """The pictures of a sample, alternatives included."""
    return [part for part in sample.all_parts() if isinstance(part, Image)]


def count_texts(samples: Iterable[Sample]) -> int:
    """How many texts the samples have."""
    return sum(len(sample.alternatives("text")) for sample in samples)


def _without(sample: Sample, gone: set[int | None]) -> Sample | None:
    """The sample without some of its texts; None where that was all of them."""
    texts, weights = sample.alternatives("text"), sample.weights("text")
    left = [number for number in range(len(texts)) if number not in gone]
    # texts that are never drawn are no texts: weights have to add up to something
    if not sum(weights[number] for number in left):
        return None
    words = OneOf(tuple(texts[n] for n in left), tuple(weights[n] for n in left))
    parts: list[Part | OneOf] = [words if part.view == "text" else part for part in sample.parts]
    return replace(sample, parts=tuple(parts))
