"""Texts of too few or too many words.

Source: Jia et al. 2021 (ALIGN, arXiv:2102.05918), section 3: under 3 unigrams is too short, over
20 too long. Names of things are one word long: set ``min_words`` to 1 for those.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field, PositiveInt, model_validator

from interlingua.data.filters.filter import Filter, Verdict, each_text
from interlingua.data.filters.words import split_words
from interlingua.sample import Sample


class TextLength(Filter):
    """Takes texts whose number of words is outside of a range."""

    class Config(Filter.Config):
        """Settings.

        Attributes:
            min_words, max_words: the range, both ends allowed.
        """

        name: str = "text_length"
        min_words: int = Field(default=3, ge=0)
        max_words: PositiveInt = 20

        @model_validator(mode="after")
        def _a_range(self) -> TextLength.Config:
            if self.min_words > self.max_words:
                raise ValueError(f"min_words {self.min_words} is over max_words {self.max_words}")
            return self

    def judge(self, samples: Sequence[Sample]) -> Iterator[Verdict]:
        for place, number, part in each_text(samples):
            count = len(split_words(part.text))
            if count < self.config.min_words:
                yield Verdict(place, "too few words", count, number)
            elif count > self.config.max_words:
                yield Verdict(place, "too many words", count, number)
