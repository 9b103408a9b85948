"""Chance as a filter: the control that every other filter has to beat at the same share.

A filter makes the corpus smaller as well as cleaner. Whether it is the cleaning that helps shows
only beside as many samples that were chosen blindly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from pydantic import Field, PositiveInt, model_validator

from interlingua.data.filters.filter import Filter, Verdict
from interlingua.sample import Sample


class RandomThin(Filter):
    """Keeps a share, or a number, of the samples.

    Which ones depends on their keys and the seed alone, not on their order, and what is kept of
    a small share is kept of a larger one too.
    """

    class Config(Filter.Config):
        """Settings; one of ``share`` and ``number`` is given.

        Attributes:
            share: of the samples that stay.
            number: of the samples that stay; all of them where there are fewer.
            seed: of the choice.
        """

        name: str = "random_thin"
        share: float | None = Field(default=None, gt=0, le=1)
        number: PositiveInt | None = None
        seed: int = 0

        @model_validator(mode="after")
        def _one_of_two(self) -> RandomThin.Config:
            if (self.share is None) == (self.number is None):
                raise ValueError("give one of share and number")
            return self

    def judge(self, samples: Sequence[Sample]) -> Iterator[Verdict]:
        number = self.config.number
        if number is None:
            number = round(self.config.share * len(samples))
        draws = [self._draw(sample) for sample in samples]
        order = sorted(range(len(samples)), key=lambda place: (draws[place], place))
        for place in order[number:]:
            yield Verdict(place, "by chance", round(draws[place], 6))

    def _draw(self, sample: Sample) -> float:
        """0..1, the same for a key and a seed everywhere and for ever."""
        name = f"{self.config.seed}/{sample.meta.source}/{sample.key}"
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64
