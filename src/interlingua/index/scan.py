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

Mask = npt.NDArray[np.bool_]

# width of a product by the least number of queries that it pays for; few, since each is compiled
WIDTHS = {17: 64, 4: 16, 1: 1}
KEPT_PRODUCTS = 1 << 22  # more are forgotten once the largest are found: 16 MB
_CHUNK = 1 << 18  # products that stay in the cache until the largest are found
_ROWS_AT_A_TIME = 1 << 16
_BLOCKS_AT_A_TIME = 1 << 9
_SELECTIVE = 64  # a filter that leaves less than one row in so many is followed row by row
_SPARE = 8  # more rows than asked for, since float32 may swap neighbours


@dataclass(frozen=True, slots=True)
class Found:
    """The nearest rows of one query, nearest first.

    Attributes:
        cosines: [k] float64.
        places: [k] rows of the matrix.
    """

    cosines: npt.NDArray[np.float64]
    places: Places


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
        return _row_by_row(matrix, queries, k, None if allowed is None else _places(allowed))
    share = 1.0 if allowed is None else np.count_nonzero(allowed) / len(allowed)
    if allowed is not None and share * _SELECTIVE < 1:
        return _row_by_row(matrix, queries, k, _places(allowed))
    some = _Some(matrix, k, allowed, share)
    if lists and matrix.lists is not None:
        return [_in_lists(some, query[None], lists) for query in queries]
    found: list[Found] = []
    while len(found) < len(queries):
        left = len(queries) - len(found)
        width = next(width for least, width in WIDTHS.items() if left >= least)
        found += _all_rows(some, queries[len(found) : len(found) + width], width)
    return found


def _row_by_row(matrix: Matrix, queries: Floats, k: int, rows: Places | None) -> list[Found]:
    """All rows, or those given, in float32."""
    total = len(matrix.vectors) if rows is None else len(rows)
    wanted = k + _SPARE
    best = [(np.zeros(0, np.float32), np.zeros(0, np.int64)) for _ in queries]
    for start in range(0, total, _ROWS_AT_A_TIME):
        places = np.arange(start, min(start + _ROWS_AT_A_TIME, total))
        part = matrix.vectors[start : start + len(places)]
        if rows is not None:
            places = rows[places]
            part = matrix.vectors[places]
        products = queries @ part.T  # [Q, n]
        for number, row in enumerate(products):
            few = _greatest(row, wanted)
            cosines, kept = best[number]
            best[number] = np.concatenate([cosines, row[few]]), np.concatenate([kept, places[few]])
    return [_ranked(matrix, query, k, *one) for query, one in zip(queries, best, strict=True)]


def _ranked(matrix: Matrix, query: Floats, k: int, cosines: Floats, places: Places) -> Found:
    """The k best of some rows, in float64."""
    places = places[_greatest(cosines, k + _SPARE)]
    exact = matrix.vectors[places].astype(np.float64) @ query.astype(np.float64)
    order = np.lexsort((places, -exact))[:k]
    return Found(exact[order], places[order])


def _greatest(values: Floats, count: int) -> Places:
    """Where the greatest are, in no order."""
    if len(values) <= count:
        return np.arange(len(values))
    found: Places = np.argpartition(-values, count - 1)[:count]
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
        return min(round((self.k + _SPARE) / max(self.share, 1 / _SELECTIVE)), 1 << 14)


