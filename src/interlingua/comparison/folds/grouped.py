"""Folds that split no cluster and have each answer in nearly equal numbers.

Shape legend: N things.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from interlingua.errors import DataError

IntArray = npt.NDArray[np.int64]


def grouped_folds(labels: IntArray, clusters: IntArray, folds: int, seed: int = 0) -> IntArray:
    """The fold that each thing is tested in.

    Clusters are dealt out, the largest first and otherwise in random order, each to the fold that
    has the fewest things of the cluster's answers (of all answers, where that is equal).

    Args:
        labels: [N] numbers of classes.
        clusters: [N]; things of one cluster come into one fold.
        folds: how many.
        seed: of the order.

    Returns:
        [N] 0 to folds - 1.

    Raises:
        DataError: fewer clusters than folds.
    """
    members: dict[int, list[int]] = {}
    for thing, cluster in enumerate(clusters.tolist()):
        members.setdefault(cluster, []).append(thing)
    if folds < 2 or len(members) < folds:
        raise DataError(
            f"{len(members)} clusters of things can't be divided into {folds} folds.",
            next_step="Take more data, or from 2 folds up to as many as there are clusters.",
        )
    ordered = [members[cluster] for cluster in sorted(members)]
    order = np.random.default_rng((seed, folds)).permutation(len(ordered))
    order = order[np.argsort([-len(ordered[place]) for place in order], kind="stable")]
    counts = [Counter[int]() for _ in range(folds)]
    totals = [0] * folds
    fold_of = np.empty(len(labels), np.int64)
    for place in order.tolist():
        things = ordered[place]
        answers = Counter(labels[things].tolist())
        chosen = min(
            range(folds),
            key=lambda fold: (sum(counts[fold][answer] for answer in answers), totals[fold]),
        )
        counts[chosen].update(answers)
        totals[chosen] += len(things)
        fold_of[things] = chosen
    return fold_of
