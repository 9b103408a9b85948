"""Many dimensions to two: exact t-SNE, started from PCA.

Source: van der Maaten and Hinton 2008, "Visualizing Data using t-SNE", sections 2-3;
the learning rate follows Belkina et al. 2019 (points / exaggeration). Cost grows with
the square of the points: a second or two for 600, so callers draw a sample of more.

Shapes: M points, D dimensions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlingua.report.data import FloatArray

Array = NDArray[np.floating[Any]]


def pca(vectors: FloatArray) -> Array:
    """The two directions of most variance, ``[M, D] -> [M, 2]``; signs are fixed."""
    centred = np.asarray(vectors, np.float64) - np.mean(vectors, axis=0, dtype=np.float64)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    directions = directions[:2]
    # SVD leaves signs open; the largest coefficient is made positive so that runs agree.
    largest = np.argmax(np.abs(directions), axis=1)
    directions = directions * np.sign(directions[np.arange(len(directions)), largest])[:, None]
    flat = centred @ directions.T
    return np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))


def tsne(
    vectors: FloatArray, *, perplexity: float = 30.0, steps: int = 350, seed: int = 0
) -> Array:
    """Places in the plane where near vectors stay near, ``[M, D] -> [M, 2]``.

    Args:
        perplexity: about how many neighbours each point minds; cut to ``(M - 1) / 3``.
        steps: gradient steps, the first third with early exaggeration.
        seed: of the small noise that parts equal vectors.
    """
    count = len(vectors)
    if count < 5:
        return pca(vectors) if count else np.zeros((0, 2))
    target = _joint_probabilities(vectors, min(perplexity, (count - 1) / 3)).astype(np.float32)
    places = pca(vectors)
    places = places / max(float(places[:, 0].std()), 1e-12) * 1e-2
    places = places + np.random.default_rng(seed).normal(0, 1e-4, places.shape)
    places = places.astype(np.float32)
    exaggerated_until = steps // 3
    room = np.empty((2, *target.shape), target.dtype)
    rate = max(count / 12.0, 5.0)  # the usual floor of 50 scatters a map of sixty points
    speed = np.zeros_like(places)
    gains = np.ones_like(places)
    for step in range(steps):
        early = step < exaggerated_until
        gradient = _gradient(places, target, 12.0 if early else 1.0, room)
        same = (gradient > 0) == (speed > 0)
        gains = np.maximum(np.where(same, gains * 0.8, gains + 0.2), 0.01)
        speed = (0.5 if early else 0.8) * speed - rate * gains * gradient
        places = places + speed
        places -= places.mean(axis=0)
    return places


def _joint_probabilities(vectors: FloatArray, perplexity: float) -> Array:
    """Symmetric neighbour probabilities ``[M, M]``, each row's width found by bisection."""
    points = np.asarray(vectors, np.float64)
    squares = (points**2).sum(axis=1)
    distance = np.maximum(squares[:, None] + squares[None] - 2 * points @ points.T, 0)
    np.fill_diagonal(distance, np.inf)
    distance = distance - distance.min(axis=1, keepdims=True)
    wanted = np.log(perplexity)
    low, high = np.full(len(points), 1e-10), np.full(len(points), 1e10)
    for _ in range(60):
        precision = np.sqrt(low * high)
        weights = np.exp(-distance * precision[:, None])
        total = weights.sum(axis=1)
        finite = np.where(np.isinf(distance), 0.0, distance)
        entropy = np.log(total) + precision * (weights * finite).sum(axis=1) / total
        too_wide = entropy > wanted
        low, high = np.where(too_wide, precision, low), np.where(too_wide, high, precision)
    rows = weights / total[:, None]
    joint: Array = np.maximum((rows + rows.T) / (2 * len(points)), 1e-12)
    np.fill_diagonal(joint, 0.0)
    return joint


def _gradient(places: Array, target: Array, exaggeration: float, room: Array) -> Array:
    """The gradient of the Kullback-Leibler divergence (equation 5), ``[M, 2]``.

    ``room`` ``[2, M, M]`` is overwritten: allocation would cost more than the arithmetic.
    Plain loops instead of matrix products: with two columns a product gains nothing from a
    second thread, and waits for it where the machine is busy.
    """
    closeness, pull = room
    np.subtract.outer(places[:, 0], places[:, 0], out=closeness)
    np.subtract.outer(places[:, 1], places[:, 1], out=pull)
    closeness *= closeness
    pull *= pull
    closeness += pull
    closeness += 1.0
    np.reciprocal(closeness, out=closeness)
    np.fill_diagonal(closeness, 0.0)
    total = closeness.sum()
    np.multiply(target, closeness, out=pull)
    pull *= exaggeration
    closeness *= closeness
    closeness /= total
    pull -= closeness
    attracted = np.einsum("ij,jk->ik", pull, places)
    gradient: Array = 4.0 * (pull.sum(axis=1)[:, None] * places - attracted)
    return gradient
