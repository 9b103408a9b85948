"""What clip length alone tells of a spoken name: the baseline that speech results must beat.

Long names take long to say. A line fitted on training clips, one for each language, predicts the
number of letters of the English text from the seconds of the clip; the gallery is ranked by
how near its texts' lengths are to the prediction. A speech tower that hears nothing but length
scores this much.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlingua.evaluate.intervals import FloatArray


@dataclass(frozen=True, slots=True)
class LengthBaseline:
    """``letters = slope * seconds + intercept``."""

    slope: float
    intercept: float

    @classmethod
    def fit(cls, seconds: npt.ArrayLike, name_length: npt.ArrayLike) -> LengthBaseline:
        """Least squares over training clips.

        Args:
            seconds: [N] clip lengths.
            name_length: [N] letters of each thing's English name.

        Raises:
            ValueError: the two differ in length, or there are fewer than two clips.
        """
        x, y = np.asarray(seconds, np.float64), np.asarray(name_length, np.float64)
        if x.shape != y.shape or x.ndim != 1 or len(x) < 2:
            raise ValueError(f"need at least two pairs, not {x.shape} and {y.shape}")
        spread = x - x.mean()
        total = float(spread @ spread)
        slope = float(spread @ y) / total if total > 0 else 0.0
        return cls(slope, float(y.mean()) - slope * float(x.mean()))

    @classmethod
    def fit_by_language(
        cls,
        seconds: npt.ArrayLike,
        name_length: npt.ArrayLike,
        languages: Sequence[str | None],
        min_clips: int = 20,
    ) -> dict[str | None, LengthBaseline]:
        """One line for each language of at least ``min_clips`` clips; under None one for all.

        Raises:
            ValueError: see ``fit``.
        """
        x, y = np.asarray(seconds, np.float64), np.asarray(name_length, np.float64)
        found: dict[str | None, LengthBaseline] = {None: cls.fit(x, y)}
        for language, count in Counter(languages).items():
            if language is not None and count >= min_clips:
                chosen = np.array([one == language for one in languages])
                found[language] = cls.fit(x[chosen], y[chosen])
        return found

    def predict(self, seconds: npt.ArrayLike) -> FloatArray:
        """[N] letters."""
        return self.slope * np.asarray(seconds, np.float64) + self.intercept

    def scores(self, seconds: npt.ArrayLike, gallery_length: npt.ArrayLike) -> FloatArray:
        """Similarities [Q, G] = -|predicted letters - letters of the gallery item's name|.

        For ``retrieval_from_scores``; names of one length tie, and ties count at chance.
        """
        lengths = np.asarray(gallery_length, np.float64)
        return -np.abs(self.predict(seconds)[:, None] - lengths[None, :])
