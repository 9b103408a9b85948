"""InfoNCE: what belongs together lies closer than everything else in the batch.

Notable features:
- each tile of logits is made once in the forward pass, for the sums of rows *and* columns, and
  once in the backward pass, for both gradients: four matrix products in all, memory in O(B);
- one exponential per logit: all share one shift that keeps every sum within the range of the
  number format (``_shift``); where that can't be promised, the exact logsumexp takes over;
- the positive is never part of a sum: a row's loss is softplus(log sum of its negatives -
  positive), so a loss near zero, and its gradient, keep all their digits;
- across ranks each computes its own rows against the columns of all. The gradient of its other
  side comes from a second strip instead of from the other ranks: one more product, but no
  communication in the backward pass, so nothing can meet DDP's own in another order.

Source: van den Oord et al. 2018, arXiv:1807.03748, section 2.3; Radford et al. 2021,
arXiv:2103.00020, figure 3 (symmetric, learned temperature); Cheng et al. 2024,
arXiv:2410.17243, section 3 (tiles, recomputed in the backward pass).

Shape legend: n pairs of this rank, N of all ranks, D width, G kinds of identity, R rows and C
columns of a tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from interlingua.objectives.tiles import (
    Diagonal,
    FalseNegatives,
    Gathered,
    blocks,
    check_shapes,
    exact_dtype,
    gather_pair,
    inner_product,
    product,
    tile_size,
    weighted_sums,
)
from interlingua.ranks import gather_rows, logsumexp_over_ranks

# exp of this, times any number of pairs, is finite, and exp of minus this and ten more is normal.
RANGE = {torch.float32: 60.0, torch.float64: 600.0}


def info_nce(
    a: Tensor,
    b: Tensor,
    scale: Tensor,
    same: Tensor | None = None,
    *,
    sizes: Sequence[int] | None = None,
) -> Tensor:
    """Symmetric InfoNCE over the pairs of all ranks, in fp32 (or fp64 where that is given).

    Args:
        a: [n, D] unit vectors of one view.
        b: [n, D] unit vectors of the other view; row i is the same thing as row i of ``a``.
        scale: scalar, the inverse temperature.
        same: [n, G] int64 identities. Off the diagonal, a pair (i, j) that has an equal,
            non-negative identity in any column is a false negative and is left out.
        sizes: n of each rank, where it is known already.

    Returns:
        Scalar: the mean over both directions and all N rows, equal on all ranks. Its gradient
        by ``a`` and ``b`` is exact; that by ``scale`` is this rank's part, and the ranks' parts
        add up to the whole.

    Raises:
        ValueError: the shapes of ``a`` and ``b`` differ, or N is 0.
    """
    check_shapes("info_nce", a, b)
    exact = exact_dtype(a)
    with torch.autocast(a.device.type, enabled=False):
        loss: Tensor = _InfoNCE.apply(  # type: ignore[no-untyped-call]
            a.to(exact).contiguous(), b.to(exact).contiguous(), scale.to(exact), same, sizes
        )
    return loss


class _InfoNCE(torch.autograd.Function):
    """Forward keeps only the log-sums of rows and columns; backward makes each tile again."""

    @staticmethod
    def forward(
        ctx: Any,
        a: Tensor,
        b: Tensor,
        scale: Tensor,
        same: Tensor | None,
        sizes: Sequence[int] | None,
    ) -> Tensor:
        pair = gather_pair(a, b, same, sizes)
        if not len(pair.a):
            raise ValueError("info_nce needs two equal [B, D] with B > 0 on some rank")
        negatives = FalseNegatives(pair.same, Diagonal(pair.own.start))
        shift = _shift(pair.a, pair.b, scale)
        sums = _log_sums(a, pair, scale, negatives, shift)
        if shift is not None and not sums.in_range(shift):
            shift = None
            sums = _log_sums(a, pair, scale, negatives, shift)
        ctx.shift, ctx.negatives, ctx.own = shift, negatives, pair.own
        ctx.alone = len(pair.sizes) == 1
        own = sums.of_positives()[pair.own]
        ctx.save_for_backward(a, b, pair.a, pair.b, scale, sums.rows(), sums.columns(), own)
        return sums.losses().mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        a, b, all_a, all_b, scale, rows, columns, positives = ctx.saved_tensors
        needs_b = ctx.needs_input_grad[1]
        share = _Share(rows[ctx.own], columns, positives, ctx.negatives, ctx.shift)
        grad_a, grad_b = weighted_sums(a, all_b, scale, share, keys_too=needs_b and ctx.alone)
        # d loss / d logit is share / 2N, and logit = scale * <a, b>.
        factor = gradient / (2 * len(rows))
        grad_scale = factor * inner_product(grad_a, a)
        grad_a.mul_(factor * scale)
        if grad_b is not None:
            grad_b.mul_(factor)
        elif needs_b:
            share = _Share(columns[ctx.own], rows, positives, ctx.negatives, ctx.shift)
            grad_b, _ = weighted_sums(b, all_a, scale, share, keys_too=False)
            grad_b.mul_(factor * scale)
        return grad_a, grad_b, grad_scale.reshape(scale.shape), None, None


def _shift(a: Tensor, b: Tensor, scale: Tensor) -> float | None:
    """What is taken from every logit so that exp of it neither overflows nor vanishes.

    No logit is beyond ``scale * |a| * |b|``. With unit vectors and a scale up to 60 (fp32) the
    shift is 0; up to 100, the clamp of CLIP, it loses only rows all of whose cosines are below
    -0.3, which ``_LogSums.in_range`` finds. None where the bound is too large, or not a number.
    """
    bound = float(scale.abs() * a.norm(dim=1).max() * b.norm(dim=1).max())
    limit = RANGE[a.dtype]
    return max(0.0, bound - limit) if bound <= 2 * limit else None


@dataclass(slots=True)
class _LogSums:
    """Of all ranks, each [N].

    Attributes:
        of_row: log of the sum of exp over each row's negatives; -inf where it has none.
        of_column: the same of each column.
        positive: the logits on the diagonal.
    """

    of_row: Tensor
    of_column: Tensor
    positive: Tensor

    def rows(self) -> Tensor:
        """Log of each row's denominator."""
        return torch.logaddexp(self.of_row, self.positive)

    def columns(self) -> Tensor:
        """Log of each column's denominator."""
        return torch.logaddexp(self.of_column, self.positive)

    def losses(self) -> Tensor:
        """The mean of both directions: log(1 + negatives / positive)."""
        return (
            functional.softplus(self.of_row - self.positive, threshold=40)
            + functional.softplus(self.of_column - self.positive, threshold=40)
        ) / 2

    def of_positives(self) -> Tensor:
        """The gradient on the diagonal, times 2N: softmax of row and of column, less 1 each."""
        odds = torch.stack([self.of_row, self.of_column]) - self.positive
        return -odds.sigmoid().sum(0)

    def in_range(self, shift: float) -> bool:
        """True where no denominator was so small that its terms lost digits."""
        lowest = torch.minimum(self.rows().min(), self.columns().min())
        return float(lowest) - shift >= -RANGE[lowest.dtype] - 10


