"""The k rows of a matrix with the greatest cosines: exact, or from the nearest lists alone.

Exact search of a large matrix reads one byte a number instead of four. The products of codes say of
each row what its cosine is not above (``codes.py``). The rows that look best are ranked in float32,
and then every row that may still be better than the k-th of them.

Shape legend: P rows, B blocks of 32, D width, Q queries, n some of the rows, b some of the blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from interlingua.index.codes import BLOCK, Floats
from interlingua.index.lists import Places
from interlingua.index.matrix import Matrix
from interlingua.index.products import ROUNDING, factors_of, scratch
from interlingua.index.ranking import SPARE, Found, greatest, ranked, row_by_row

Mask = npt.NDArray[np.bool_]

# width of a product by the least number of queries that it pays for; few, since each is compiled
WIDTHS = {17: 64, 4: 16, 1: 1}
KEPT_PRODUCTS = 1 << 22  # more are forgotten once the largest are found: 16 MB
_CHUNK = 1 << 18  # products that stay in the cache until the largest are found
_SEEN_AT_A_TIME = 1 << 17  # estimates
_BLOCKS_AT_A_TIME = 1 << 9
# rows that a filter leaves are multiplied alone where they are at most one in so many, or few
_SELECTIVE = 16
_SELECTIVE_FOR_MANY = 4  # queries that are asked at once: each row is gathered once for all
_SELECTIVE_FOR_LISTS = 64  # which are few rows too
_FEW = 2048
_MANY = 4


def nearest(
    matrix: Matrix, queries: Floats, k: int, allowed: Mask | None = None, lists: int = 0
) -> list[Found]:
    """The k nearest rows of each query [Q, D]; fewer where there are fewer.

    Args:
        matrix: is searched.
        queries: of length 1.
        k: at least 1.
        allowed: [P] rows that may be found; None = all.
        lists: look into so many of the nearest lists only; 0 = exact.
    """
    if not len(matrix.vectors):
        return [Found(np.zeros(0), np.zeros(0, np.int64))] * len(queries)
    if matrix.codes is None:
        return row_by_row(matrix, queries, k, None if allowed is None else _places(allowed))
    share = 1.0
    if allowed is not None:
        left = int(np.count_nonzero(allowed))
        share = left / len(allowed)
        if left <= _multiplied_alone(len(allowed), len(queries), lists):
            return row_by_row(matrix, queries, k, _places(allowed))
    some = _Some(matrix, k, allowed, share)
    if lists and matrix.lists is not None:
        return [_in_lists(some, query[None], lists) for query in queries]
    found: list[Found] = []
    while len(found) < len(queries):
        left = len(queries) - len(found)
        width = next(width for least, width in WIDTHS.items() if left >= least)
        found += _all_rows(some, queries[len(found) : len(found) + width], width)
    return found


@dataclass(frozen=True, slots=True)
class _Some:
    """What is searched, and how many are asked for.

    Attributes:
        matrix: with codes.
        k: rows that are asked for.
        allowed: [P] rows that may be found; None = all.
        share: of them.
    """

    matrix: Matrix
    k: int
    allowed: Mask | None
    share: float

    def first(self) -> int:
        """How many blocks are looked at first: enough for k rows that are allowed."""
        return min(round((self.k + SPARE) / max(self.share, 1 / _SELECTIVE)), 1 << 14)


@dataclass(frozen=True, slots=True)
class _Estimates:
    """What is known of the cosines of some queries with some blocks.

    Attributes:
        vectors: [B, 32, D] of all blocks.
        queries: [q, D]; one where products weren't kept.
        upper: [q, b] what no cosine of a block is above.
        scale: [q, b] what a product of codes is multiplied by to estimate a cosine.
        margin: [q, b] what a cosine is not above its estimate by.
        products: [b, 32, q] of codes; None where they weren't kept.
        blocks: [b] their numbers; None = all.
    """

    vectors: Floats
    queries: Floats
    upper: Floats
    scale: Floats
    margin: Floats
    products: npt.NDArray[Any] | None
    blocks: Places | None = None

    def upper_of(self, of: Places, some: Places) -> Floats:
        """[n, 32] what the cosines of the rows of some blocks [n] and queries [n] are not above."""
        found: Floats
        if self.products is None:
            numbers = some if self.blocks is None else self.blocks[some]
            rows = self.vectors[numbers].reshape(-1, self.queries.shape[1])
            found = (rows @ self.queries[0]).reshape(-1, BLOCK)
            return found + np.float32(ROUNDING)
        if len(self.queries) == 1:  # the same, sooner
            found = self.products[:, :, 0][some] * self.scale[0, some, None]
            found += self.margin[0, some, None]
            return found
        found = self.products[some, :, of] * self.scale[of, some, None]
        found += self.margin[of, some, None]
        return found

    def places(self, places: Places, within: Places) -> Places:
        """Rows of the matrix, for blocks of these and rows within each."""
        found: Places = (places if self.blocks is None else self.blocks[places]) * BLOCK + within
        return found


def _multiplied_alone(total: int, queries: int, lists: int) -> int:
    """As many rows that a filter leaves, of a matrix, are multiplied without looking at codes."""
    if lists:
        return total // _SELECTIVE_FOR_LISTS
    if queries >= _MANY:
        return total // _SELECTIVE_FOR_MANY
    return max(total // _SELECTIVE, min(_FEW, total // _SELECTIVE_FOR_MANY))


def _all_rows(some: _Some, queries: Floats, width: int) -> list[Found]:
    """The k best of all rows for each query [Q, D], Q <= width."""
    import torch

    factors = factors_of(some.matrix, queries, width)
    total = len(factors.rows)
    step = min(max(_CHUNK // width // BLOCK, 1) * BLOCK, total)
    kept = total * width <= KEPT_PRODUCTS
    products = scratch(factors.products, (total if kept else step) * width).view(-1, width)
    largest = torch.empty(total // BLOCK, width, dtype=products.dtype)
    for start in range(0, total, step):
        rows = slice(start, min(start + step, total))
        part = products[rows] if kept else products[: rows.stop - rows.start]
        factors.multiply(rows, out=part)
        blocks = slice(rows.start // BLOCK, rows.stop // BLOCK)
        torch.amax(part.view(-1, BLOCK, width), 1, out=largest[blocks])
    by_block = products.view(-1, BLOCK, width).numpy() if kept else None
    by_query = largest.T.contiguous().numpy()
    grouped = some.matrix.vectors.reshape(-1, BLOCK, queries.shape[1])
    together = max(_SEEN_AT_A_TIME // (some.first() * BLOCK), 1) if kept else 1
    found: list[Found] = []
    for start in range(0, len(queries), together):
        group = slice(start, min(start + together, len(queries)))
        scale, margin = factors.scale(group), factors.margin(group)
        upper = by_query[group] * scale
        upper += margin
        own = None if by_block is None else by_block[:, :, group]
        found += _best(some, _Estimates(grouped, queries[group], upper, scale, margin, own))
    return found


def _in_lists(some: _Some, query: Floats, count: int) -> Found:
    """The k best of the rows in the lists nearest to one query [1, D]."""
    import torch

    lists = some.matrix.lists
    assert lists is not None
    chosen = lists.nearest(query[0], count)
    starts, ends = lists.starts[chosen], lists.starts[chosen + 1]
    full = ends > starts
    starts, ends = starts[full], ends[full]
    if not len(starts):
        return Found(np.zeros(0), np.zeros(0, np.int64))
    factors = factors_of(some.matrix, query, 1)
    pairs = list(zip(starts.tolist(), ends.tolist(), strict=True))
    products = torch.cat([factors.multiply(slice(*pair)) for pair in pairs]).view(-1, BLOCK, 1)
    blocks = np.concatenate([np.arange(start // BLOCK, end // BLOCK) for start, end in pairs])
    scale, margin = factors.scale(slice(1), blocks), factors.margin(slice(1), blocks)
    upper = products.amax(1).T.numpy() * scale + margin
    grouped = some.matrix.vectors.reshape(-1, BLOCK, query.shape[1])
    (found,) = _best(
        some, _Estimates(grouped, query, upper, scale, margin, products.numpy(), blocks)
    )
    return found


def _best(some: _Some, estimates: _Estimates) -> list[Found]:
    """The k best of the blocks' rows for each query."""
    matrix, queries, allowed, k = some.matrix, estimates.queries, some.allowed, some.k
    least = _least(some, estimates)
    if estimates.blocks is None and not np.isfinite(least).all():
        # too few to know how good the k-th must be
        return row_by_row(matrix, queries, k, _places_of(matrix, allowed))
    upper = estimates.upper
    query, block = np.divmod(np.flatnonzero(upper >= least[:, None]), upper.shape[1])
    step = _BLOCKS_AT_A_TIME if estimates.products is None else _SEEN_AT_A_TIME // BLOCK
    parts = []
    for start in range(0, len(block), step):
        owners, blocks = query[start : start + step], block[start : start + step]
        near = estimates.upper_of(owners, blocks) >= least[owners, None]
        pair, row = np.divmod(np.flatnonzero(near), BLOCK)
        of, places = owners[pair], estimates.places(blocks[pair], row)
        if allowed is not None:
            kept = allowed[places]
            of, places = of[kept], places[kept]
        parts.append((of, places))
    of, places = map(np.concatenate, zip(*parts, strict=True))
    return ranked(matrix, queries, k, of, places)


