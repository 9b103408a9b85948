"""Retrieval against its definition, and in cases whose answer is known."""

import json
import math

import numpy as np
import pytest

from interlingua.evaluate import compare, retrieval, retrieval_from_scores, wrong_pairing


def unit(generator, count, width=16):
    vectors = generator.normal(size=(count, width))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def pairs(generator, count=80, noise=0.4, captions=3, width=16):
    """``captions`` noisy queries for each of ``count`` things."""
    gallery = unit(generator, count, width)
    component = np.repeat(np.arange(count), captions)
    query = gallery[component] + noise * generator.normal(size=(len(component), width))
    return query, gallery, component, np.arange(count)


def test_recall_equals_a_loop_over_the_definition():
    generator = np.random.default_rng(0)
    query, gallery, wanted, of_gallery = pairs(generator)
    of_gallery = of_gallery // 2  # two right items for each query
    wanted = wanted // 2
    result = retrieval(query, gallery, wanted, of_gallery, ks=(1, 5, 10))
    ranks = []
    for vector, component in zip(query, wanted, strict=True):
        similarity = [
            float(vector @ item) / math.sqrt(float(vector @ vector) * float(item @ item))
            for item in gallery
        ]
        order = sorted(range(len(gallery)), key=lambda item: -similarity[item])
        ranks.append(
            1 + min(order.index(i) for i in range(len(gallery)) if of_gallery[i] == component)
        )
    for k in (1, 5, 10):
        assert result.r_at[k].value == pytest.approx(np.mean([rank <= k for rank in ranks]))
        assert result.r_at[k].low < result.r_at[k].value < result.r_at[k].high
    assert result.median_rank == np.median(ranks)
    assert result.rank.tolist() == ranks
    assert (result.n, result.gallery, result.clusters, result.left_out) == (240, 80, 40, 0)


def test_a_perfect_model_is_perfect_and_its_control_is_not():
    vectors = unit(np.random.default_rng(1), 100, 64)
    component = np.arange(100)
    result = retrieval(vectors, vectors, component, component)
    assert result.r_at[1].value == 1.0
    assert result.r_at[1].low < 1.0  # 100 hits of 100 don't prove a rate of one
    assert result.median_rank == 1
    control = wrong_pairing(vectors, vectors, component, component, permutations=50)
    assert control[1].value == 0.0  # the right item, which doesn't count here, is always first
    assert control[10].value == pytest.approx(9 / 99, abs=0.02)


def test_a_collapsed_model_scores_chance_exactly():
    component = np.arange(40) // 2
    same = np.ones((40, 8))
    result = retrieval(same, same, component, component, ks=(1, 10))
    for k in (1, 10):
        assert result.r_at[k].value == pytest.approx(result.chance[k])
    assert result.chance[10] == pytest.approx(
        1 - (38 * 37 * 36 * 35 * 34 * 33 * 32 * 31 * 30 * 29) / math.perm(40, 10)
    )
    assert result.median_rank == pytest.approx(result.chance_rank) == pytest.approx(41 / 3)


def test_random_vectors_score_chance_within_their_interval():
    generator = np.random.default_rng(2)
    component = generator.integers(0, 150, 600)
    query, gallery = unit(generator, 600), unit(generator, 300)
    of_gallery = np.arange(300) % 150
    result = retrieval(query, gallery, component, of_gallery)
    for k in (1, 5, 10):
        assert not result.r_at[k].excludes(result.chance[k])
    control = wrong_pairing(query, gallery, component, of_gallery)
    assert control[10].value == pytest.approx(result.chance[10], abs=0.01)


def test_captions_of_one_picture_are_not_independent():
    generator = np.random.default_rng(3)
    query, gallery, wanted, of_gallery = pairs(generator, captions=1)
    many = np.repeat(query, 10, axis=0)
    once = retrieval(query, gallery, wanted, of_gallery)
    repeated = retrieval(many, gallery, np.repeat(wanted, 10), of_gallery)
    assert repeated.n == 10 * once.n
    assert repeated.clusters == once.clusters
    assert repeated.r_at[1] == once.r_at[1]  # ten times the same queries tell nothing new
    assert repeated.median_rank_interval == once.median_rank_interval


