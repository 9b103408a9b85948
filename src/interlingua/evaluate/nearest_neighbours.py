"""k nearest neighbours: the class that a picture's neighbours vote for, nearer ones louder.

A neighbour of cosine s votes with weight exp(s / T). Nothing is learned, so it is the
plainest measure of whether pictures of one class lie together.

Sources: Wu et al. 2018 (arXiv:1805.01978), section 3.4; Caron et al. 2021 (DINO,
arXiv:2104.14294), appendix F.1: T = 0.07, k = 20 works best.

Shape legend: N test pictures, M training pictures, C classes, D width.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from interlingua.evaluate.intervals import FloatArray
from interlingua.evaluate.ranking import cosine, row_blocks

TEMPERATURE = 0.07
QUERIES_AT_A_TIME = 1024


def neighbour_votes(
    queries: npt.ArrayLike,
    vectors: npt.ArrayLike,
    labels: npt.ArrayLike,
    num_classes: int,
    *,
    k: int = 20,
    temperature: float = TEMPERATURE,
) -> FloatArray:
    """The share of the votes that each class gets, [N, C]; rows add up to 1.

    Equal cosines are taken in the order of the training pictures.

    Args:
        queries: [N, D], any length.
        vectors: [M, D] of the training pictures.
        labels: [M] their classes.
        num_classes: C.
        k: how many neighbours vote; all M where there are fewer.
        temperature: T; small ones let the nearest decide.

    Raises:
        ValueError: shapes don't agree, a vector isn't finite, or k or T isn't positive.
    """
    if k < 1 or temperature <= 0:
        raise ValueError(f"k = {k} and T = {temperature} must be positive")
    known, asked = np.asarray(vectors, np.float32), np.asarray(queries, np.float32)
    classes = np.asarray(labels, np.int64)
    if len(known) != len(classes) or not len(known):
        raise ValueError(f"{len(known)} training pictures and {len(classes)} labels")
    votes = np.zeros((len(asked), num_classes))
    for rows in row_blocks(len(asked), QUERIES_AT_A_TIME):
        near = cosine(asked[rows], known)  # [n, M]
        order = np.argsort(-near, axis=1, kind="stable")[:, :k]
        best = np.take_along_axis(near, order, axis=1).astype(np.float64)
        weight = np.exp((best - best[:, :1]) / temperature)  # the nearest has weight 1
        weight /= weight.sum(1, keepdims=True)
        for place, (row, weights) in enumerate(zip(order, weight, strict=True)):
            votes[rows.start + place] = np.bincount(classes[row], weights, num_classes)
    return votes
