"""Transformer blocks, with the normalisation before (GPT, Whisper, ViT) or after (BERT).

Shape legend: B batch, N tokens, D width, H heads.

Sources: Vaswani et al. 2017 (arXiv 1706.03762), section 3; normalisation before the sublayer,
Xiong et al. 2020 (arXiv 2002.04745), figure 1.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from interlingua.nn.attention import FULL, AttentionPattern, attend
from interlingua.nn.frozen_linear import FrozenLinear
from interlingua.nn.linear import Linear
from interlingua.nn.single_query import attend_once

NormOrder = Literal["pre", "post"]
ActivationName = Literal["gelu", "gelu_tanh", "quick_gelu"]


class QuickGELU(nn.Module):
    """``x * sigmoid(1.702 x)``, as the first CLIP models use it.

    Source: Hendrycks & Gimpel 2016 (arXiv 1606.08415), section 2, the sigmoid approximation.
    """

    def forward(self, states: Tensor) -> Tensor:
        """Elementwise."""
        return states * torch.sigmoid(1.702 * states)


def make_activation(name: ActivationName) -> nn.Module:
    """The activation of a feed-forward layer by its name."""
    if name == "quick_gelu":
        return QuickGELU()
    return nn.GELU(approximate="tanh" if name == "gelu_tanh" else "none")


class SelfAttention(nn.Module):
    """Multi-head self-attention with one product for query, key and value.

    Args:
        width: D.
        num_heads: H, a divisor of D.

    Raises:
        ValueError: ``num_heads`` does not divide ``width``.
    """

    def __init__(self, width: int, num_heads: int):
        super().__init__()
        if width % num_heads:
            raise ValueError(f"{num_heads} heads do not divide a width of {width}")
        self.num_heads = num_heads
        self.qkv = Linear(width, 3 * width)
        self.out = Linear(width, width)

    def forward(
        self, states: Tensor, pattern: AttentionPattern = FULL, queries: Tensor | None = None
    ) -> Tensor:
        """[B, N, D] to [B, N, D], or to [B, 1, D] where only ``queries`` [B, 1, D] ask."""
        batch, tokens, width = states.shape
        if queries is not None:
            mixed = self._asked_by(queries, states, pattern)
        else:
            qkv = self.qkv(states).view(batch, tokens, 3, self.num_heads, width // self.num_heads)
            query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each [B, H, N, D / H]
            mixed = attend(query, key, value, pattern)
        return self.out(mixed.transpose(1, 2).flatten(2))

    def _asked_by(self, queries: Tensor, states: Tensor, pattern: AttentionPattern) -> Tensor:
        """[B, H, 1, D / H]: what one query of each sample [B, 1, D] reads from all states."""
        batch, tokens, width = states.shape
        qkv: nn.Module = self.qkv
        if not isinstance(qkv, FrozenLinear):
            query, weight, bias = queries[:, 0], self.qkv.weight, self.qkv.bias
            mixed = attend_once(query, states, weight, bias, self.num_heads, pattern.key_mask)
            return mixed.unflatten(1, (1, self.num_heads, -1)).transpose(1, 2)
        # packed for its kernel, so taken whole
        head = width // self.num_heads
        query = qkv(queries)[..., :width].unflatten(2, (self.num_heads, head)).transpose(1, 2)
        key_value = qkv(states)[..., width:].reshape(batch, tokens, 2, self.num_heads, head)
        key, value = key_value.permute(2, 0, 3, 1, 4)
        return attend(query, key, value, pattern)


class FeedForward(nn.Module):
    """Two linear layers with an activation between them; ``gelu`` is the exact one, by erf."""

    def __init__(self, width: int, hidden_width: int, activation: ActivationName = "gelu"):
        super().__init__()
        self.up = Linear(width, hidden_width)
        self.activation = make_activation(activation)
        self.down = Linear(hidden_width, width)

    def forward(self, states: Tensor) -> Tensor:
        """[B, N, D] to [B, N, D]."""
        up: nn.Module = self.up
        if isinstance(up, FrozenLinear) and isinstance(self.activation, nn.GELU):
            return self.down(up(states, gelu=self.activation.approximate))
        return self.down(self.activation(up(states)))


class TransformerBlock(nn.Module):
    """Attention and feed-forward, each with a residual connection and a LayerNorm.

    Args:
        width: D.
        num_heads: H.
        hidden_width: of the feed-forward layer.
        norm: ``pre`` normalises what goes into a sublayer, ``post`` the sum that comes out.
        norm_eps: of the LayerNorms.
        activation: of the feed-forward layer.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        hidden_width: int,
        *,
        norm: NormOrder = "pre",
        norm_eps: float = 1e-5,
        activation: ActivationName = "gelu",
    ):
        super().__init__()
        self.norm_order = norm
        self.attention_norm = nn.LayerNorm(width, eps=norm_eps)
        self.attention = SelfAttention(width, num_heads)
        self.feed_forward_norm = nn.LayerNorm(width, eps=norm_eps)
        self.feed_forward = FeedForward(width, hidden_width, activation)

    def forward(
        self, states: Tensor, pattern: AttentionPattern = FULL, only: Tensor | None = None
    ) -> Tensor:
        """[B, N, D] to [B, N, D], or to [B, 1, D] with ``only``.

        Args:
            states: [B, N, D].
            pattern: who may look at whom; with ``only`` no more than a mask of keys.
            only: [B] int64: the one token of each sample whose output is wanted: a last block
                before pooling needs no other, and does a fifth of the work.
        """
        if only is not None:
            return self._of_one_token(states, pattern, only)
        if self.norm_order == "pre":
            states = states + self.attention(self.attention_norm(states), pattern)
            return states + self.feed_forward(self.feed_forward_norm(states))
        states = self.attention_norm(states + self.attention(states, pattern))
        return self.feed_forward_norm(states + self.feed_forward(states))

    def _of_one_token(self, states: Tensor, pattern: AttentionPattern, only: Tensor) -> Tensor:
        samples = torch.arange(len(states), device=states.device)
        token = states[samples, only][:, None]  # [B, 1, D]
        if self.norm_order == "pre":
            normed = self.attention_norm(states)
            asking = normed[samples, only][:, None]
            token = token + self.attention(normed, pattern, asking)
            return token + self.feed_forward(self.feed_forward_norm(token))
        token = self.attention_norm(token + self.attention(states, pattern, token))
        return self.feed_forward_norm(token + self.feed_forward(token))


def init_transformer_weights(module: nn.Module, std: float = 0.02) -> None:
    """Normal weights of this deviation, zero biases, LayerNorms at one and zero, in place.

    Source: Devlin et al. 2018 (arXiv 1810.04805), appendix A.2, without truncation.
    """
    for part in module.modules():
        if isinstance(part, (nn.Linear, nn.Embedding)):
            nn.init.normal_(part.weight, std=std)
        elif isinstance(part, nn.LayerNorm):
            nn.init.ones_(part.weight)
        if isinstance(part, (nn.Linear, nn.LayerNorm)) and part.bias is not None:
            nn.init.zeros_(part.bias)
