"""The vectors of an index as one matrix, ready to be searched; made from the table.

A small matrix is the vectors alone. A larger one has codes beside them (``codes.py``), and may have
its rows in lists (``lists.py``). The arrays are in memory or lie in files (``matrix_files.py``).

Shape legend: N rows of the table, P rows of the matrix (N and padding, a multiple of 32 where there
are codes), D width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from interlingua.index.codes import BLOCK, BlockCodes, Coding, Floats, fill
from interlingua.index.lists import (
    Lists,
    Places,
    centres_of,
    nearest_centre,
    number_of_lists,
    padded_order,
)

CODES_FROM = 1 << 20  # numbers; below it one product of matrices is done as soon
Allocate = Callable[[str, tuple[int, ...], npt.DTypeLike], npt.NDArray[Any]]
_ROWS_AT_A_TIME = 1 << 14


@dataclass(frozen=True, slots=True)
class Matrix:
    """Vectors that can be searched.

    Attributes:
        vectors: [P, D] of length 1; padding is zero.
        addresses: [P] the row of the table; -1 for padding.
        coding: what makes codes of queries; None for a small matrix.
        codes: of all rows; None for a small matrix.
        lists: None where the rows are in the table's order.
    """

    vectors: Floats
    addresses: Places
    coding: Coding | None = None
    codes: BlockCodes | None = None
    lists: Lists | None = None

    @property
    def real(self) -> npt.NDArray[np.bool_]:
        """[P] False for padding."""
        found: npt.NDArray[np.bool_] = self.addresses >= 0
        return found


def in_memory(_: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """An array that lies in memory."""
    return np.empty(shape, dtype)


def build(
    vectors: Floats,
    addresses: Places,
    *,
    lists: bool = False,
    with_codes: bool | None = None,
    allocate: Allocate = in_memory,
) -> tuple[Matrix, Places]:
    """A matrix of these vectors.

    Args:
        vectors: [N, D] of length 1.
        addresses: [N] rows of the table.
        lists: put rows that are near each other together.
        with_codes: None = where the matrix is large enough.
        allocate: gives an array that is filled, by name.

    Returns:
        The matrix and [P] which of the given rows each of its rows is, -1 for padding.
    """
    count, width = vectors.shape
    coded = vectors.size >= CODES_FROM if with_codes is None else with_codes
    if not (coded or lists) or not count:
        return Matrix(vectors, addresses), np.arange(count)
    order, found = _ordered(vectors, lists)
    kept = allocate("vectors", (len(order), width), np.float32)
    kept_addresses = allocate("addresses", (len(order),), np.int64)
    real = order >= 0
    kept_addresses[:] = np.where(real, addresses[order], -1)
    for start in range(0, len(order), _ROWS_AT_A_TIME):
        rows = slice(start, start + _ROWS_AT_A_TIME)
        kept[rows] = vectors[order[rows]]
        kept[rows][~real[rows]] = 0
    coding = Coding.fitted(vectors)
    blocks = len(order) // BLOCK
    codes = allocate("codes", (len(order), width), np.int8)
    steps = allocate("steps", (blocks,), np.float32)
    errors = allocate("errors", (blocks,), np.float32)
    reach = fill(coding, kept, real, codes, steps, errors)
    return Matrix(
        kept, kept_addresses, coding, BlockCodes(codes, steps, errors, reach), found
    ), order


def _ordered(vectors: Floats, lists: bool) -> tuple[Places, Lists | None]:
    if not lists:
        padded = -(-len(vectors) // BLOCK) * BLOCK
        order = np.full(padded, -1, np.int64)
        order[: len(vectors)] = np.arange(len(vectors))
        return order, None
    centres = centres_of(vectors, number_of_lists(len(vectors)))
    owners, _ = nearest_centre(vectors, centres)
    order, starts = padded_order(owners, len(centres))
    return order, Lists(centres, starts)
