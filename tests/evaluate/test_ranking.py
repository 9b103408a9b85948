"""Ranks, ties and chance against brute force and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlingua.evaluate import chance_at, cosine
from interlingua.evaluate.ranking import check_components, first_right


def simulated(scores, right, k, generator, draws=20_000):
    """Share of random tie-breaks in which a right item is among the first k, and the mean rank."""
    noise = generator.random((draws, len(scores)))
    order = np.lexsort((noise, np.broadcast_to(-scores, noise.shape)), axis=1)
    rank = right[order].argmax(axis=1) + 1
    return (rank <= k).mean(), rank.mean()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_ranks_equal_a_sort_where_nothing_ties(data):
    num_queries, size = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 12))
    seed = data.draw(st.integers(0, 10_000))
    generator = np.random.default_rng(seed)
    scores = generator.permuted(np.arange(num_queries * size, dtype=float)).reshape(
        num_queries, size
    )
    wanted = generator.integers(0, 4, num_queries)
    of_gallery = generator.integers(0, 4, size)
    place = first_right(scores, wanted, of_gallery)
    for query in range(num_queries):
        right = of_gallery[np.argsort(-scores[query])] == wanted[query]
        assert place.num_right[query] == right.sum()
        if right.any():
            rank = right.argmax() + 1
            assert place.rank()[query] == rank
            for k in range(1, size + 2):
                assert place.hit_within(k)[query] == (rank <= k)


@pytest.mark.parametrize("seed", range(4))
def test_ties_count_as_if_they_were_broken_at_random(seed):
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 4, 15).astype(np.float64)
    right = np.zeros(15, dtype=bool)
    right[generator.choice(15, 3, replace=False)] = True
    place = first_right(scores[None], np.array([1]), right.astype(np.int64))
    for k in (1, 3, 5):
        hit, rank = simulated(scores, right, k, generator)
        assert place.hit_within(k)[0] == pytest.approx(hit, abs=0.015)
        assert place.rank()[0] == pytest.approx(rank, abs=0.06)


@pytest.mark.parametrize(
    ("gallery", "right", "k"), [(200, 1, 10), (50, 7, 5), (10, 10, 1), (6, 2, 9)]
)
def test_chance_is_hypergeometric(gallery, right, k):
    exact = 1 - math.comb(gallery - right, k) / math.comb(gallery, k) if k <= gallery else 1.0
    assert chance_at(gallery, [right], k)[0] == pytest.approx(exact, abs=1e-12)
    generator = np.random.default_rng(0)
    rank = np.stack([generator.permutation(gallery)[:right].min() for _ in range(20_000)])
    assert chance_at(gallery, [right], k)[0] == pytest.approx((rank < k).mean(), abs=0.012)


def test_chance_of_one_right_item_is_k_of_the_gallery():
    assert chance_at(200, [1, 1, 0], 10) == pytest.approx([0.05, 0.05, 0.0])


def test_cosine_ignores_length_and_survives_zero():
    similarity = cosine([[3.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [5.0, 5.0]])
    assert similarity == pytest.approx(np.array([[1.0, math.sqrt(0.5)], [0.0, 0.0]]), abs=1e-6)


@pytest.mark.parametrize(
    ("query", "gallery", "message"),
    [
        ([[1.0, 2.0]], [[1.0]], "widths differ"),
        ([1.0, 2.0], [[1.0, 2.0]], r"\[N, D\]"),
        ([[math.nan, 1.0]], [[1.0, 2.0]], "finite"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(query, gallery, message):
    with pytest.raises(ValueError, match=message):
        cosine(query, gallery)


def test_components_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="rows"):
        check_components(np.zeros((2, 3)), [0], [0, 1, 2])
    with pytest.raises(ValueError, match="finite"):
        check_components(np.array([[math.inf]]), [0], [0])
