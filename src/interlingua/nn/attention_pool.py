"""Pooling by attention: one query reads a vector from all tokens.

Two forms: a learned probe with a feed-forward layer behind it (the "MAP" head of SigLIP), and the
mean of the tokens as the query, over tokens with positions (CLIP's ResNets).

Shape legend: M samples, N tokens, D width, O output width.

Sources: multihead attention pooling, Lee et al. 2019 (Set Transformer, arXiv 1810.00825),
section 3.2, as Zhai et al. 2022 (arXiv 2106.04560), section 3.4 use it; attention pooling of
CLIP, Radford et al. 2021 (arXiv 2103.00020), section 2.4.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from interlingua.nn.position import resample_positions
from interlingua.nn.single_query import SingleQuery
from interlingua.nn.transformer import ActivationName, FeedForward


class AttentionPool(nn.Module):
    """A learned probe reads the tokens, then a feed-forward layer with a residual.

    Args:
        width: D.
        num_heads: a divisor of D.
        hidden_width: of the feed-forward layer.
        norm_eps: of the LayerNorm before it.
        activation: of the feed-forward layer.

    Raises:
        ValueError: ``num_heads`` does not divide ``width``.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        hidden_width: int,
        *,
        norm_eps: float = 1e-6,
        activation: ActivationName = "gelu_tanh",
    ):
        super().__init__()
        self.probe = nn.Parameter(torch.empty(width))
        self.qkv = SingleQuery(width, num_heads)
        self.out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=norm_eps)
        self.feed_forward = FeedForward(width, hidden_width, activation)

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        """[M, N, D] to [M, D]; ``mask`` [M, N] True = real."""
        pooled = self.out(self.qkv(self.probe[None], states, mask))
        return pooled + self.feed_forward(self.norm(pooled.to(self.norm.weight.dtype)))

    def init_weights(self) -> None:
        """Normal weights by the number of inputs, the probe by the width."""
        nn.init.normal_(self.probe, std=self.probe.numel() ** -0.5)
        self.qkv.init_weights()
        for linear in (self.out, self.feed_forward.up, self.feed_forward.down):
            nn.init.normal_(linear.weight, std=linear.in_features**-0.5)
            nn.init.zeros_(linear.bias)
        self.norm.reset_parameters()


class MeanQueryPool(nn.Module):
    """The mean of a map's tokens asks all of them, itself included.

    Args:
        side: of the square map whose positions are learned.
        width: D.
        num_heads: a divisor of D.
        output_width: O.

    Raises:
        ValueError: ``num_heads`` does not divide ``width``.
    """

    def __init__(self, side: int, width: int, num_heads: int, output_width: int):
        super().__init__()
        self.position_embedding = nn.Parameter(torch.empty(1 + side * side, width))
        self.qkv = SingleQuery(width, num_heads)
        self.out = nn.Linear(width, output_width)

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        """[M, N, D] of a map of ``grid`` rows and columns to [M, O]."""
        tokens = torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1)  # [M, 1 + N, D]
        tokens = tokens + resample_positions(self.position_embedding, grid, num_prefix=1)
        pooled: Tensor = self.out(self.qkv(tokens[:, 0], tokens))
        return pooled

    def init_weights(self) -> None:
        """CLIP's own: everything normal by the width."""
        self.qkv.init_weights()
        std = self.qkv.weight.shape[1] ** -0.5
        nn.init.normal_(self.position_embedding, std=std)
        nn.init.normal_(self.out.weight, std=std)
        nn.init.zeros_(self.out.bias)
