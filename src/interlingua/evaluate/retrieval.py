"""Retrieval: how often the right item is among the first k, with everything a reader must know.

A hit is *any* gallery item of the query's component: with two drawings of a fox, either is
right. Queries that have no right item in the gallery are left out and counted.

Shape legend: Q queries, G gallery items, D width, K values of k.

Source: recall at k as in Karpathy, Fei-Fei, "Deep Visual-Semantic Alignments" (2015), section 4.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from interlingua.evaluate.intervals import (
    Estimate,
    FloatArray,
    Seed,
    bootstrap_rates,
    cluster_index,
    cluster_resamples,
    paired_difference,
)
from interlingua.evaluate.ranking import (
    IntArray,
    chance_at,
    check_components,
    cosine,
    first_right,
    row_blocks,
)


@dataclass(frozen=True, slots=True)
class RetrievalResult:
    """One direction, text -> image for instance.

    Attributes:
        r_at: recall at k with its interval, for each k.
        median_rank: of the first right item, 1 = first.
        median_rank_interval: low and high end; ``nan`` for a single component.
        n: the queries counted.
        left_out: queries without a right item in the gallery.
        gallery: G.
        chance: recall at k of a random order, for each k.
        chance_rank: the expected rank of the first right item in a random order.
        clusters: the components among the queries, the independent things.
        query: [n] which of the Q queries were counted; not in the JSON.
        rank: [n] the rank of the first right item; not in the JSON.
        hits: [n] for each k, 0..1 (fractions only under ties); not in the JSON.
        component: [n] the component of each query; not in the JSON.
    """

    r_at: dict[int, Estimate]
    median_rank: float
    median_rank_interval: tuple[float, float]
    n: int
    left_out: int
    gallery: int
    chance: dict[int, float]
    chance_rank: float
    clusters: int
    query: IntArray = field(repr=False, compare=False)
    rank: FloatArray = field(repr=False, compare=False)
    hits: dict[int, FloatArray] = field(repr=False, compare=False)
    component: IntArray = field(repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, without the values of single queries."""
        return {
            "r_at": {str(k): estimate.to_json() for k, estimate in self.r_at.items()},
            "median_rank": self.median_rank,
            "median_rank_interval": [
                None if math.isnan(end) else end for end in self.median_rank_interval
            ],
            "n": self.n,
            "left_out": self.left_out,
            "gallery_size": self.gallery,
            "chance": {str(k): value for k, value in self.chance.items()},
            "chance_rank": self.chance_rank,
            "clusters": self.clusters,
        }


def retrieval(
    query: npt.ArrayLike,
    gallery: npt.ArrayLike,
    query_component: npt.ArrayLike,
    gallery_component: npt.ArrayLike,
    ks: Sequence[int] = (1, 5, 10),
    *,
    bootstrap: int = 1000,
    seed: Seed = 0,
) -> RetrievalResult:
    """Rank the gallery by cosine similarity for every query.

    Args:
        query: [Q, D], any length; normalised here.
        gallery: [G, D].
        query_component: [Q] integers.
        gallery_component: [G] integers; an item of the query's component is a right one.
        ks: how many first items count.
        bootstrap: resamples of the components.
        seed: of the bootstrap.

    Raises:
        ValueError: shapes don't agree, a vector isn't finite, or no query has a right item.
    """
    scores = cosine(query, gallery)
    return retrieval_from_scores(
        scores, query_component, gallery_component, ks, bootstrap=bootstrap, seed=seed
    )


