"""Search of a matrix: exact whatever way it goes, approximate with a measured recall."""

import numpy as np
import pytest

from interlingua.index import products, recall, scan
from interlingua.index.codes import BLOCK
from interlingua.index.lists import number_of_lists
from interlingua.index.matrix import build
from interlingua.index.scan import nearest

WIDTH = 48


def unit(vectors):
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def spread(count, seed=0):
    return unit(np.random.default_rng(seed).normal(size=(count, WIDTH)))


def clustered(count, seed=0, noise=0.7):
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(count // 40, WIDTH)) * 3
    owners = generator.integers(len(centres), size=count)
    return unit(centres[owners] + generator.normal(size=(count, WIDTH)) * noise)


def with_outliers(count):
    """One number is large in all rows, as in CLIP's vectors, and copies of a row."""
    vectors = np.random.default_rng(1).normal(size=(count, WIDTH))
    vectors[:, 7] += 12
    vectors[100:160] = vectors[99]
    return unit(vectors)


def brute_force(vectors, query, k, allowed=None):
    cosines = vectors.astype(np.float64) @ query.astype(np.float64)
    if allowed is not None:
        cosines[~allowed] = -np.inf
    order = np.lexsort((np.arange(len(cosines)), -cosines))[:k]
    return [place for place in order.tolist() if cosines[place] > -np.inf], cosines


@pytest.fixture(params=["bytes", "floats", "forgotten"])
def ways(request, monkeypatch):
    """All ways to multiply: bytes where the processor is quick at them, and in pieces."""
    monkeypatch.setattr(products, "has_fast_bytes", lambda: request.param != "floats")
    monkeypatch.setattr(scan, "_FEW", 0)
    monkeypatch.setattr(scan, "_SELECTIVE_FOR_MANY", scan._SELECTIVE)
    if request.param == "forgotten":
        monkeypatch.setattr(scan, "KEPT_PRODUCTS", 0)
        monkeypatch.setattr(scan, "_CHUNK", 16_384)
        monkeypatch.setattr(scan, "_BLOCKS_AT_A_TIME", 3)


@pytest.mark.parametrize("make", [spread, clustered, with_outliers])
@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize("k", [1, 10, 70])
def test_search_is_exact(ways, make, lists, k):
    vectors = make(3000)
    queries = unit(np.concatenate([vectors[:3] + 0.01, spread(4, seed=9), -vectors[:1]]))
    matrix, order = build(vectors, np.arange(3000) + 7, lists=lists, with_codes=True)
    assert len(order) % BLOCK == 0
    allowed = matrix.real
    for query, found in zip(queries, nearest(matrix, queries, k, allowed), strict=True):
        expected, cosines = brute_force(vectors, query, k)
        assert found.cosines == pytest.approx(cosines[expected], abs=1e-6)
        # rows that are as near as each other may change places
        assert len(set(order[found.places].tolist())) == k
        assert cosines[order[found.places]] == pytest.approx(cosines[expected], abs=1e-6)
    assert (matrix.addresses[allowed] == order[allowed] + 7).all()


@pytest.mark.parametrize("share", [0.9, 0.3, 0.08, 0.03, 0.002, 0.0])
@pytest.mark.parametrize("lists", [False, True])
def test_filtered_search_is_exact(ways, share, lists):
    vectors = clustered(2000)
    matrix, order = build(vectors, np.arange(2000), lists=lists, with_codes=True)
    keep = np.random.default_rng(3).random(2000) < share
    allowed = np.where(order >= 0, keep[np.maximum(order, 0)], False)
    for query in unit(vectors[::400] + 0.05):
        expected, _ = brute_force(vectors, query, 12, keep)
        (found,) = nearest(matrix, query[None], 12, allowed)
        assert order[found.places].tolist() == expected


@pytest.mark.parametrize("share", [1.0, 0.5, 0.15, 0.01])
@pytest.mark.parametrize("k", [1, 12, 40])
@pytest.mark.parametrize("many", [16, 4], ids=["codes", "rows"])
def test_many_filtered_questions_are_answered_exactly(ways, monkeypatch, share, k, many):
    """In groups of some; where one of them finds too few rows at first, and on rows alone."""
    monkeypatch.setattr(scan, "_SELECTIVE_FOR_MANY", many)
    monkeypatch.setattr(scan, "_SEEN_AT_A_TIME", 4 * BLOCK * 12)
    vectors = clustered(2000)
    matrix, order = build(vectors, np.arange(2000), with_codes=True)
    keep = np.random.default_rng(3).random(2000) < share
    keep[:60] = False  # all that is near to the first questions, perhaps
    allowed = np.where(order >= 0, keep[np.maximum(order, 0)], False)
    queries = unit(np.concatenate([vectors[:5], vectors[::61] + 0.05]))
    found = nearest(matrix, queries, k, allowed)
    assert len(found) == len(queries)
    for query, one in zip(queries, found, strict=True):
        expected, cosines = brute_force(vectors, query, k, keep)
        assert order[one.places].tolist() == expected
        assert one.cosines == pytest.approx(cosines[expected], abs=1e-6)


def test_a_selective_filter_reads_its_rows_alone(monkeypatch):
    vectors = spread(6400)
    matrix, _ = build(vectors, np.arange(6400), with_codes=True)
    monkeypatch.setattr(scan, "_FEW", 500)
    coded = []
    real = scan.factors_of
    monkeypatch.setattr(scan, "factors_of", lambda *of: coded.append(1) or real(*of))
    steps = ((500, 1, 0), (501, 1, 1), (1600, 4, 0), (1601, 4, 1))
    for left, asked, by_codes in steps:
        coded.clear()
        allowed = np.arange(6400) < left
        found = nearest(matrix, unit(vectors[:asked] + 0.1), 5, allowed)
        assert [one.places.tolist() for one in found] == [
            brute_force(vectors, query, 5, allowed)[0] for query in unit(vectors[:asked] + 0.1)
        ]
        assert len(coded) == by_codes, left


def test_more_is_asked_for_than_there_is(ways):
    vectors = spread(50)
    matrix, order = build(vectors, np.arange(50), with_codes=True)
    (found,) = nearest(matrix, vectors[:1], 1000, matrix.real)
    assert order[found.places].tolist() == brute_force(vectors, vectors[0], 1000)[0]


def test_equal_rows_are_all_found(ways):
    vectors = unit(np.ones((500, WIDTH)))
    matrix, _ = build(vectors, np.arange(500), with_codes=True)
    (found,) = nearest(matrix, vectors[:1], 10, matrix.real)
    assert found.cosines == pytest.approx(np.ones(10))
    assert len(set(found.places.tolist())) == 10


def test_many_questions_give_what_each_gives_alone(ways):
    vectors = clustered(4000)
    matrix, _ = build(vectors, np.arange(4000), with_codes=True)
    queries = unit(vectors[:37] + 0.1)
    together = nearest(matrix, queries, 5)
    for query, one in zip(queries, together, strict=True):
        (alone,) = nearest(matrix, query[None], 5)
        assert alone.places.tolist() == one.places.tolist()


def test_the_bound_holds_for_every_row():
    for make in (spread, clustered, with_outliers):
        vectors = make(3200)
        matrix, _ = build(vectors, np.arange(3200), with_codes=True)
        queries = unit(np.concatenate([vectors[:5], spread(5, seed=2)]))
        factors = products.factors_of(matrix, queries, 16)
        if factors.codes is None:
            pytest.skip("this processor multiplies floats")
        exact = vectors.astype(np.float64) @ queries.T.astype(np.float64)
        estimates = factors.multiply(slice(None)).numpy()
        for number in range(len(queries)):
            one = slice(number, number + 1)
            scale, margin = np.repeat(factors.scale(one), BLOCK), factors.margin(one)
            upper = estimates[:, number] * scale + np.repeat(margin, BLOCK)
            assert (upper >= exact[:, number]).all()
            assert (upper - exact[:, number]).max() < 0.1  # and it is of use


def test_few_rows_are_ranked_exactly(monkeypatch):
    """The point of the codes: nearly all rows are left out without their vectors being read."""
    vectors = spread(6400)
    matrix, _ = build(vectors, np.arange(6400), with_codes=True)
    ranked = []
    real = scan.ranked
    monkeypatch.setattr(scan, "ranked", lambda *of: ranked.append(len(of[-1])) or real(*of))
    nearest(matrix, unit(vectors[:1] + 0.3), 10)
    assert 10 <= sum(ranked) < 640


def test_small_matrices_have_no_codes():
    vectors = spread(100)
    matrix, order = build(vectors, np.arange(100))
    assert matrix.codes is None
    assert order.tolist() == list(range(100))
    (found,) = nearest(matrix, vectors[:1], 3)
    assert found.places.tolist() == brute_force(vectors, vectors[0], 3)[0]
    assert [len(one.places) for one in nearest(matrix, vectors[:2], 3, np.zeros(100, bool))] == [
        0,
        0,
    ]


def test_nothing_is_found_in_nothing():
    matrix, _ = build(np.zeros((0, WIDTH), np.float32), np.zeros(0, np.int64))
    assert [len(one.places) for one in nearest(matrix, spread(2), 3)] == [0, 0]


def test_lists_hold_every_row_once(ways):
    vectors = clustered(1500)
    matrix, order = build(vectors, np.arange(1500), lists=True, with_codes=True)
    assert sorted(order[order >= 0].tolist()) == list(range(1500))
    assert len(matrix.lists) == number_of_lists(1500)
    assert (np.diff(matrix.lists.starts) % BLOCK == 0).all()
    assert (matrix.addresses == np.where(order < 0, -1, order)).all()
    assert not matrix.vectors[order < 0].any()
    # all lists together are all rows
    query = unit(vectors[:1] + 0.2)
    (exact,) = nearest(matrix, query, 10, matrix.real)
    (every,) = nearest(matrix, query, 10, matrix.real, lists=len(matrix.lists))
    assert every.places.tolist() == exact.places.tolist()


def test_recall_is_measured_and_reaches_its_target(ways):
    vectors = clustered(4000)
    matrix, _ = build(vectors, np.arange(4000), lists=True, with_codes=True)
    told = recall.measure(matrix, 0.95)
    assert told.recall >= 0.95
    assert told.low <= told.recall <= told.high
    assert 1 <= told.looked_into <= len(matrix.lists) // 2
    # the figure holds for questions that were not in the sample
    queries = unit(
        clustered(4000)[::40] + np.random.default_rng(5).normal(size=(100, WIDTH)) * 0.05
    )
    exact = nearest(matrix, queries, 10, matrix.real)
    found = nearest(matrix, queries, 10, matrix.real, lists=told.looked_into)
    shares = [
        len(set(a.places.tolist()) & set(b.places.tolist())) / 10
        for a, b in zip(exact, found, strict=True)
    ]
    assert np.mean(shares) > 0.9


def test_a_higher_target_looks_into_more_lists():
    matrix, _ = build(clustered(4000, noise=2), np.arange(4000), lists=True, with_codes=True)
    low, high = recall.measure(matrix, 0.6), recall.measure(matrix, 0.99)
    assert low.looked_into < high.looked_into
    assert low.recall < high.recall


def test_vectors_without_neighbourhoods_are_not_searched_by_lists():
    matrix, _ = build(spread(2000), np.arange(2000), lists=True, with_codes=True)
    assert recall.measure(matrix, 0.999) is None