def _least(some: _Some, estimates: _Estimates) -> Floats:
    """[q] what the k-th best cosine isn't below; -inf where too few rows were looked at."""
    queries, allowed, k = estimates.queries, some.allowed, some.k
    of = np.arange(len(queries))[:, None]
    first = greatest(estimates.upper, some.first())  # [q, f]
    owners = np.broadcast_to(of, first.shape).reshape(-1)
    seen = estimates.upper_of(owners, first.reshape(-1)).reshape(len(queries), -1)  # [q, f 32]
    if allowed is not None:
        numbers = first if estimates.blocks is None else estimates.blocks[first]
        there = allowed.reshape(-1, BLOCK)[numbers].reshape(seen.shape)
        np.copyto(seen, -np.inf, where=~there)
    best = greatest(seen, k + SPARE)
    if best.shape[1] < k:
        return np.full(len(queries), -np.inf, np.float32)
    places = estimates.places(first[of, best // BLOCK], best % BLOCK)
    cosines = np.einsum("qnd,qd->qn", some.matrix.vectors[places], queries)
    if allowed is not None:
        cosines[seen[of, best] == -np.inf] = -np.inf
    kth = best.shape[1] - k
    found: Floats = np.partition(cosines, kth)[:, kth] - np.float32(ROUNDING)
    return found


def _places_of(matrix: Matrix, allowed: Mask | None) -> Places:
    return _places(matrix.real if allowed is None else allowed)


def _places(allowed: Mask) -> Places:
    found: Places = np.flatnonzero(allowed)
    return found