def test_the_median_interval_equals_medians_of_redrawn_queries():
    generator = np.random.default_rng(4)
    query, gallery, wanted, of_gallery = pairs(generator, count=61, noise=1.0, captions=1)
    result = retrieval(query, gallery, wanted, of_gallery, bootstrap=400, seed=9)
    draws = np.random.default_rng(9).integers(0, 61, size=(400, 61))
    low, high = np.quantile(np.median(result.rank[draws], axis=1), [0.025, 0.975])
    assert result.median_rank_interval == (low, high)
    assert low < result.median_rank < high


def test_queries_without_a_right_item_are_left_out_and_counted():
    generator = np.random.default_rng(5)
    query, gallery, wanted, of_gallery = pairs(generator, captions=1)
    absent = np.full(10, 9999)
    padded = retrieval(
        np.concatenate([unit(generator, 10), query]),
        gallery,
        np.concatenate([absent, wanted]),
        of_gallery,
    )
    plain = retrieval(query, gallery, wanted, of_gallery)
    assert (padded.n, padded.left_out) == (80, 10)
    assert padded.r_at == plain.r_at
    assert padded.query.tolist() == list(range(10, 90))
    with pytest.raises(ValueError, match="no query"):
        retrieval(query, gallery, wanted + 1000, of_gallery)


def test_the_same_seed_gives_the_same_figures():
    arguments = pairs(np.random.default_rng(6))
    assert retrieval(*arguments, seed=1) == retrieval(*arguments, seed=1)
    assert retrieval(*arguments, seed=1).r_at != retrieval(*arguments, seed=2).r_at
    assert wrong_pairing(*arguments, seed=1) == wrong_pairing(*arguments, seed=1)


def test_many_queries_are_ranked_in_blocks(monkeypatch):
    arguments = pairs(np.random.default_rng(7))
    whole = retrieval(*arguments)
    monkeypatch.setattr("interlingua.evaluate.ranking.QUERIES_AT_A_TIME", 7)
    assert retrieval(*arguments) == whole


def test_comparison_is_paired_by_query():
    generator = np.random.default_rng(8)
    query, gallery, wanted, of_gallery = pairs(generator, noise=0.5)
    good = retrieval(query, gallery, wanted, of_gallery)
    worse = retrieval(query + generator.normal(0, 0.6, query.shape), gallery, wanted, of_gallery)
    difference = compare(good, worse, 1)
    assert difference.value == pytest.approx(good.r_at[1].value - worse.r_at[1].value)
    assert difference.low > 0
    fewer = retrieval(query[1:], gallery, wanted[1:], of_gallery)
    with pytest.raises(ValueError, match="same queries"):
        compare(good, fewer, 1)


def test_a_gallery_of_one_thing_has_no_control():
    control = wrong_pairing(np.ones((3, 2)), np.ones((2, 2)), [5, 5, 5], [5, 5])
    assert math.isnan(control[1].value)


def test_scores_of_any_kind_are_ranked():
    distance = np.array([[0.1, 5.0, 9.0], [7.0, 0.2, 3.0]])
    result = retrieval_from_scores(-distance, [0, 2], [0, 1, 2], ks=(1, 2))
    assert result.rank.tolist() == [1, 2]
    assert result.r_at[1].value == 0.5
    assert result.r_at[2].value == 1.0


def test_json_is_plain():
    result = retrieval(*pairs(np.random.default_rng(9)))
    plain = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert plain["r_at"]["10"]["value"] == result.r_at[10].value
    assert plain["gallery_size"] == 80
    one_thing = retrieval(np.ones((3, 2)), np.ones((2, 2)), [5, 5, 5], [5, 5])
    assert json.dumps(one_thing.to_json(), allow_nan=False)
