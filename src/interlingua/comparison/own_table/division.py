"""Which rows of a table are trained on and which are tested on.

Shape legend: N rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlingua.comparison.folds.grouped import grouped_folds
from interlingua.comparison.own_table.columns import in_test
from interlingua.data.columns import Columns
from interlingua.errors import DataError

IntArray = npt.NDArray[np.int64]

FEWEST_GROUPS = 8  # independent rows, of which some are to be tested
GROUPS_IN_A_FOLD = 4  # at least
LARGE_GROUP = 0.5  # of all rows, held together by one file or value


@dataclass(frozen=True, slots=True)
class Division:
    """How rows are to be divided.

    Attributes:
        folds: each row is tested in one of them; fewer where there are few rows.
        test_column: says which rows are tested on; empty = none does.
        test_share: of the rows, in one division; 0 = folds.
        seed: of the folds.
    """

    folds: int
    test_column: str = ""
    test_share: float = 0.0
    seed: int = 0


def divided(
    columns: Columns, labels: IntArray, groups: IntArray, wanted: Division
) -> tuple[IntArray, list[str]]:
    """[N] the fold that each row is tested in, -1 = in none; and what the reader must know.

    Args:
        columns: the table.
        labels: [N] numbers of classes.
        groups: [N] rows of one group are not divided, but by a column.
        wanted: see there.

    Raises:
        DataError: too few rows, or a column that says nothing clear.
    """
    where = str(columns.path)
    if wanted.test_column:
        tested = in_test(columns, wanted.test_column)
        return np.where(tested, 0, -1), _on_both_sides(tested, groups, wanted.test_column)
    sizes = np.unique(groups, return_counts=True)[1]
    if len(sizes) < FEWEST_GROUPS:
        raise DataError(
            f"{len(groups)} rows in {len(sizes)} independent groups are too few to divide; "
            f"{FEWEST_GROUPS} groups are the least.",
            where=where,
            next_step="Add rows; rows with the same file, text or --group count as one.",
        )
    notes = []
    if sizes.max() > LARGE_GROUP * len(groups):
        notes.append(
            f"{sizes.max():,} of {len(groups):,} rows hang together (the same file, text or "
            "group): they are trained or tested on as one."
        )
    if wanted.test_share:
        folds = min(max(2, round(1 / wanted.test_share)), len(sizes))
        fold_of = grouped_folds(labels, groups, folds, wanted.seed)
        return np.where(fold_of == 0, 0, -1), notes
    folds = min(wanted.folds, len(sizes) // GROUPS_IN_A_FOLD)
    if folds < wanted.folds:
        notes.append(f"{folds} folds, not {wanted.folds}, of so few rows.")
    return grouped_folds(labels, groups, folds, wanted.seed), notes


def _on_both_sides(tested: npt.NDArray[np.bool_], groups: IntArray, column: str) -> list[str]:
    both = np.intersect1d(groups[tested], groups[~tested])
    if not len(both):
        return []
    count = int(np.isin(groups, both).sum())
    return [
        f"{count} rows share a file, a text or a group with rows of the other side of "
        f"{column!r}: the figures may be too good."
    ]
