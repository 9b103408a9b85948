"""The learned filter: pairs that a trained model finds far apart go.

The model is one that training made before, and it must have seen nothing that is held out
(``train.pair_score`` makes sure): else what is tested on would have a say in what is learned.

Source: the CLIP-score filter of Schuhmann et al. 2021 (LAION-400M, arXiv:2111.02114), section 2.2,
and Gadre et al. 2023 (DataComp, arXiv:2304.14108), section 3.3 (the top share).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from pydantic import Field, FiniteFloat, model_validator

from interlingua.data.filters.filter import Filter, Verdict, each_text, pictures
from interlingua.errors import ConfigError
from interlingua.sample import Sample


class PairScore(Filter):
    """Keeps the share of pairs that fit best, or those over a score.

    Of several pictures of a sample the best one counts. A pair that can't be read goes.

    Raises:
        ConfigError: nothing is there that could open the run.
    """

    class Config(Filter.Config):
        """Settings; one of ``keep`` and ``min_score`` is given.

        Attributes:
            run: the folder of the run whose model scores (cosine of picture and text).
            keep: the share of the pairs that stays.
            min_score: the score from which on a pair stays.
        """

        name: str = "pair_score"
        run: Path
        keep: float | None = Field(default=None, gt=0, le=1)
        min_score: FiniteFloat | None = None

        @model_validator(mode="after")
        def _one_of_two(self) -> PairScore.Config:
            if (self.keep is None) == (self.min_score is None):
                raise ValueError("give one of keep and min_score")
            return self

    def judge(self, samples: Sequence[Sample]) -> Iterator[Verdict]:
        if self.open_scorer is None:
            raise ConfigError(
                "Pairs can be scored in a recipe only.",
                where="data.filters.pair_score",
                next_step="Put the filter into a recipe's data.filters, and train it.",
            )
        places = []  # (place of the sample, of the text) of each pair
        pairs = []
        for place, number, part in each_text(samples):
            for image in pictures(samples[place]):
                places.append((place, number))
                pairs.append((image, part))
        if not pairs:
            return
        scores = np.asarray(self.open_scorer(self.config.run)(pairs), np.float64)
        best: dict[tuple[int, int], float] = {}
        for key, score in zip(places, scores.tolist(), strict=True):
            best[key] = max(best.get(key, -np.inf), -np.inf if np.isnan(score) else score)
        bound = self._bound(best)
        for (place, number), score in best.items():
            if score == -np.inf:
                yield Verdict(place, "can't be scored", "unreadable", number)
            elif (place, number) in bound:
                yield Verdict(place, "picture and text far apart", round(score, 4), number)

    def _bound(self, best: dict[tuple[int, int], float]) -> set[tuple[int, int]]:
        """The pairs that go; of equal scores the later ones."""
        if self.config.keep is None:
            return {key for key, score in best.items() if score < self.config.min_score}
        order = sorted(best, key=lambda key: -best[key])
        return set(order[round(self.config.keep * len(order)) :])
