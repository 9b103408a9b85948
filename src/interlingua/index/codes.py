"""Vectors in one byte a number, with a proven bound on what that changes of a cosine.

Rows come in blocks of 32. A row has the mean of all rows taken off and is turned by one random
rotation (so that no number stands out), then divided by its block's step and rounded. For a query
y, the cosine of a row x is  mean·y + (x - mean)·y, and with codes c of step s and the query's
codes d of step t, by Cauchy and Schwarz,

    |(x - mean)·y - s t c·d|  <=  |x - mean - s c| |y|  +  |s c| |y - t d|.

Both lengths are measured, not estimated, when the codes are made, so a block whose largest product
plus this bound is below the k-th best cosine holds none of the k nearest: what is left out is left
out rightly, and the answer is exact.

Shape legend: P rows, a multiple of 32, of which some are padding; B = P / 32 blocks; D width;
Q queries.

Source: the rotation is that of Gao, Long, "RaBitQ", SIGMOD 2024, section 3.1; a number has one
byte here, not one bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

BLOCK = 32  # rows
LARGEST = 127
_ROUNDING = 4e-6  # of cosines and lengths made in float32
_ROWS_AT_A_TIME = 1 << 14

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Coding:
    """What turns vectors into codes.

    Attributes:
        mean: [D] of the rows.
        rotation: [D, D] orthogonal.
    """

    mean: Floats
    rotation: Floats

    @classmethod
    def fitted(cls, vectors: Floats, seed: int = 0) -> Coding:
        """For these rows [N, D], N >= 1."""
        width = vectors.shape[1]
        sample = vectors[:: max(len(vectors) // 100_000, 1)]
        normal = np.random.default_rng(seed).normal(size=(width, width))
        rotation, _ = np.linalg.qr(normal)
        return cls(sample.mean(0, dtype=np.float64).astype(np.float32), rotation.astype(np.float32))

    def turned(self, vectors: Floats) -> Floats:
        """[n, D] without the mean, rotated."""
        found: Floats = (vectors - self.mean).astype(np.float32, copy=False) @ self.rotation
        return found

    def queries(self, queries: Floats) -> CodedQueries:
        """Codes of queries [Q, D] of length 1."""
        # By torch, which multiplies the codes too: NumPy's product would wake threads of its own,
        # and these wait actively, on the cores that search.
        turned = torch.from_numpy(queries).mm(torch.from_numpy(self.rotation)).numpy()
        steps = np.maximum(np.abs(turned).max(1, initial=0), 1e-12).astype(np.float32) / LARGEST
        codes = np.rint(turned / steps[:, None]).astype(np.int8)
        errors = np.linalg.norm(turned - codes * steps[:, None], axis=1)
        return CodedQueries(codes, steps, errors + _ROUNDING, queries @ self.mean)


@dataclass(frozen=True, slots=True)
class CodedQueries:
    """Queries as codes.

    Attributes:
        codes: [Q, D].
        steps: [Q].
        errors: [Q] length of what rounding took off.
        base: [Q] cosine with the mean.
    """

    codes: Codes
    steps: Floats
    errors: Floats
    base: Floats


@dataclass(frozen=True, slots=True)
class BlockCodes:
    """The rows as codes; the arrays may lie in files.

    Attributes:
        codes: [P, D].
        steps: [B] of each block.
        errors: [B] the longest that rounding took off a row, with room for float32.
        reach: the length of the longest row that codes stand for.
    """

    codes: Codes
    steps: Floats
    errors: Floats
    reach: float

    def upper(self, largest: Floats, queries: CodedQueries, blocks: slice | None = None) -> Floats:
        """[Q, b] what no cosine of a block's rows is above.

        Args:
            largest: [Q, b] the largest product of codes in each block.
            queries: Q of them.
            blocks: which blocks these are; None = all.
        """
        steps = self.steps if blocks is None else self.steps[blocks]
        errors = self.errors if blocks is None else self.errors[blocks]
        found: Floats = largest * (queries.steps[:, None] * steps[None])
        found += errors[None]
        found += (queries.base + self.reach * queries.errors)[:, None]
        return found


def fill(
    coding: Coding, vectors: Floats, real: npt.NDArray[np.bool_], codes: Codes, steps: Floats,
    errors: Floats,
) -> float:  # fmt: skip
    """Write the codes of rows [P, D] into arrays [P, D], [B], [B]; gives ``reach``.

    Args:
        coding: of these rows.
        vectors: [P, D], unit length where ``real``.
        real: [P] False for padding, whose codes are zero.
        codes, steps, errors: are written.
    """
    reach = 0.0
    for start in range(0, len(vectors), _ROWS_AT_A_TIME):
        rows = slice(start, min(start + _ROWS_AT_A_TIME, len(vectors)))
        blocks = slice(rows.start // BLOCK, rows.stop // BLOCK)
        turned = coding.turned(vectors[rows])
        turned[~real[rows]] = 0
        grouped = turned.reshape(-1, BLOCK * turned.shape[1])
        largest = np.maximum(grouped.max(1), -grouped.min(1))
        step = np.maximum(largest, 1e-12) / np.float32(LARGEST)
        grouped /= step[:, None]
        rounded = np.rint(grouped)
        codes[rows] = rounded.reshape(turned.shape)
        grouped -= rounded
        grouped *= step[:, None]
        lost = np.sqrt(np.einsum("rd,rd->r", turned, turned))
        rounded *= step[:, None]
        kept = rounded.reshape(turned.shape)
        reach = max(reach, float(np.sqrt(np.einsum("rd,rd->r", kept, kept).max())))
        steps[blocks] = step
        errors[blocks] = lost.reshape(-1, BLOCK).max(1) * (1 + 1e-4) + _ROUNDING
    return reach * (1 + 1e-4)
