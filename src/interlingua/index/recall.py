"""How many lists a search must look into, and what it then finds: measured, not assumed.

Stored vectors are asked for, each without itself. Half of them choose the number of lists, the
other half measure: a figure from those that chose it would flatter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlingua.evaluate.intervals import bootstrap_mean
from interlingua.index.info import Approximate
from interlingua.index.lists import Places
from interlingua.index.matrix import Matrix
from interlingua.index.scan import nearest

SAMPLE = 500  # questions, half of which measure
K = 10
TARGET = 0.95
_EQUAL = 1e-6  # cosines this close are as good as each other: copies of one picture

Shares = npt.NDArray[np.float64]


def measure(matrix: Matrix, target: float = TARGET, seed: int = 0) -> Approximate | None:
    """The fewest lists that reach ``target``; None where looking into half of them doesn't.

    Args:
        matrix: with lists.
        target: recall@10 against exact search, above 0 and at most 1.
        seed: of the sample.
    """
    assert matrix.lists is not None
    real = np.flatnonzero(matrix.real)
    if len(real) < 4:
        return None
    sample = np.random.default_rng(seed).choice(real, min(SAMPLE, len(real)), replace=False)
    chooses, measures = _asked(matrix, sample[::2]), _asked(matrix, sample[1::2])
    most = max(len(matrix.lists) // 2, 1)
    low, high = 0, 1
    while high < most and chooses.recall(high).mean() < target:
        low, high = high, min(high * 2, most)
    while high - low > 1:
        middle = (low + high) // 2
        if chooses.recall(middle).mean() < target:
            low = middle
        else:
            high = middle
    shares = measures.recall(high)
    while shares.mean() < target and high < most:  # the half that chose was luckier
        high = min(high + max(high // 10, 1), most)
        shares = measures.recall(high)
    if shares.mean() < target:
        return None
    estimate = bootstrap_mean(shares, np.arange(len(shares)), seed=seed)
    return Approximate(
        lists=len(matrix.lists),
        looked_into=high,
        recall=estimate.value,
        low=estimate.low,
        high=estimate.high,
        k=K,
        sample=len(shares),
        target=target,
    )


@dataclass(frozen=True, slots=True)
class _Questions:
    """Rows that are asked for, and the cosine of the k-th true neighbour of each."""

    matrix: Matrix
    rows: Places
    least: list[float]
    true: list[int]  # neighbours there are

    def recall(self, lists: int) -> Shares:
        """[n] the share of each row's true neighbours that a search of few lists finds."""
        queries = self.matrix.vectors[self.rows]
        found = nearest(self.matrix, queries, K + 1, self.matrix.real, lists)
        shares = []
        for one, row, least, true in zip(found, self.rows, self.least, self.true, strict=True):
            others = one.cosines[one.places != row][:K]
            right = int(np.count_nonzero(others >= least - _EQUAL))
            shares.append(min(right, true) / max(true, 1))
        return np.asarray(shares)


def _asked(matrix: Matrix, rows: Places) -> _Questions:
    exact = nearest(matrix, matrix.vectors[rows], K + 1, matrix.real)
    others = [one.cosines[one.places != row][:K] for one, row in zip(exact, rows, strict=True)]
    least = [float(one[-1]) if len(one) else 0.0 for one in others]
    return _Questions(matrix, rows, least, [len(one) for one in others])
