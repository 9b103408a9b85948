"""One vector of each modality, made before it meets another.

Shape legend: B samples, N tokens, D width of the fusion, M modalities.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from interlingua.fusion.own_stream import OwnStreams
from interlingua.fusion.presence import present
from interlingua.tokens import Tokens


class Pool(nn.Module):
    """The mean of the real tokens, normalised; zeros where there are none.

    Args:
        width: D.
    """

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """[B, N, D] and their mask [B, N] to [B, D]."""
        pooled: Tensor = self.norm(mean_of_real(states, mask))
        return pooled.masked_fill(~mask.any(1)[:, None], 0.0)  # not the bias of the norm


class OwnVectors(nn.Module):
    """Own streams, and behind each a pool and dropout.

    Args:
        streams: of the modalities.
        width: D.
        dropout: of the vectors.
    """

    def __init__(self, streams: OwnStreams, width: int, dropout: float):
        super().__init__()
        self.streams = streams
        self.pools = nn.ModuleDict({name: Pool(width) for name in streams})
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Mapping[str, Tokens]) -> tuple[list[Tensor], Tensor]:
        """M vectors [B, D], zeros where a sample lacks the modality, and who is there [B, M]."""
        return [self.of(name, tokens[name]) for name in self.streams], present(
            [tokens[name] for name in self.streams]
        )

    def of(self, modality: str, tokens: Tokens) -> Tensor:
        """[B, D] of one modality."""
        states, mask = self.streams[modality](tokens)
        vector: Tensor = self.dropout(self.pools[modality](states, mask))
        return vector


def mean_of_real(states: Tensor, mask: Tensor) -> Tensor:
    """[B, D] the mean of the real tokens of states [B, N, D]; zeros where there are none."""
    total = states.masked_fill(~mask[..., None], 0.0).sum(1)
    return total / mask.sum(1, keepdim=True).clamp(min=1).to(total.dtype)


def mean_of_there(values: list[Tensor], there: Tensor) -> Tensor:
    """The mean of M values [B, ...] over the modalities that are there [B, M]; zeros where none.

    In fp32 at least.
    """
    exact = torch.promote_types(values[0].dtype, torch.float32)
    shares = there.to(exact) / there.sum(1, keepdim=True).clamp(min=1).to(exact)  # [B, M]
    return weighted_sum(values, shares)


def weighted_sum(values: list[Tensor], shares: Tensor) -> Tensor:
    """The sum of M values [B, ...], each times its share: [B, M] or [B, M, ...]."""
    stacked = torch.stack(values, dim=1)  # [B, M, ...]
    return (stacked * shares.view(*shares.shape, *[1] * (stacked.ndim - shares.ndim))).sum(1)
