"""Texts that say a word over and over: "image image image", "cheap shoes shoes cheap shoes".

Source: repetition filters as in Rae et al. 2021 (Gopher, arXiv:2112.11446), appendix A1.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from pydantic import Field, PositiveInt

from interlingua.data.filters.filter import Filter, Verdict, each_text
from interlingua.data.filters.words import split_words
from interlingua.sample import Sample


class RepeatedWords(Filter):
    """Takes texts with one word many times in a row, or with few different words."""

    class Config(Filter.Config):
        """Settings.

        Attributes:
            max_in_a_row: of one word; "bye bye" and "New York, New York" are no noise.
            min_different: the share of a text's words that have to differ ...
            from_words: ... in texts of at least this many.
        """

        name: str = "repeated_words"
        max_in_a_row: PositiveInt = 2
        min_different: float = Field(default=0.5, ge=0, le=1)
        from_words: PositiveInt = 5

    def judge(self, samples: Sequence[Sample]) -> Iterator[Verdict]:
        for place, number, part in each_text(samples):
            words = split_words(part.text)
            longest = max((len(list(group)) for _, group in groupby(words)), default=0)
            different = len(set(words)) / max(1, len(words))
            if longest > self.config.max_in_a_row:
                yield Verdict(place, "one word in a row", longest, number)
            elif len(words) >= self.config.from_words and different < self.config.min_different:
                yield Verdict(place, "few different words", round(different, 3), number)
