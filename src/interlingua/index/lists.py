"""Rows in lists of neighbours, so that a search can look into the nearest lists alone.

Centres are found by spherical k-means on a sample, then each row goes to its nearest centre. What a
search of few lists misses is not guessed but measured, on stored vectors (``recall.py``).

Shape legend: N rows, D width, L lists.

Source: Sivic, Zisserman, "Video Google", ICCV 2003 (inverted lists of cluster members); Dhillon,
Modha, "Concept decompositions", Machine Learning 42 (2001), section 3 (spherical k-means).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlingua.index.codes import BLOCK, Floats

ROUNDS = 10
SAMPLE_FOR_LIST = 64  # rows of the sample for each list
_ROWS_AT_A_TIME = 1 << 14

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lists:
    """Which rows belong together.

    Attributes:
        centres: [L, D] of length 1.
        starts: [L + 1] the first row of each list, a multiple of ``BLOCK``, then the end.
    """

    centres: Floats
    starts: Places

    def __len__(self) -> int:
        return len(self.centres)

    def nearest(self, query: Floats, count: int) -> Places:
        """The ``count`` lists nearest to a query [D], in the order of their rows."""
        cosines = self.centres @ query
        count = min(count, len(cosines))
        found: Places = np.sort(np.argpartition(-cosines, count - 1)[:count])
        return found


def number_of_lists(rows: int) -> int:
    """About as many as a list has rows."""
    return int(min(max(round(rows**0.5), 4), 8192))


def centres_of(vectors: Floats, count: int, seed: int = 0) -> Floats:
    """[L, D] by spherical k-means on a sample of the rows [N, D]."""
    generator = np.random.default_rng(seed)
    wanted = min(len(vectors), count * SAMPLE_FOR_LIST)
    sample = vectors[np.sort(generator.choice(len(vectors), wanted, replace=False))]
    centres = sample[np.sort(generator.choice(wanted, count, replace=False))].copy()
    for _ in range(ROUNDS):
        owners, cosines = nearest_centre(sample, centres)
        order = np.argsort(owners, kind="stable")
        counts = np.bincount(owners, minlength=count)
        full = np.flatnonzero(counts)
        starts = np.concatenate([[0], np.cumsum(counts[full])[:-1]])
        centres[full] = np.add.reduceat(sample[order], starts, axis=0)
        empty = np.flatnonzero(counts == 0)
        centres[empty] = sample[np.argsort(cosines)[: len(empty)]]  # those that fit worst
        centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    return centres


def nearest_centre(vectors: Floats, centres: Floats) -> tuple[Places, Floats]:
    """[N] the number of each row's nearest centre, and [N] its cosine."""
    owners = np.empty(len(vectors), np.int64)
    cosines = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), _ROWS_AT_A_TIME):
        rows = slice(start, start + _ROWS_AT_A_TIME)
        products = vectors[rows] @ centres.T
        owners[rows] = products.argmax(1)
        cosines[rows] = np.take_along_axis(products, owners[rows][:, None], 1)[:, 0]
    return owners, cosines


def padded_order(owners: Places, count: int) -> tuple[Places, Places]:
    """Rows by list, each list filled up to whole blocks.

    Args:
        owners: [N] the list of each row.
        count: L.

    Returns:
        [P] row numbers, -1 for padding, and ``starts`` [L + 1].
    """
    counts = np.bincount(owners, minlength=count)
    lengths = -(-counts // BLOCK) * BLOCK
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    order = np.full(starts[-1], -1, np.int64)
    members = np.argsort(owners, kind="stable")
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    sorted_owners = owners[members]
    order[starts[sorted_owners] + np.arange(len(owners)) - first[sorted_owners]] = members
    return order, starts
