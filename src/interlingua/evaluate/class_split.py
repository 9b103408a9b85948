"""A split of labelled pictures that keeps classes even and components whole.

Shape legend: N pictures.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from interlingua.errors import DataError
from interlingua.evaluate.intervals import Seed
from interlingua.evaluate.labelled import IntArray


def split_by_class(
    labels: npt.ArrayLike, clusters: npt.ArrayLike, share: float, seed: Seed = 0
) -> tuple[IntArray, IntArray]:
    """Rows of two sides: of each class about ``share`` of its clusters go to the second.

    A class with one cluster stays on the first side: what was never seen can't be learned. A
    cluster of several classes goes where its first picture goes. The order of the
    pictures doesn't matter to the choice of clusters.

    Args:
        labels: [N].
        clusters: [N] what must stay together.
        share: 0..1 of each class.
        seed: of the choice.

    Returns:
        Rows of the first side and of the second, each sorted.

    Raises:
        DataError: nothing would be on one of the sides.
    """
    classes, groups = np.asarray(labels, np.int64), np.asarray(clusters, np.int64)
    if not 0 < share < 1:
        raise ValueError(f"share must be between 0 and 1, not {share}")
    known, first, index = np.unique(groups, return_index=True, return_inverse=True)
    of_group = classes[first]
    second = np.zeros(len(known), bool)
    generator = np.random.default_rng(seed)
    for label in np.unique(of_group):
        members = np.flatnonzero(of_group == label)
        count = min(max(1, round(share * len(members))), len(members) - 1)
        second[generator.permutation(members)[:count]] = True
    rows = np.flatnonzero(~second[index]), np.flatnonzero(second[index])
    if not len(rows[0]) or not len(rows[1]):
        raise DataError(
            "There are too few pictures to hold some of each class out.",
            where=f"{len(classes)} pictures, {len(np.unique(classes))} classes",
            next_step="Give two pictures or more of each class.",
        )
    return rows
