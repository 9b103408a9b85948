"""Intervals against their definitions, and their coverage on data of known truth."""

import json
import math

import numpy as np
import pytest

from interlingua.evaluate import (
    Estimate,
    bootstrap_mean,
    bootstrap_means,
    bootstrap_rates,
    paired_difference,
    wilson,
)
from interlingua.evaluate.intervals import cluster_resamples


def correlated(generator, num_clusters=60, spread=1.0):
    """Values with a shared part per cluster; their expectation is 0."""
    sizes = generator.integers(1, 8, num_clusters)
    clusters = np.repeat(np.arange(num_clusters), sizes)
    shared = generator.normal(0, spread, num_clusters)
    return shared[clusters] + generator.normal(0, 1, len(clusters)), clusters


def test_a_bootstrap_is_the_mean_over_redrawn_clusters():
    values, clusters = correlated(np.random.default_rng(0), num_clusters=12)
    estimate = bootstrap_mean(values, clusters, resamples=200, seed=3)
    means = []
    for counts in np.concatenate(list(cluster_resamples(12, 200, 3))):
        redrawn = [
            values[clusters == cluster]
            for cluster in range(12)
            for _ in range(int(counts[cluster]))
        ]
        means.append(np.concatenate(redrawn).mean())
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.low == pytest.approx(np.quantile(means, 0.025))
    assert estimate.high == pytest.approx(np.quantile(means, 0.975))


def test_each_resample_draws_as_many_clusters_as_there_are():
    blocks = list(cluster_resamples(5, 1000, 0))
    counts = np.concatenate(blocks)
    assert counts.shape == (1000, 5)
    assert (counts.sum(axis=1) == 5).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(5), abs=0.1)


def test_large_numbers_of_clusters_are_drawn_in_blocks(monkeypatch):
    whole = np.concatenate(list(cluster_resamples(7, 50, 1)))
    monkeypatch.setattr("interlingua.evaluate.intervals.MAX_DRAWS", 20)
    blocks = list(cluster_resamples(7, 50, 1))
    assert len(blocks) > 1
    assert np.array_equal(np.concatenate(blocks), whole)


def test_the_interval_covers_the_truth_about_95_times_in_100_and_the_naive_one_does_not():
    generator = np.random.default_rng(1)
    repetitions, covered, covered_naive = 400, 0, 0
    for _ in range(repetitions):
        values, clusters = correlated(generator)
        clustered = bootstrap_mean(values, clusters, resamples=300)
        naive = bootstrap_mean(values, np.arange(len(values)), resamples=300)
        covered += clustered.low <= 0 <= clustered.high
        covered_naive += naive.low <= 0 <= naive.high
    assert 0.91 <= covered / repetitions <= 0.98
    assert covered_naive / repetitions < 0.85


def test_correlated_clusters_widen_the_interval_and_single_values_do_not():
    generator = np.random.default_rng(2)
    values, clusters = correlated(generator, num_clusters=100, spread=2.0)
    clustered = bootstrap_mean(values, clusters)
    naive = bootstrap_mean(values, np.arange(len(values)))
    assert clustered.high - clustered.low > 1.5 * (naive.high - naive.low)

    independent = generator.normal(size=500)
    alone = bootstrap_mean(independent, np.arange(500), resamples=4000)
    normal = 1.96 * independent.std() / math.sqrt(500)
    assert alone.high - alone.low == pytest.approx(2 * normal, rel=0.08)


def test_statistics_that_share_resamples_equal_each_alone():
    generator = np.random.default_rng(3)
    table, clusters = generator.normal(size=(40, 3)), generator.integers(0, 9, 40)
    together = bootstrap_means(table, clusters)
    for shared, column in zip(together, table.T, strict=True):
        alone = bootstrap_mean(column, clusters)
        assert shared.value == pytest.approx(alone.value)
        assert (shared.low, shared.high) == pytest.approx((alone.low, alone.high))


def test_pairing_finds_a_difference_that_two_intervals_hide():
    generator = np.random.default_rng(4)
    hard = generator.normal(0, 3, 200)
    a, b = hard + 0.3 + generator.normal(0, 0.5, 200), hard + generator.normal(0, 0.5, 200)
    clusters = np.arange(200)
    difference = paired_difference(a, b, clusters)
    assert difference.excludes(0)
    assert difference.value == pytest.approx((a - b).mean())
    alone = bootstrap_mean(a, clusters), bootstrap_mean(b, clusters)
    assert alone[0].low < alone[1].high
    with pytest.raises(ValueError, match="same queries"):
        paired_difference(a, b[:-1], clusters)


def test_an_equal_pair_differs_by_nothing():
    assert paired_difference([1, 0, 1], [1, 0, 1], [0, 1, 2]) == Estimate(0, 0, 0)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, row 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_equals_the_published_intervals(successes, trials, low, high):
    estimate = wilson(successes, trials)
    assert estimate.low == pytest.approx(low, abs=5e-5)
    assert estimate.high == pytest.approx(high, abs=5e-5)
    assert wilson(trials - successes, trials).low == pytest.approx(1 - high, abs=5e-5)


def test_all_misses_do_not_prove_a_rate_of_zero():
    clusters = np.arange(20)
    assert bootstrap_rates(np.zeros((20, 1)), clusters) == [wilson(0, 20)]
    assert bootstrap_rates(np.ones((20, 1)), clusters) == [wilson(20, 20)]
    five_each = np.repeat(np.arange(4), 5)
    assert bootstrap_rates(np.zeros((20, 1)), five_each) == [wilson(0, 4)]


def test_one_cluster_gives_no_interval():
    estimate = bootstrap_mean([1.0, 2.0], [7, 7])
    assert estimate.value == 1.5
    assert math.isnan(estimate.low) and math.isnan(estimate.high)
    assert str(estimate) == "1.500"
    assert bootstrap_rates([[1.0], [0.0]], [7, 7]) == [Estimate(0.5, 0.0, 1.0)]


def test_an_estimate_survives_json():
    for estimate in (Estimate(0.5, 0.25, 0.75), Estimate(0.5, math.nan, math.nan)):
        plain = json.loads(json.dumps(estimate.to_json(), allow_nan=False))
        assert repr(Estimate.from_json(plain)) == repr(estimate)
    assert f"{Estimate(0.5, 0.25, 0.75):.2f}" == "0.50 [0.25, 0.75]"


@pytest.mark.parametrize(("values", "clusters"), [([], []), ([1.0], []), ([1.0, 2.0], [[0], [1]])])
def test_values_without_clusters_are_refused(values, clusters):
    with pytest.raises(ValueError, match=r"no values|clusters"):
        bootstrap_mean(values, clusters)


def test_impossible_counts_are_refused():
    for successes, trials in ((0, 0), (3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="successes"):
            wilson(successes, trials)
