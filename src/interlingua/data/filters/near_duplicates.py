"""The same drawing once more: rescaled, mirrored, on another ground (``data.near_duplicates``).

ALIGN (Jia et al. 2021, arXiv:2102.05918, section 3) drops near-duplicates of *test* pictures; that
is the split's work here (``data.component``). This one thins out the training samples themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from interlingua.content import Content
from interlingua.data.filters.filter import Filter, Verdict, pictures
from interlingua.data.near_duplicates import fingerprints, pairs
from interlingua.sample import Sample


class NearDuplicates(Filter):
    """Takes samples whose picture is that of a kept one before them, whatever their texts say.

    A picture that only resembles a removed one stays, so chains of small changes are not followed.
    """

    class Config(Filter.Config):
        """No settings of its own; the bounds are those of ``data.near_duplicates``."""

        name: str = "near_duplicates"

    def judge(self, samples: Sequence[Sample]) -> Iterator[Verdict]:
        owners: list[int] = []
        contents: list[Content] = []
        for place, sample in enumerate(samples):
            if sample.kind == "views":
                for part in pictures(sample):
                    owners.append(place)
                    contents.append(part.content)
        earlier: dict[int, set[int]] = {}
        for left, right in pairs(fingerprints(contents)):
            first, second = sorted((owners[left], owners[right]))
            if first != second:
                earlier.setdefault(second, set()).add(first)
        gone: set[int] = set()
        for place in sorted(earlier):
            twins = earlier[place] - gone
            if twins:
                gone.add(place)
                yield Verdict(place, "same drawing", samples[min(twins)].key)
