"""What clip length alone tells of a spoken name: the baseline that speech results must beat.

Long names take long to say. A line fitted on training clips predicts the number of letters of
the English name from the seconds of the clip, whatever its language; the gallery is ranked by
how near its names' lengths are to the prediction. A speech tower that hears nothing but length
scores this much.
"""

from __future__ import annotations

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

    def predict(self, seconds: npt.ArrayLike) -> FloatArray:
        """[N] letters."""
        return self.slope * np.asarray(seconds, np.float64) + self.intercept

    def scores(self, seconds: npt.ArrayLike, gallery_length: npt.ArrayLike) -> FloatArray:
        """Similarities [Q, G] = -|predicted letters - letters of the gallery item's name|.

        For ``retrieval_from_scores``; names of one length tie, and ties count at chance.
        """
        lengths = np.asarray(gallery_length, np.float64)
        return -np.abs(self.predict(seconds)[:, None] - lengths[None, :])
