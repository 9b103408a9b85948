"""Intervals: the cluster bootstrap for means and paired differences, Wilson's for plain rates.

Queries about the same thing (five captions of one picture, one name spoken by
three people) are right or wrong together. Resampling *components* instead of
queries keeps that dependence, so the interval is as wide as the number of
independent things allows.

Shape legend: N values, K statistics, C clusters, R resamples.

Sources: Efron, Tibshirani, "An Introduction to the Bootstrap" (1993), ch. 13 (percentile
interval); Field, Welsh, "Bootstrapping clustered data", JRSS B 69 (2007), section 3 (cluster
resampling); Wilson, JASA 22 (1927).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Seed = int

MAX_DRAWS = 8_000_000  # numbers drawn at a time, so that memory doesn't grow with R * C


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval; ``nan`` bounds say that no interval can be had."""

    value: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        spec = spec or ".3f"
        if math.isnan(self.low):
            return f"{self.value:{spec}}"
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    def __str__(self) -> str:
        return format(self, "")

    def excludes(self, value: float) -> bool:
        """True where ``value`` lies outside the interval."""
        return value < self.low or value > self.high

    def to_json(self) -> dict[str, float | None]:
        """Plain numbers; None where there is no interval."""
        return {
            name: None if math.isnan(number) else number
            for name, number in (("value", self.value), ("low", self.low), ("high", self.high))
        }

    @classmethod
    def from_json(cls, data: dict[str, float | None]) -> Estimate:
        """The reverse of ``to_json``."""
        numbers = {name: math.nan if data[name] is None else data[name] for name in cls.__slots__}
        return cls(**numbers)  # type: ignore[arg-type]


def bootstrap_means(
    values: npt.ArrayLike,
    clusters: npt.ArrayLike,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: Seed = 0,
) -> list[Estimate]:
    """The mean of each of K statistics over N values, percentile intervals by cluster resampling.

    The K statistics share their resamples.

    Args:
        values: [N, K].
        clusters: [N] integers; values with the same number are resampled together.
        resamples: how many times all C clusters are redrawn.
        confidence: the share of repetitions that the interval should cover.
        seed: of the resampling; the same seed gives the same interval.

    Raises:
        ValueError: no values, or not one cluster per value.
    """
    table = np.asarray(values, dtype=np.float64)
    index, num_clusters = cluster_index(clusters, len(table))
    means = table.mean(axis=0)
    if num_clusters < 2:
        return [Estimate(float(mean), math.nan, math.nan) for mean in means]
    sums = np.stack([np.bincount(index, column, num_clusters) for column in table.T], axis=1)
    sizes = np.bincount(index, minlength=num_clusters).astype(np.float64)
    redrawn = np.concatenate(
        [
            (counts @ sums) / (counts @ sizes)[:, None]
            for counts in cluster_resamples(num_clusters, resamples, seed)
        ]
    )  # [R, K]
    tail = (1 - confidence) / 2
    low, high = np.quantile(redrawn, [tail, 1 - tail], axis=0)
    return [
        Estimate(float(mean), float(a), float(b))
        for mean, a, b in zip(means, low, high, strict=True)
    ]


def bootstrap_mean(
    values: npt.ArrayLike,
    clusters: npt.ArrayLike,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: Seed = 0,
) -> Estimate:
    """``bootstrap_means`` of one statistic, values [N]."""
    column = np.asarray(values, dtype=np.float64)[:, None]
    return bootstrap_means(column, clusters, resamples=resamples, confidence=confidence, seed=seed)[
        0
    ]


def bootstrap_rates(
    values: npt.ArrayLike,
    clusters: npt.ArrayLike,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: Seed = 0,
) -> list[Estimate]:
    """``bootstrap_means`` of values in 0..1, with honest intervals at the ends.

    Where every value is 0, or every value is 1, resampling gives an interval of no width, as if
    20 misses out of 20 proved a rate of zero; Wilson's interval over the C clusters is used there.
    With a single cluster and mixed values nothing is known: the interval is 0..1.
    """
    table = np.asarray(values, dtype=np.float64)
    _, num_clusters = cluster_index(clusters, len(table))
    estimates = bootstrap_means(
        table, clusters, resamples=resamples, confidence=confidence, seed=seed
    )
    honest = []
    for estimate, column in zip(estimates, table.T, strict=True):
        first = column[0]
        if first in (0.0, 1.0) and bool((column == first).all()):
            estimate = wilson(int(first) * num_clusters, num_clusters, confidence=confidence)
        elif num_clusters < 2:
            estimate = Estimate(estimate.value, 0.0, 1.0)
        honest.append(estimate)
    return honest


def paired_difference(
    values_a: npt.ArrayLike,
    values_b: npt.ArrayLike,
    clusters: npt.ArrayLike,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: Seed = 0,
) -> Estimate:
    """The mean of ``a - b`` over the same N queries; the interval excludes 0 where they differ.

    Pairing takes out what makes a query easy or hard for both, so it needs far fewer queries than
    two separate intervals.

    Raises:
        ValueError: ``values_a`` and ``values_b`` are not of one length.
    """
    first, second = np.asarray(values_a, np.float64), np.asarray(values_b, np.float64)
    if first.shape != second.shape:
        raise ValueError(f"not the same queries: {first.shape} and {second.shape}")
    return bootstrap_mean(
        first - second, clusters, resamples=resamples, confidence=confidence, seed=seed
    )


def wilson(successes: int, trials: int, *, confidence: float = 0.95) -> Estimate:
    """The rate of independent trials with Wilson's score interval.

    Raises:
        ValueError: no trials, or more successes than trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate = successes / trials
    scale = 1 + z * z / trials
    centre = (rate + z * z / (2 * trials)) / scale
    half = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials)) / scale
    return Estimate(rate, max(0.0, min(centre - half, rate)), min(1.0, max(centre + half, rate)))


def cluster_index(clusters: npt.ArrayLike, count: int) -> tuple[npt.NDArray[np.intp], int]:
    """Clusters renumbered 0..C-1, [N], and C.

    Raises:
        ValueError: no values, or not one cluster per value.
    """
    labels = np.asarray(clusters)
    if count == 0:
        raise ValueError("there are no values")
    if labels.shape != (count,):
        raise ValueError(f"{count} values need {count} clusters, not {labels.shape}")
    unique, index = np.unique(labels, return_inverse=True)
    return index, len(unique)


def cluster_resamples(num_clusters: int, resamples: int, seed: Seed) -> Iterator[FloatArray]:
    """How often each cluster is drawn in each resample: blocks [<= R, C] with rows summing to C."""
    generator = np.random.default_rng(seed)
    block = max(1, MAX_DRAWS // num_clusters)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        drawn = generator.integers(0, num_clusters, size=(rows, num_clusters))
        drawn += np.arange(rows)[:, None] * num_clusters
        counts = np.bincount(drawn.ravel(), minlength=rows * num_clusters)
        yield counts.reshape(rows, num_clusters).astype(np.float64)
