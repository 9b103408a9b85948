"""What there is to learn: which views occur together, and on how many different things.

Pairs are learned from by telling them apart. A thousand pictures with one text, or with one class,
say the same thing a thousand times.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from interlingua.data.check.media import Medium
from interlingua.data.filters.words import folded
from interlingua.sample import Label, Sample, Text


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one view, or two together, can teach.

    Attributes:
        views: one or two of them.
        samples: that have all of these, with media that can be read.
        different: of each view, how many different things it has in those samples.
    """

    views: tuple[str, ...]
    samples: int
    different: tuple[int, ...]

    @property
    def teaches(self) -> bool:
        """Whether there are two things to tell apart, seen from every side."""
        return min(self.different) >= 2


def lessons(samples: Sequence[Sample], media: Sequence[Medium]) -> list[Lesson]:
    """Of each view and each pair of views what it can teach, pairs first, most samples first.

    Args:
        samples: to be trained on.
        media: that were looked at; what was not counts as readable.
    """
    looked = {id(one.content): one for one in media}
    counts: dict[tuple[str, ...], int] = defaultdict(int)
    values: dict[tuple[str, ...], dict[str, set[object]]] = {}
    for sample in samples:
        having: dict[str, set[object]] = defaultdict(set)
        for view, value in _values(sample, looked):
            having[view].add(value)
        order = sorted(having)
        for views in [*((one,) for one in order), *combinations(order, 2)]:
            counts[views] += 1
            for view in views:
                values.setdefault(views, defaultdict(set))[view] |= having[view]
    found = [
        Lesson(views, number, tuple(len(values[views][view]) for view in views))
        for views, number in counts.items()
    ]
    return sorted(found, key=lambda one: (-len(one.views), -one.samples, one.views))


def nothing_to_learn(found: Sequence[Lesson], wanted: Collection[str] = ()) -> str:
    """Why nothing can be learned, a sentence; empty where something can.

    Args:
        found: of ``lessons``.
        wanted: the views that a model takes; empty = any.
    """
    usable = [one for one in found if not wanted or set(one.views) <= set(wanted)]
    if not usable:
        views = f" with {' or '.join(wanted)}" if wanted else ""
        return f"No sample{views} can be read."
    pairs = [one for one in usable if len(one.views) == 2]
    if any(one.teaches for one in pairs):
        return ""
    if pairs:
        best = pairs[0]
        same = " and ".join(
            f"{number} different {view}{'s' if number != 1 and view != 'speech' else ''}"
            for view, number in zip(best.views, best.different, strict=True)
        )
        return (
            f"Pairs are learned from by telling them apart, and here {best.samples:,} samples "
            f"have {same} in all."
        )
    if len(wanted) > 1:
        return f"No sample has two of the views {', '.join(wanted)}, which the model joins."
    if any(one.teaches for one in usable):
        return ""
    return "All samples are the same."


def _values(sample: Sample, looked: Mapping[int, Medium]) -> Iterator[tuple[str, object]]:
    """(view, what stands for one thing in it), of all that can be used."""
    for part in sample.all_parts():
        if isinstance(part, Text):
            if text := folded(part.text):
                yield part.view, text
        elif isinstance(part, Label):
            yield part.view, part.name
        elif (medium := looked.get(id(part.content))) is None:
            yield part.view, part.content.name
        elif not medium.reason:
            yield part.view, medium.digest
