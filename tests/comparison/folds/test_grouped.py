from __future__ import annotations

import numpy as np
import pytest

from interlingua.comparison.folds.grouped import grouped_folds
from interlingua.errors import DataError


def test_clusters_stay_together_and_answers_are_spread() -> None:
    random = np.random.default_rng(0)
    clusters = random.integers(0, 150, 400)
    labels = (clusters * 7) % 9
    folds = grouped_folds(labels, clusters, 5)
    for cluster in np.unique(clusters):
        assert len(set(folds[clusters == cluster])) == 1
    sizes = np.bincount(folds, minlength=5)
    assert sizes.max() - sizes.min() <= 12
    for label in range(9):
        counts = np.bincount(folds[labels == label], minlength=5)
        assert counts.max() - counts.min() <= 5


def test_the_seed_decides_and_nothing_else() -> None:
    labels = np.arange(60) % 3
    clusters = np.arange(60)
    first = grouped_folds(labels, clusters, 4, seed=1)
    assert np.array_equal(first, grouped_folds(labels, clusters, 4, seed=1))
    assert not np.array_equal(first, grouped_folds(labels, clusters, 4, seed=2))


def test_too_few_clusters_are_refused() -> None:
    with pytest.raises(DataError, match="3 clusters"):
        grouped_folds(np.zeros(9, np.int64), np.arange(9) // 3, 5)
