"""The sigmoid loss: each picture with each text is a yes or no of its own.

Notable features:
- tiles that free their memory: the backward pass makes each one again;
- false negatives are left out, as in InfoNCE;
- across ranks each computes its own rows against the columns of all, and the gradient of its
  other side from a second strip: nothing is communicated in the backward pass.

Source: Zhai et al. 2023 (SigLIP), arXiv:2303.15343, algorithm 1 (the loss) and section 3.3
(in pieces).

Shape legend: n pairs of this rank, N of all ranks, D width, G kinds of identity, R rows and C
columns of a tile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from interlingua.batch import Batch
from interlingua.objectives.objective import Loss
from interlingua.objectives.pairs import PairsConfig, pairwise_loss
from interlingua.objectives.tiles import (
    Diagonal,
    FalseNegatives,
    blocks,
    check_shapes,
    exact_dtype,
    gather_pair,
    inner_product,
    product,
    tile_size,
    weighted_sums,
)
from interlingua.ranks import sum_over_ranks


def sigmoid_loss(
    a: Tensor,
    b: Tensor,
    scale: Tensor,
    bias: Tensor | None = None,
    same: Tensor | None = None,
    *,
    sizes: Sequence[int] | None = None,
) -> Tensor:
    """-1/N times the sum over all (i, j) of log sigmoid(z (scale * <a_i, b_j> + bias)).

    z is 1 where i = j and -1 elsewhere. In fp32, or fp64 where that is given.

    Args:
        a: [n, D] unit vectors of one view.
        b: [n, D] unit vectors of the other view; row i is the same thing as row i of ``a``.
        scale: scalar, the inverse temperature.
        bias: scalar; None = 0.
        same: [n, G] int64 identities. Off the diagonal, a pair (i, j) that has an equal,
            non-negative identity in any column is a false negative and is left out.
        sizes: n of each rank, where it is known already.

    Returns:
        Scalar, equal on all ranks. Its gradient by ``a`` and ``b`` is exact; those by ``scale``
        and ``bias`` are this rank's part, and the ranks' parts add up to the whole.

    Raises:
        ValueError: the shapes of ``a`` and ``b`` differ, or N is 0.
    """
    check_shapes("sigmoid_loss", a, b)
    exact = exact_dtype(a)
    bias = scale.new_zeros(()) if bias is None else bias
    with torch.autocast(a.device.type, enabled=False):
        loss: Tensor = _Sigmoid.apply(  # type: ignore[no-untyped-call]
            a.to(exact).contiguous(),
            b.to(exact).contiguous(),
            scale.to(exact),
            bias.to(exact),
            same,
            sizes,
        )
    return loss


class _Sigmoid(torch.autograd.Function):
    """Forward keeps nothing but its inputs; backward makes each tile again."""

    @staticmethod
    def forward(
        ctx: Any,
        a: Tensor,
        b: Tensor,
        scale: Tensor,
        bias: Tensor,
        same: Tensor | None,
        sizes: Sequence[int] | None,
    ) -> Tensor:
        pair = gather_pair(a, b, same, sizes)
        if not len(pair.a):
            raise ValueError("sigmoid_loss needs two equal [B, D] with B > 0 on some rank")
        negatives = FalseNegatives(pair.same, Diagonal(pair.own.start))
        ctx.negatives, ctx.alone = negatives, len(pair.sizes) == 1
        ctx.save_for_backward(a, b, pair.a, pair.b, scale, bias)
        losses = _row_losses(a, pair.b, scale, bias, negatives)  # [n]
        return sum_over_ranks(losses.sum()) / len(pair.a)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        a, b, all_a, all_b, scale, bias = ctx.saved_tensors
        needs_b = ctx.needs_input_grad[1]
        factor = gradient / len(all_a)  # share is d loss / d logit, times N
        share = _Share(a.new_zeros(len(a)), ctx.negatives)
        grad_a, grad_b = weighted_sums(
            a, all_b, scale, share, bias=bias, keys_too=needs_b and ctx.alone
        )
        grad_scale = factor * inner_product(grad_a, a)
        grad_bias = factor * share.sums.sum()
        grad_a.mul_(factor * scale)
        if grad_b is not None:
            grad_b.mul_(factor)
        elif needs_b:
            share = _Share(b.new_zeros(len(b)), ctx.negatives)
            grad_b, _ = weighted_sums(b, all_a, scale, share, bias=bias, keys_too=False)
            grad_b.mul_(factor * scale)
        return (
            grad_a,
            grad_b,
            grad_scale.reshape(scale.shape),
            grad_bias.reshape(bias.shape),
            None,
            None,
        )


def _row_losses(
    a: Tensor, b: Tensor, scale: Tensor, bias: Tensor, negatives: FalseNegatives
) -> Tensor:
    """[n] what each row adds: -log sigmoid(-x) is softplus(x)."""
    losses = a.new_zeros(len(a))
    size = tile_size(a.device)
    for rows in blocks(len(a), size):
        query = scale * a[rows]
        for columns in blocks(len(b), size):
            key = b[columns]
            logits = product(query, key, bias.expand(len(key)).contiguous())  # [R, C]
            negatives.diagonal.of(logits, rows, columns).neg_()
            # Above the threshold softplus is taken as linear; 40 is exact in fp64 too.
            terms = functional.softplus(logits, threshold=40)
            if (allowed := negatives.allowed(terms, rows, columns)) is not None:
                terms.mul_(allowed)
            losses[rows] += terms.sum(1)
    return losses


class _Share:
    """Logits of a tile to sigmoid(logit), less one on the diagonal.

    Attributes:
        sums: [n] of the rows' shares, collected for the bias.
    """

    def __init__(self, sums: Tensor, negatives: FalseNegatives):
        self.sums = sums
        self.negatives = negatives

    def __call__(self, logits: Tensor, rows: slice, columns: slice) -> Tensor:
        diagonal = self.negatives.diagonal
        own = diagonal.of(logits, rows, columns)
        positive = own.neg().sigmoid_().neg_()  # sigmoid(x) - 1 would lose its digits at large x
        share = logits.sigmoid_()
        if (allowed := self.negatives.allowed(share, rows, columns)) is not None:
            share.mul_(allowed)
        diagonal.of(share, rows, columns).copy_(positive)
        self.sums[rows] += share.sum(1)
        return share


class SigmoidContrastive:
    """The sigmoid loss between every pair of views both of which a sample has.

    Reads ``outputs.vectors`` (view -> [M, D] unit vectors), ``outputs.owner`` (view -> [M]),
    ``outputs.scale`` and ``outputs.bias`` (None = 0). The batches of all ranks count as one. The
    total is the weighted sum over the pairs of views.
    """

    needs: frozenset[str] = frozenset({"vectors"})

    class Config(PairsConfig):
        """Settings: see ``PairsConfig``."""

        name: str = "sigmoid_contrastive"

    def __init__(self, config: Config):
        self.config = config

    def __call__(self, outputs: Any, batch: Batch) -> Loss:
        """The loss of one batch.

        Raises:
            ValueError: a sample owns two vectors of one view.
        """
        bias = getattr(outputs, "bias", None)
        return pairwise_loss(
            outputs,
            batch,
            self.config,
            lambda pair: sigmoid_loss(
                pair.a, pair.b, outputs.scale, bias, pair.same, sizes=pair.sizes
            ),
            fewest=1,
        )
