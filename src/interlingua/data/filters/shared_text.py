"""Texts that many pictures share: "1080x1920" tells nothing of any of them.

Source: Jia et al. 2021 (ALIGN, arXiv:2102.05918), section 3: alt-texts shared by more than 10
pictures are dropped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pydantic import PositiveInt

from interlingua.data.filters.filter import Filter, Verdict, each_text
from interlingua.data.filters.words import folded
from interlingua.sample import Sample


class SharedText(Filter):
    """Takes texts that more than some samples have, case and spacing aside."""

    class Config(Filter.Config):
        """Settings.

        Attributes:
            max_samples: that may share a text.
        """

        name: str = "shared_text"
        max_samples: PositiveInt = 10

    def judge(self, samples: Sequence[Sample]) -> Iterator[Verdict]:
        texts = [(place, number, folded(part.text)) for place, number, part in each_text(samples)]
        # a sample that says it twice counts once
        counts = Counter(text for _, text in {(place, text) for place, _, text in texts})
        for place, number, text in texts:
            if counts[text] > self.config.max_samples:
                yield Verdict(place, "text of many samples", counts[text], number)