@dataclass(frozen=True, slots=True)
class _Estimates:
    """What is known of the cosines of one query [D] with some blocks.

    Attributes:
        vectors: [B, 32, D] of all blocks.
        query: [D].
        upper: [b] what no cosine of a block is above.
        scale: [b] what a product of codes is multiplied by to estimate a cosine.
        margin: [b] what a cosine is not above its estimate by.
        products: [b, 32] of codes; None where they weren't kept.
        blocks: [b] their numbers; None = all.
    """

    vectors: Floats
    query: Floats
    upper: Floats
    scale: Floats
    margin: Floats
    products: npt.NDArray[Any] | None
    blocks: Places | None = None

    def upper_of(self, some: Places) -> Floats:
        """[n, 32] what the cosines of the rows of some of the blocks are not above."""
        if self.products is not None:
            found: Floats = self.products[some] * self.scale[some, None]
            found += self.margin[some, None]
            return found
        numbers = some if self.blocks is None else self.blocks[some]
        rows = self.vectors[numbers].reshape(-1, len(self.query))
        return (rows @ self.query + np.float32(ROUNDING)).reshape(-1, BLOCK)

    def places(self, places: Places, within: Places) -> Places:
        """Rows of the matrix, for blocks [n] of these and rows [n] within each."""
        found: Places = (places if self.blocks is None else self.blocks[places]) * BLOCK + within
        return found


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
    found = []
    for number, query in enumerate(queries):
        scale, margin = factors.scale(number), factors.margin(number)
        upper = by_query[number] * scale
        upper += margin
        own = None if by_block is None else by_block[:, :, number]
        grouped = some.matrix.vectors.reshape(-1, BLOCK, len(query))
        found.append(_best(some, _Estimates(grouped, query, upper, scale, margin, own)))
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
    products = torch.cat([factors.multiply(slice(*pair)) for pair in pairs]).view(-1, BLOCK)
    blocks = np.concatenate([np.arange(start // BLOCK, end // BLOCK) for start, end in pairs])
    scale, margin = factors.scale(0, blocks), factors.margin(0, blocks)
    upper = products.amax(1).numpy() * scale + margin
    grouped = some.matrix.vectors.reshape(-1, BLOCK, query.shape[1])
    own = products.numpy()
    return _best(some, _Estimates(grouped, query[0], upper, scale, margin, own, blocks))


def _best(some: _Some, estimates: _Estimates) -> Found:
    """The k best of the blocks' rows for one query."""
    matrix, query, allowed, k = some.matrix, estimates.query, some.allowed, some.k
    first = _greatest(estimates.upper, some.first())
    seen = estimates.upper_of(first).reshape(-1)
    if allowed is not None:
        seen[~allowed[estimates.places(first[:, None], np.arange(BLOCK)).reshape(-1)]] = -np.inf
    best = _greatest(seen, k + _SPARE)
    if allowed is not None:
        best = best[seen[best] > -np.inf]
    least = -np.inf
    if len(best) >= k:
        cosines = matrix.vectors[estimates.places(first[best // BLOCK], best % BLOCK)] @ query
        least = float(np.partition(cosines, len(cosines) - k)[len(cosines) - k]) - ROUNDING
    elif estimates.blocks is None:  # too few to know how good the k-th must be
        return _row_by_row(matrix, query[None], k, _places_of(matrix, allowed))[0]
    near = np.flatnonzero(estimates.upper >= least)
    parts = []
    for start in range(0, len(near), _BLOCKS_AT_A_TIME):
        blocks = near[start : start + _BLOCKS_AT_A_TIME]
        block, row = np.nonzero(estimates.upper_of(blocks) >= least)
        parts.append(estimates.places(blocks[block], row))
    places = np.concatenate(parts)
    if allowed is not None:
        places = places[allowed[places]]
    return _ranked(matrix, query, k, *_cosines(matrix, query, places))


def _cosines(matrix: Matrix, query: Floats, places: Places) -> tuple[Floats, Places]:
    """[n] of rows with one query [D]; so many at a time that their copies are small."""
    if len(places) <= _ROWS_AT_A_TIME:
        return matrix.vectors[places] @ query, places
    parts = np.split(places, range(_ROWS_AT_A_TIME, len(places), _ROWS_AT_A_TIME))
    return np.concatenate([matrix.vectors[part] @ query for part in parts]), places


def _places_of(matrix: Matrix, allowed: Mask | None) -> Places:
    return _places(matrix.real if allowed is None else allowed)


def _places(allowed: Mask) -> Places:
    found: Places = np.flatnonzero(allowed)
    return found
