"""Where the first right item of each query stands, ties included.

Ties are broken at random, in expectation: a model that gives every item the same
vector scores exactly chance, instead of first place.

Shape legend: Q queries, G gallery items, D width.

Source: McSherry, Najork, "Computing information retrieval performance measures efficiently in
the presence of tied scores" (ECIR 2008), section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from interlingua.evaluate.intervals import FloatArray

IntArray = npt.NDArray[np.int64]

TIE_TOLERANCE = 1e-6  # equal vectors differ by about 1e-7 in a fp32 matrix product
QUERIES_AT_A_TIME = 1024


def chance_at(gallery: int, num_right: npt.ArrayLike, k: int) -> FloatArray:
    """The probability that k of ``gallery`` items in random order hold one of ``num_right``.

    Hypergeometric: ``1 - C(gallery - right, k) / C(gallery, k)``.
    """
    right = np.asarray(num_right, dtype=np.int64)
    return _any_right(np.full(right.shape, gallery, np.int64), right, np.full(right.shape, k))


def cosine(query: npt.ArrayLike, gallery: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Cosine similarities [Q, G] of [Q, D] and [G, D].

    Raises:
        ValueError: widths differ, or a vector isn't finite.
    """
    tables = []
    for name, values in (("query", query), ("gallery", gallery)):
        table = np.asarray(values, dtype=np.float32)
        if table.ndim != 2:
            raise ValueError(f"{name} vectors must be [N, D], not {table.shape}")
        if not np.isfinite(table).all():
            raise ValueError(f"{name} vectors are not all finite")
        length = np.linalg.norm(table, axis=1, keepdims=True)
        tables.append(table / np.maximum(length, np.finfo(np.float32).tiny))
    if tables[0].shape[1] != tables[1].shape[1]:
        raise ValueError(f"widths differ: {tables[0].shape[1]} and {tables[1].shape[1]}")
    return np.asarray(tables[0] @ tables[1].T, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the best right item of each query stands, [Q] each."""

    above: IntArray  # items with a higher score, all of them wrong
    tied: IntArray  # items with that score, right ones included
    tied_right: IntArray
    num_right: IntArray  # right items in the whole gallery

    def __len__(self) -> int:
        return len(self.above)

    def take(self, index: npt.NDArray[np.intp]) -> Place:
        """The same of some queries."""
        return Place(
            self.above[index], self.tied[index], self.tied_right[index], self.num_right[index]
        )

    def hit_within(self, k: int) -> FloatArray:
        """[Q] the probability that a right item is among the first k."""
        return _any_right(self.tied, self.tied_right, np.maximum(k - self.above, 0))

    def rank(self) -> FloatArray:
        """[Q] the expected rank of the first right item, 1 = first."""
        return self.above + (self.tied + 1) / (self.tied_right + 1)


def first_right(scores: npt.NDArray[Any], wanted: IntArray, of_gallery: IntArray) -> Place:
    """The place of the best right item in scores [Q, G], for components [Q] and [G]."""
    blocks = [
        _first_right_of_block(scores[rows], wanted[rows], of_gallery)
        for rows in row_blocks(len(scores), QUERIES_AT_A_TIME)
    ]
    columns = zip(*blocks, strict=True)
    return Place(*(np.concatenate(column).astype(np.int64) for column in columns))


def _first_right_of_block(
    scores: npt.NDArray[Any], wanted: IntArray, of_gallery: IntArray
) -> tuple[npt.NDArray[Any], ...]:
    right = wanted[:, None] == of_gallery[None, :]  # [q, G]
    best = np.where(right, scores, -np.inf).max(axis=1, keepdims=True)
    tied = np.abs(scores - best) <= TIE_TOLERANCE
    above = (scores > best) & ~tied
    return above.sum(1), tied.sum(1), (tied & right).sum(1), right.sum(1)


def _any_right(size: IntArray, right: IntArray, drawn: IntArray) -> FloatArray:
    """P(at least one of ``right`` among ``drawn`` of ``size``), elementwise.

    The product over i < drawn of (size - right - i) / (size - i) is the probability of none.
    """
    miss = np.ones(right.shape, dtype=np.float64)
    drawn = np.minimum(drawn, size)
    for i in range(int(drawn.max(initial=0))):
        left = np.maximum(size - right - i, 0) / np.maximum(size - i, 1)
        miss = np.where(i < drawn, miss * left, miss)
    return 1 - miss


def check_components(
    scores: npt.NDArray[Any], query_component: npt.ArrayLike, gallery_component: npt.ArrayLike
) -> tuple[IntArray, IntArray]:
    """Both components as int64 arrays.

    Raises:
        ValueError: they don't fit scores [Q, G], or a score isn't finite.
    """
    wanted = np.asarray(query_component, dtype=np.int64)
    of_gallery = np.asarray(gallery_component, dtype=np.int64)
    if scores.shape != (len(wanted), len(of_gallery)):
        raise ValueError(
            f"scores {scores.shape} need {len(wanted)} query and {len(of_gallery)} gallery rows"
        )
    if not np.isfinite(scores).all():
        raise ValueError("scores are not all finite")
    return wanted, of_gallery


def row_blocks(count: int, size: int) -> Iterator[slice]:
    """Slices of at most ``size`` that cover 0..count."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
