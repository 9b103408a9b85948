"""Rows of a matrix ranked: few of them in float64, many in float32 first.

Shape legend: P rows, D width, Q queries, n some of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlingua.index.codes import Floats
from interlingua.index.lists import Places
from interlingua.index.matrix import Matrix

SPARE = 8  # more rows than asked for, since float32 may swap neighbours
_ROWS_AT_A_TIME = 1 << 16
_QUERIES_AT_A_TIME = 64
_MANY = 4  # times as many rows as are wanted


@dataclass(frozen=True, slots=True)
class Found:
    """The nearest rows of one query, nearest first.

    Attributes:
        cosines: [k] float64.
        places: [k] rows of the matrix.
    """

    cosines: npt.NDArray[np.float64]
    places: Places


def row_by_row(matrix: Matrix, queries: Floats, k: int, rows: Places | None) -> list[Found]:
    """All rows, or those given, in float32."""
    total = len(matrix.vectors) if rows is None else len(rows)
    step = max(_ROWS_AT_A_TIME // max(len(queries) // _QUERIES_AT_A_TIME, 1), 1)
    cosines: Floats = np.zeros((len(queries), 0), np.float32)
    places: Places = np.zeros((len(queries), 0), np.int64)
    for start in range(0, total, step):
        some = slice(start, min(start + step, total))
        products = queries @ matrix.vectors[some if rows is None else rows[some]].T  # [Q, n]
        few = greatest(products, k + SPARE)
        found = few + start if rows is None else rows[few + start]
        cosines = np.concatenate([cosines, np.take_along_axis(products, few, 1)], 1)
        places = np.concatenate([places, found], 1)
        best = greatest(cosines, k + SPARE)
        cosines = np.take_along_axis(cosines, best, 1)
        places = np.take_along_axis(places, best, 1)
    of = np.repeat(np.arange(len(queries)), places.shape[1])
    return ranked(matrix, queries, k, of, places.reshape(-1))


def ranked(matrix: Matrix, queries: Floats, k: int, of: Places, places: Places) -> list[Found]:
    """The k best of some rows for each query [Q, D]: in float64, of many the best in float32.

    Args:
        matrix, queries, k: as in ``scan.nearest``.
        of: [n] which query a row is looked at for, growing.
        places: [n] rows of the matrix.
    """
    ends = np.cumsum(np.bincount(of, minlength=len(queries))).tolist()
    found = []
    for query, start, end in zip(queries, [0, *ends], ends, strict=False):
        rows = places[start:end]
        if len(rows) > _MANY * (k + SPARE):
            rows = rows[greatest(_cosines(matrix, query, rows), k + SPARE)]
        exact = matrix.vectors[rows].astype(np.float64) @ query.astype(np.float64)
        order = np.lexsort((rows, -exact))[:k]
        found.append(Found(exact[order], rows[order]))
    return found


def greatest(values: Floats, count: int) -> Places:
    """[..., n] where the greatest of the last axis are, in no order; ``count`` if there are."""
    total = values.shape[-1]
    if total <= count:
        return np.broadcast_to(np.arange(total), values.shape)
    # of the negatives: partition is slow where most values are equal and below the wanted ones
    found: Places = np.argpartition(-values, count - 1)[..., :count]
    return found


def _cosines(matrix: Matrix, query: Floats, places: Places) -> Floats:
    """[n] of rows with one query [D]; so many at a time that their copies are small."""
    parts = np.split(places, range(_ROWS_AT_A_TIME, len(places), _ROWS_AT_A_TIME))
    return np.concatenate([matrix.vectors[part] @ query for part in parts])