def retrieval_from_scores(
    scores: npt.ArrayLike,
    query_component: npt.ArrayLike,
    gallery_component: npt.ArrayLike,
    ks: Sequence[int] = (1, 5, 10),
    *,
    bootstrap: int = 1000,
    seed: Seed = 0,
) -> RetrievalResult:
    """``retrieval`` by any scores [Q, G], higher = nearer: a baseline, a re-ranker."""
    table = np.asarray(scores)
    wanted, of_gallery = check_components(table, query_component, gallery_component)
    place = first_right(table, wanted, of_gallery)
    counted = np.flatnonzero(place.num_right > 0)
    if not len(counted):
        raise ValueError("no query has a right item in the gallery")
    place = place.take(counted)
    component = wanted[counted]
    size = len(of_gallery)
    hits = {k: place.hit_within(k) for k in ks}
    rates = bootstrap_rates(
        np.stack(list(hits.values()), axis=1), component, resamples=bootstrap, seed=seed
    )
    rank = place.rank()
    _, clusters = cluster_index(component, len(component))
    return RetrievalResult(
        r_at=dict(zip(ks, rates, strict=True)),
        median_rank=float(np.median(rank)),
        median_rank_interval=_median_interval(rank, component, bootstrap, seed),
        n=len(counted),
        left_out=len(table) - len(counted),
        gallery=size,
        chance={k: float(chance_at(size, place.num_right, k).mean()) for k in ks},
        chance_rank=float(((size + 1) / (place.num_right + 1)).mean()),
        clusters=clusters,
        query=counted.astype(np.int64),
        rank=rank,
        hits=hits,
        component=component,
    )


def wrong_pairing(
    query: npt.ArrayLike,
    gallery: npt.ArrayLike,
    query_component: npt.ArrayLike,
    gallery_component: npt.ArrayLike,
    ks: Sequence[int] = (1, 5, 10),
    *,
    permutations: int = 20,
    bootstrap: int = 1000,
    seed: Seed = 0,
) -> dict[int, Estimate]:
    """The control: recall when each query is asked for *another* component's items.

    The components of the gallery are dealt out anew, none to itself. A sound evaluation falls
    to chance here; one that stays above it rewards something other than the pairing (items that
    are near to everything, an order of the gallery that leaks). Averaged over ``permutations``.

    Returns:
        For each k the recall with its interval; ``nan`` where the gallery has one component only.
    """
    table = cosine(query, gallery)
    wanted, of_gallery = check_components(table, query_component, gallery_component)
    known, position = np.unique(of_gallery, return_inverse=True)
    if len(known) < 2:
        return {k: Estimate(math.nan, math.nan, math.nan) for k in ks}
    answerable = np.isin(wanted, known)
    table, wanted = table[answerable], wanted[answerable]
    at = np.searchsorted(known, wanted)
    generator = np.random.default_rng(seed)
    total = np.zeros((len(table), len(ks)))
    for _ in range(permutations):
        order = generator.permutation(len(known))
        dealt = np.empty(len(known), dtype=np.int64)
        dealt[order] = np.roll(order, 1)  # one cycle through all: nobody keeps their own
        place = first_right(table, dealt[at], position.astype(np.int64))
        total += np.stack([place.hit_within(k) for k in ks], axis=1)
    rates = bootstrap_rates(total / permutations, wanted, resamples=bootstrap, seed=seed)
    return dict(zip(ks, rates, strict=True))


def compare(a: RetrievalResult, b: RetrievalResult, k: int, *, bootstrap: int = 1000) -> Estimate:
    """Recall of ``a`` minus recall of ``b`` at k, paired by query, interval by component.

    Raises:
        ValueError: the two didn't count the same queries.
    """
    if not (np.array_equal(a.query, b.query) and np.array_equal(a.component, b.component)):
        raise ValueError("the two results are not about the same queries")
    return paired_difference(a.hits[k], b.hits[k], a.component, resamples=bootstrap)


def _median_interval(
    rank: FloatArray, component: IntArray, resamples: int, seed: Seed
) -> tuple[float, float]:
    index, num_clusters = cluster_index(component, len(rank))
    if num_clusters < 2:
        return math.nan, math.nan
    order = np.argsort(rank, kind="stable")
    medians = []
    for counts in cluster_resamples(num_clusters, resamples, seed):
        for rows in row_blocks(len(counts), max(1, 4_000_000 // len(rank))):
            weight = np.cumsum(counts[rows][:, index[order]], axis=1)
            middle = (weight < weight[:, -1:] / 2).sum(axis=1)
            medians.append(rank[order][middle])
    low, high = np.quantile(np.concatenate(medians), [0.025, 0.975])
    return float(low), float(high)
