"""The same picture with the same text once more: byte for byte, case and spacing aside.

Files are read only where another one has as many bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from interlingua.content import Content, digest
from interlingua.data.filters.filter import Filter, Verdict, each_text, pictures
from interlingua.data.filters.words import folded
from interlingua.errors import MediaError
from interlingua.sample import Sample


class ExactDuplicates(Filter):
    """Takes pairs that came before; a picture without texts goes if it came before itself.

    What can't be read is no duplicate: training counts it as damaged.
    """

    class Config(Filter.Config):
        """No settings of its own."""

        name: str = "exact_duplicates"

    def judge(self, samples: Sequence[Sample]) -> Iterator[Verdict]:
        marks = _marks(samples)
        pairs: dict[tuple[tuple[str, ...], str], int] = {}
        for place, number, part in each_text(samples):
            if place not in marks:
                continue
            pair = (marks[place], folded(part.text))
            if pair in pairs:  # twice within one sample is a twin too: both would be drawn
                yield Verdict(place, "same picture and text", samples[pairs[pair]].key, number)
            pairs.setdefault(pair, place)
        alone: dict[tuple[str, ...], int] = {}
        for place, mark in marks.items():
            if samples[place].alternatives("text"):
                continue
            if mark in alone:
                yield Verdict(place, "same picture", samples[alone[mark]].key)
            alone.setdefault(mark, place)


def _marks(samples: Sequence[Sample]) -> dict[int, tuple[str, ...]]:
    """What stands for the bytes of a sample's pictures; nothing where they can't be read."""
    sizes: dict[int, tuple[int, ...]] = {}
    contents: dict[int, list[Content]] = {}
    for place, sample in enumerate(samples):
        found = [part.content for part in pictures(sample)]
        if sample.kind != "views" or not found:
            continue
        try:
            sizes[place] = tuple(content.size() for content in found)
            contents[place] = found
        except MediaError:
            continue
    common = Counter(sizes.values())
    marks: dict[int, tuple[str, ...]] = {}
    for place, size in sizes.items():
        if common[size] == 1:
            marks[place] = (f"only one of {size}",)
            continue
        try:
            marks[place] = tuple(digest(content) for content in contents[place])
        except MediaError:
            continue
    return marks
