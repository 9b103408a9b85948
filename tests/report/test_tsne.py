from __future__ import annotations

import numpy as np
import pytest

from interlingua.report.tsne import _gradient, _joint_probabilities, pca, tsne


def clusters(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    label = np.repeat(np.arange(4), 25)
    return random.normal(size=(4, 20))[label] * 4 + random.normal(size=(100, 20)), label


def test_neighbours_stay_neighbours() -> None:
    vectors, label = clusters(np.random.default_rng(0))
    places = tsne(vectors, perplexity=15)
    far = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(far, np.inf)
    assert places.shape == (100, 2)
    assert (label[far.argmin(axis=1)] == label).mean() > 0.98


def test_the_same_seed_gives_the_same_map() -> None:
    vectors, _ = clusters(np.random.default_rng(0))
    assert np.array_equal(tsne(vectors, steps=60), tsne(vectors, steps=60))


def test_the_gradient_is_that_of_the_divergence() -> None:
    random = np.random.default_rng(0)
    target = _joint_probabilities(random.normal(size=(12, 5)), 4.0)
    places = random.normal(size=(12, 2))

    def divergence(at: np.ndarray) -> float:
        closeness = 1 / (1 + ((at[:, None] - at[None]) ** 2).sum(-1))
        np.fill_diagonal(closeness, 0)
        other = closeness / closeness.sum()
        off = ~np.eye(12, dtype=bool)
        return float((target[off] * np.log(target[off] / other[off])).sum())

    numeric = np.zeros_like(places)
    for index in np.ndindex(*places.shape):
        step = np.zeros_like(places)
        step[index] = 1e-6
        numeric[index] = (divergence(places + step) - divergence(places - step)) / 2e-6
    ours = _gradient(places, target, 1.0, np.empty((2, 12, 12)))
    assert np.allclose(ours, numeric, atol=1e-6)


def test_each_point_minds_as_many_neighbours_as_asked() -> None:
    vectors = np.random.default_rng(1).normal(size=(60, 8))
    joint = _joint_probabilities(vectors, 10.0)
    assert joint.sum() == pytest.approx(1)
    assert np.allclose(joint, joint.T)
    rows = joint / joint.sum(axis=1, keepdims=True)
    entropy = -(rows * np.log(np.maximum(rows, 1e-300))).sum(axis=1)
    assert 8 < np.exp(entropy).mean() < 16  # symmetrised, so near ten but not equal


@pytest.mark.parametrize("count", [0, 1, 2, 4, 5, 6])
def test_few_points_have_finite_places(count: int) -> None:
    places = tsne(np.random.default_rng(0).normal(size=(count, 3)))
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()


def test_equal_vectors_have_finite_places() -> None:
    assert np.isfinite(tsne(np.ones((20, 4)), steps=50)).all()


def test_pca_finds_the_directions_of_most_variance() -> None:
    random = np.random.default_rng(0)
    flat = random.normal(size=(200, 2)) * (5, 2)
    turn, _ = np.linalg.qr(random.normal(size=(6, 6)))
    found = pca(flat @ turn[:2])
    assert np.allclose(found.std(axis=0), np.sort(flat.std(axis=0))[::-1], rtol=0.05)
    assert abs(np.corrcoef(found[:, 0], flat[:, 0])[0, 1]) > 0.99


def test_one_dimension_is_padded() -> None:
    assert pca(np.arange(6.0)[:, None]).shape == (6, 2)
