"""Products of many rows with a few queries: of codes where the processor multiplies bytes faster.

Shape legend: P rows, B blocks of 32, b some of the blocks, D width, Q queries, q some of them.
"""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interlingua.index.codes import BlockCodes, CodedQueries, Floats
from interlingua.index.lists import Places
from interlingua.index.matrix import Matrix

if TYPE_CHECKING:
    import torch

ROUNDING = 4e-6  # of cosines made in float32


@dataclass(frozen=True, slots=True)
class Factors:
    """What is multiplied, and what the products mean.

    Attributes:
        rows: [P, D] codes, or the vectors themselves.
        columns: [D, width] the queries, then zeros.
        codes: None where the vectors themselves are multiplied.
        coded: the queries; None as well.
    """

    rows: torch.Tensor
    columns: torch.Tensor
    blocks: int
    codes: BlockCodes | None = None
    coded: CodedQueries | None = None

    @property
    def products(self) -> torch.dtype:
        """What products are numbers of."""
        import torch

        return torch.float32 if self.codes is None else torch.int32

    def multiply(self, rows: slice, out: torch.Tensor | None = None) -> torch.Tensor:
        """[n, width] products of some rows."""
        import torch

        multiply = torch.mm if self.codes is None else torch._int_mm
        found: torch.Tensor = multiply(self.rows[rows], self.columns, out=out)
        return found

    def scale(self, queries: slice, blocks: Places | None = None) -> Floats:
        """[q, b] what a product is multiplied by to estimate a cosine."""
        if self.codes is None or self.coded is None:
            return np.ones(self._shape(queries, blocks), np.float32)
        steps = self.codes.steps if blocks is None else self.codes.steps[blocks]
        found: Floats = self.coded.steps[queries, None] * steps
        return found

    def margin(self, queries: slice, blocks: Places | None = None) -> Floats:
        """[q, b] what no cosine is above its estimate by."""
        if self.codes is None or self.coded is None:
            return np.full(self._shape(queries, blocks), ROUNDING, np.float32)
        errors = self.codes.errors if blocks is None else self.codes.errors[blocks]
        coded = self.coded
        slack = coded.base[queries] + self.codes.reach * coded.errors[queries]
        found: Floats = np.add(errors, slack[:, None], dtype=np.float32)
        return found

    def _shape(self, queries: slice, blocks: Places | None) -> tuple[int, int]:
        return (
            len(range(self.columns.shape[1])[queries]),
            self.blocks if blocks is None else len(blocks),
        )


def factors_of(matrix: Matrix, queries: Floats, width: int) -> Factors:
    """For queries [Q, D] of length 1, Q <= width."""
    import torch

    assert matrix.codes is not None and matrix.coding is not None
    blocks = len(matrix.codes.steps)
    if not has_fast_bytes():
        columns = torch.zeros(width, queries.shape[1])
        columns[: len(queries)] = torch.from_numpy(queries)
        return Factors(torch.from_numpy(matrix.vectors), columns.T, blocks)
    coded = matrix.coding.queries(queries)
    columns = torch.zeros(width, queries.shape[1], dtype=torch.int8)
    columns[: len(queries)] = torch.from_numpy(coded.codes)
    rows = torch.from_numpy(matrix.codes.codes)
    return Factors(rows, columns.T.contiguous(), blocks, matrix.codes, coded)


def scratch(dtype: torch.dtype, size: int) -> torch.Tensor:
    """Memory that this thread's next search uses again: fresh memory costs its pages."""
    import torch

    kept: torch.Tensor | None = getattr(_KEPT, "memory", None)
    if kept is None or not size <= kept.numel() <= 4 * max(size, 1 << 20):
        kept = _KEPT.memory = torch.empty(size, dtype=torch.int32)
    found: torch.Tensor = kept[:size].view(dtype)
    return found


_KEPT = threading.local()


@functools.cache
def has_fast_bytes() -> bool:
    """Whether torch multiplies bytes faster than floats here."""
    import torch

    supported: Any = getattr(torch.cpu, "_is_vnni_supported", None) or getattr(
        torch.cpu, "_is_avx512_vnni_supported", None
    )
    return bool(supported is not None and supported())
