"""InfoNCE between every pair of views: what is the same thing lies close together.

Notable: false negatives (equal texts, equal components) are left out of the
denominators; the logits are made tile by tile, so memory grows with B and not B².

Source: van den Oord et al. 2018, arXiv:1807.03748, section 2.3 (InfoNCE); Radford et
al. 2021, arXiv:2103.00020, figure 3 (symmetric, learned temperature); Girdhar et al.
2023, arXiv:2305.05665, section 3 (one space, many pairs of views).

Shape legend: B pairs, D width, M media of one view, G kinds of identity, T tile rows.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from pydantic import Field, field_validator
from torch import Tensor
from torch.autograd.function import once_differentiable

from interlingua.batch import Batch
from interlingua.objectives.objective import Loss, ObjectiveConfig

TILE_ROWS = 512  # logits in memory: TILE_ROWS * B; 512 keeps products large enough for the cores


def info_nce(
    a: Tensor,
    b: Tensor,
    scale: Tensor,
    same: Tensor | None = None,
    *,
    tile_rows: int = TILE_ROWS,
) -> Tensor:
    """Symmetric InfoNCE, in fp32 (or fp64 where that is given).

    Args:
        a: [B, D] unit vectors of one view.
        b: [B, D] unit vectors of the other view; row i is the same thing as row i of ``a``.
        scale: scalar, the inverse temperature.
        same: [B, G] int64 identities. Off the diagonal, a pair (i, j) that has an equal,
            non-negative identity in any column is a false negative and is left out.
        tile_rows: how many rows of logits exist at a time.

    Returns:
        Scalar: the mean over both directions and all B rows.

    Raises:
        ValueError: the shapes of ``a`` and ``b`` differ, or B is 0.
    """
    if a.shape != b.shape or a.ndim != 2 or not len(a):
        raise ValueError(f"info_nce needs two equal [B, D], got {list(a.shape)}, {list(b.shape)}")
    exact = torch.float64 if a.dtype == torch.float64 else torch.float32
    with torch.autocast(a.device.type, enabled=False):
        loss: Tensor = _TiledInfoNCE.apply(  # type: ignore[no-untyped-call]
            a.to(exact), b.to(exact), scale.to(exact), same, tile_rows
        )
    return loss


class _TiledInfoNCE(torch.autograd.Function):
    """Forward keeps only the log-sums of rows and columns; backward makes each tile again."""

    @staticmethod
    def forward(
        ctx: Any, a: Tensor, b: Tensor, scale: Tensor, same: Tensor | None, tile_rows: int
    ) -> Tensor:
        size = len(a)
        row_sum = a.new_empty(size)  # [B] log of the denominators of a -> b
        column_sum = a.new_full((size,), -torch.inf)  # [B] of b -> a
        for start in range(0, size, tile_rows):
            logits = _tile(a, b, scale, same, start, tile_rows)  # [T, B]
            row_sum[start : start + tile_rows] = logits.logsumexp(1)
            column_sum = torch.logaddexp(column_sum, logits.logsumexp(0))
        positives = scale * (a * b).sum(1)  # [B]
        ctx.save_for_backward(a, b, scale, same, row_sum, column_sum)
        ctx.tile_rows = tile_rows
        return ((row_sum + column_sum) / 2 - positives).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        a, b, scale, same, row_sum, column_sum = ctx.saved_tensors
        size, tile_rows = len(a), ctx.tile_rows
        grad_a, grad_b = torch.empty_like(a), torch.zeros_like(b)
        for start in range(0, size, tile_rows):
            rows = slice(start, start + tile_rows)
            logits = _tile(a, b, scale, same, start, tile_rows)
            share = (logits - row_sum[rows, None]).exp_()  # [T, B] softmax over the row
            share += (logits - column_sum).exp_()  # ... and over the column
            share.diagonal(start).sub_(2.0)
            grad_a[rows] = share @ b
            grad_b.addmm_(share.T, a[rows])
        # d loss / d logit is share / 2B, and logit = scale * <a, b>.
        grad_scale = gradient * (grad_a * a).sum() / (2 * size)
        factor = gradient * scale / (2 * size)
        return grad_a * factor, grad_b * factor, grad_scale.reshape(scale.shape), None, None


def _tile(
    a: Tensor, b: Tensor, scale: Tensor, same: Tensor | None, start: int, tile_rows: int
) -> Tensor:
    """Rows ``start`` to ``start + tile_rows`` of the logits, [T, B], false negatives at -inf."""
    rows = slice(start, start + tile_rows)
    logits = scale * (a[rows] @ b.T)
    if same is not None and same.shape[1]:
        false_negative = torch.zeros_like(logits, dtype=torch.bool)
        for column in same.T:  # G is 2: a [T, B, G] comparison would be the largest tensor here
            false_negative |= (column[rows, None] == column) & (column[rows, None] >= 0)
        false_negative.diagonal(start).fill_(False)
        logits.masked_fill_(false_negative, -torch.inf)
    return logits


class PairwiseContrastive:
    """InfoNCE between every pair of views both of which a sample has.

    Reads ``outputs.vectors`` (view -> [M, D] unit vectors), ``outputs.owner`` (view -> [M])
    and ``outputs.scale``. A pair that fewer than two samples of the batch have says nothing
    and is left out. The total is the weighted sum over the pairs.
    """

    needs: frozenset[str] = frozenset({"vectors"})

    class Config(ObjectiveConfig):
        """Settings.

        Attributes:
            weights: of pairs, as ``{"image-text": 1.0}`` in either order; 0 leaves a pair out.
            default_weight: of the pairs that are not named.
            mask_equal: leave equal texts and equal components out as false negatives.
        """

        name: str = "pairwise_contrastive"
        weights: dict[str, float] = Field(default_factory=dict)
        default_weight: float = 1.0
        mask_equal: bool = True

        @field_validator("weights")
        @classmethod
        def _pairs(cls, weights: dict[str, float]) -> dict[str, float]:
            for pair, weight in weights.items():
                if len(set(pair.split("-"))) != 2 or pair.count("-") != 1:
                    raise ValueError(f"{pair!r} is not a pair of views such as 'image-text'")
                if not 0 <= weight < float("inf"):
                    raise ValueError(f"the weight of {pair!r} must be finite and not negative")
            ordered = {pair_name(*pair.split("-")): weight for pair, weight in weights.items()}
            if len(ordered) != len(weights):
                raise ValueError("a pair is named twice, in both orders")
            return ordered

    def __init__(self, config: Config):
        self.config = config

    def weight(self, pair: str) -> float:
        """The weight of a pair, by its ``pair_name``."""
        return self.config.weights.get(pair, self.config.default_weight)

    def __call__(self, outputs: Any, batch: Batch) -> Loss:
        """The loss of one batch.

        Raises:
            ValueError: a sample owns two vectors of one view.
        """
        total = 0.0 * outputs.scale.float()  # no pair at all: zero, and still differentiable
        loss = Loss(total)
        identity = self._identity(batch)
        rows = {
            view: _row_of_owner(owner, len(batch), view) for view, owner in outputs.owner.items()
        }
        for first, second in itertools.combinations(sorted(outputs.vectors), 2):
            pair = pair_name(first, second)
            weight = self.weight(pair)
            both = ((rows[first] >= 0) & (rows[second] >= 0)).nonzero().squeeze(1)  # [B']
            if weight == 0 or len(both) < 2:
                continue
            value = info_nce(
                outputs.vectors[first][rows[first][both]],
                outputs.vectors[second][rows[second][both]],
                outputs.scale,
                None if identity is None else identity[both],
            )
            loss.total = loss.total + weight * value
            loss.parts[pair] = value.detach()
            loss.counts[pair] = len(both)
        return loss

    def _identity(self, batch: Batch) -> Tensor | None:
        """[B, G] what makes two samples of the batch the same; -1 = nothing known."""
        known = [ids for ids in (batch.component, batch.text_id) if ids is not None]
        return torch.stack(known, dim=1) if known and self.config.mask_equal else None


def pair_name(first: str, second: str) -> str:
    """``image-text`` for these two views in either order."""
    return "-".join(sorted((first, second)))


def _row_of_owner(owner: Tensor, num_samples: int, view: str) -> Tensor:
    """[B] the row that belongs to each sample, -1 where it has none."""
    if len(owner) > num_samples or len(torch.unique(owner)) != len(owner):
        raise ValueError(f"a sample owns two vectors of the view {view!r}")
    rows = owner.new_full((num_samples,), -1)
    rows[owner] = torch.arange(len(owner), device=owner.device)
    return rows
