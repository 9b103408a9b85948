"""Pairs of views: which vectors of a batch a contrastive loss compares, on all ranks.

Shape legend: B samples of this rank, n of them with both views, M media of one view, D width, G
kinds of identity.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import Field, field_validator
from torch import Tensor

from interlingua import ranks
from interlingua.batch import Batch
from interlingua.objectives.objective import Loss, ObjectiveConfig


class PairsConfig(ObjectiveConfig):
    """Settings of a loss between pairs of views.

    Attributes:
        weights: of pairs, as ``{"image-text": 1.0}`` in either order; 0 leaves a pair out.
        default_weight: of the pairs that are not named.
        mask_equal: leave equal texts and equal components out as false negatives.
    """

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

    def weight(self, pair: str) -> float:
        """The weight of a pair, by its ``pair_name``."""
        return self.weights.get(pair, self.default_weight)


@dataclass(slots=True)
class Pair:
    """The samples that have both views of a pair.

    Attributes:
        name: see ``pair_name``.
        a, b: [n, D] their vectors.
        same: [n, G] int64 what makes two samples the same, -1 = nothing known; None = don't ask.
        sizes: n of every rank.
    """

    name: str
    a: Tensor
    b: Tensor
    same: Tensor | None
    sizes: list[int]


def pair_name(first: str, second: str) -> str:
    """``image-text`` for these two views in either order."""
    return "-".join(sorted((first, second)))


def pairwise_loss(
    outputs: Any,
    batch: Batch,
    config: PairsConfig,
    loss_of: Callable[[Pair], Tensor],
    *,
    fewest: int,
) -> Loss:
    """The weighted sum over the pairs of views, each over the samples of all ranks.

    Args:
        outputs: of a model, with ``vectors``, ``owner`` and ``scale``.
        batch: of this rank.
        config: the weights.
        loss_of: the loss of one pair.
        fewest: a pair that fewer samples of all ranks have is left out: it says nothing.

    Raises:
        ValueError: a sample owns two vectors of one view.
    """
    total = 0.0 * outputs.scale.float()  # no pair at all: zero, and still differentiable
    loss = Loss(total, of_all_ranks=True)
    for pair in _pairs_of(outputs, batch, config, fewest):
        value = loss_of(pair)
        loss.total = loss.total + config.weight(pair.name) * value
        loss.parts[pair.name] = value.detach()
        loss.counts[pair.name] = sum(pair.sizes)
    return loss


def _pairs_of(outputs: Any, batch: Batch, config: PairsConfig, fewest: int) -> Iterator[Pair]:
    """The same pairs in the same order on every rank, whatever each one's batch has.

    A rank without a single sample of a pair still takes part in what the ranks tell each other.
    """
    rows = {view: _row_of_owner(owner, len(batch), view) for view, owner in outputs.owner.items()}
    nobody = torch.full((len(batch),), -1, device=outputs.scale.device)
    combinations = [
        (first, second)
        for first, second in itertools.combinations(ranks.names_of_ranks(outputs.vectors), 2)
        if config.weight(pair_name(first, second))
    ]
    having = [
        ((rows.get(first, nobody) >= 0) & (rows.get(second, nobody) >= 0)).nonzero().squeeze(1)
        for first, second in combinations
    ]
    counts, nothing = _of_all_ranks([len(samples) for samples in having], outputs)
    identity = _identity(batch, outputs.scale.device) if config.mask_equal else None
    for (first, second), samples, sizes in zip(combinations, having, counts, strict=True):
        if sum(sizes) >= fewest:
            a, b = (
                outputs.vectors[view][rows[view][samples]] if view in rows else nothing
                for view in (first, second)
            )
            same = None if identity is None else identity[samples]
            yield Pair(pair_name(first, second), a, b, same, sizes)


def _of_all_ranks(counts: list[int], outputs: Any) -> tuple[list[list[int]], Tensor]:
    """By pair of views, the number of samples on each rank; and [0, D] for a rank without any.

    D and the number format are told as well: a rank may have no vector to see them by.
    """
    device = outputs.scale.device
    if ranks.world_size() == 1:  # then a pair has the vectors of both its views
        return [[count] for count in counts], torch.empty(0, 0, device=device)
    known = next(iter(outputs.vectors.values()), torch.empty(0, 0))
    own = torch.tensor([[known.shape[1], known.dtype == torch.float64, *counts]], device=device)
    everyone, _ = ranks.gather_rows(own, [1] * ranks.world_size())  # [W, 2 + pairs]
    width, double, *_ = everyone.amax(0).tolist()
    dtype = torch.float64 if double else torch.float32
    return everyone[:, 2:].T.tolist(), torch.empty(0, width, dtype=dtype, device=device)


def _identity(batch: Batch, device: torch.device) -> Tensor:
    """[B, 2] component and text of each sample, -1 = not known; of one shape on every rank."""
    unknown = torch.full((len(batch),), -1, dtype=torch.int64, device=device)
    known = (unknown if ids is None else ids for ids in (batch.component, batch.text_id))
    return torch.stack(tuple(known), dim=1)


def _row_of_owner(owner: Tensor, num_samples: int, view: str) -> Tensor:
    """[B] the row that belongs to each sample, -1 where it has none."""
    if len(owner) > num_samples or len(torch.unique(owner)) != len(owner):
        raise ValueError(f"a sample owns two vectors of the view {view!r}")
    rows = owner.new_full((num_samples,), -1)
    rows[owner] = torch.arange(len(owner), device=owner.device)
    return rows