def _log_sums(
    a: Tensor, pair: Gathered, scale: Tensor, negatives: FalseNegatives, shift: float | None
) -> _LogSums:
    """Over the rows of this rank, and then of all."""
    make = _exact_sums if shift is None else partial(_sums, shift=shift)
    of_row, of_column, positive = make(a, pair.b, scale, negatives)
    of_column = logsumexp_over_ranks(of_column)
    of_row, positive = gather_rows(torch.stack([of_row, positive], 1), pair.sizes)[0].unbind(1)
    return _LogSums(of_row, of_column, positive)


def _sums(
    a: Tensor, b: Tensor, scale: Tensor, negatives: FalseNegatives, shift: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Log-sums of the negatives of rows [n] and, over these rows, of columns [N]; positives [n].

    With one exponential per logit.
    """
    row_sum, column_sum = a.new_zeros(len(a)), a.new_zeros(len(b))
    positive = a.new_zeros(len(a))
    size = tile_size(a.device)
    bias = a.new_full((size,), -shift) if shift else None  # the product adds it on its way
    for rows in blocks(len(a), size):
        query = scale * a[rows]
        for columns in blocks(len(b), size):
            key = b[columns]
            logits = product(query, key, None if bias is None else bias[: len(key)])  # [R, C]
            diagonal = negatives.diagonal.of(logits, rows, columns)
            positive[negatives.diagonal.rows(rows, columns)] = diagonal
            weights = logits.exp_()
            if (allowed := negatives.allowed(weights, rows, columns)) is not None:
                weights.mul_(allowed)
            diagonal.zero_()
            row_sum[rows] += weights.sum(1)
            column_sum[columns] += weights.sum(0)
    return row_sum.log_().add_(shift), column_sum.log_().add_(shift), positive.add_(shift)


def _exact_sums(
    a: Tensor, b: Tensor, scale: Tensor, negatives: FalseNegatives
) -> tuple[Tensor, Tensor, Tensor]:
    """As ``_sums``, for any logits: each tile's own logsumexp, twice."""
    row_sum = a.new_full((len(a),), -torch.inf)
    column_sum = a.new_full((len(b),), -torch.inf)
    positive = a.new_zeros(len(a))
    size = tile_size(a.device)
    for rows in blocks(len(a), size):
        query = scale * a[rows]
        for columns in blocks(len(b), size):
            logits = product(query, b[columns])  # [R, C]
            diagonal = negatives.diagonal.of(logits, rows, columns)
            positive[negatives.diagonal.rows(rows, columns)] = diagonal
            if (allowed := negatives.allowed(logits, rows, columns)) is not None:
                logits.masked_fill_(allowed == 0, -torch.inf)
            diagonal.fill_(-torch.inf)
            row_sum[rows] = torch.logaddexp(row_sum[rows], logits.logsumexp(1))
            column_sum[columns] = torch.logaddexp(column_sum[columns], logits.logsumexp(0))
    return row_sum, column_sum, positive


class _Share:
    """Logits of a tile to softmax over the row + softmax over the column - 2 on the diagonal.

    Args:
        row_sum: [n] log of each row's denominator.
        column_sum: [N] of each column's.
        positives: [n] what stands on the diagonal.
        negatives: what is left out.
        shift: as in the forward pass; None = exactly.
    """

    def __init__(
        self,
        row_sum: Tensor,
        column_sum: Tensor,
        positives: Tensor,
        negatives: FalseNegatives,
        shift: float | None,
    ):
        self.row_sum, self.column_sum, self.positives = row_sum, column_sum, positives
        self.negatives, self.shift = negatives, shift
        if shift is not None:  # exp(z - s) * exp(s - r): one exponential per logit for both
            self.of_row = (shift - row_sum).exp()
            self.of_column = (shift - column_sum).exp()

    def __call__(self, logits: Tensor, rows: slice, columns: slice) -> Tensor:
        allowed = self.negatives.allowed(logits, rows, columns)
        if self.shift is not None:
            share = (logits.sub_(self.shift) if self.shift else logits).exp_()
            if allowed is not None:  # before the next product, which may overflow at these
                share.mul_(allowed)
            share.mul_(self.of_row[rows, None] + self.of_column[columns])
        else:
            share = (logits - self.row_sum[rows, None]).exp_()
            share += (logits - self.column_sum[columns]).exp_()
            if allowed is not None:
                share.masked_fill_(allowed == 0, 0.0)
        diagonal = self.negatives.diagonal
        diagonal.of(share, rows, columns).copy_(self.positives[diagonal.rows(rows, columns)])
        return share
