"""Cross-attention: the states of one row ask those of another, their memory.

Notable features:
- a sample whose memory is all padding reads nothing: its states stay as they are, bit for bit;
- the block has its self-attention before (decoders, Q-Former), after (LXMERT) or not at all
  (MulT, Perceiver).

Shape legend: B batch, N asking states, K states of the memory, D width, E width of the memory, H
heads.

Sources: encoder-decoder attention, Vaswani et al. 2017 (arXiv 1706.03762), section 3.2.3; between
modalities, Lu et al. 2019 (ViLBERT, arXiv 1908.02265), section 2.2; Tan & Bansal 2019 (LXMERT,
arXiv 1908.07490), section 2.2; Tsai et al. 2019 (MulT, arXiv 1906.00295), section 3.1, which
normalises the memory as well.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from interlingua.nn.attention import FULL, AttentionPattern, attend
from interlingua.nn.linear import Linear
from interlingua.nn.transformer import ActivationName, FeedForward, SelfAttention

SelfAttentionPlace = Literal["before", "after", "none"]


class CrossAttention(nn.Module):
    """Multi-head attention whose keys and values come from another row.

    Args:
        width: D.
        num_heads: H, a divisor of D.
        memory_width: E; 0 = as wide as D.

    Raises:
        ValueError: ``num_heads`` does not divide ``width``.
    """

    def __init__(self, width: int, num_heads: int, memory_width: int = 0):
        super().__init__()
        if width % num_heads:
            raise ValueError(f"{num_heads} heads do not divide a width of {width}")
        self.num_heads = num_heads
        self.query = Linear(width, width)
        self.key_value = Linear(memory_width or width, 2 * width)
        self.out = Linear(width, width)

    def forward(self, states: Tensor, memory: Tensor, pattern: AttentionPattern = FULL) -> Tensor:
        """What the states read.

        Args:
            states: [B, N, D].
            memory: [B, K, E], finite in its padding too.
            pattern: which of the memory's states may be looked at.

        Returns:
            [B, N, D]; zeros in samples whose ``pattern.key_mask`` is all False.
        """
        heads = (self.num_heads, -1)
        query = self.query(states).unflatten(2, heads).transpose(1, 2)  # [B, H, N, D / H]
        key_value = self.key_value(memory).unflatten(2, (2, *heads))  # [B, K, 2, H, D / H]
        key, value = key_value.permute(2, 0, 3, 1, 4)  # each [B, H, K, D / H]
        read: Tensor = self.out(attend(query, key, value, pattern).transpose(1, 2).flatten(2))
        if pattern.key_mask is not None:  # else the bias of ``out`` would speak for nobody
            read = read.masked_fill(~pattern.key_mask.any(1)[:, None, None], 0.0)
        return read


class CrossAttentionBlock(nn.Module):
    """Cross-attention, self-attention and a feed-forward layer, each on a residual, norm first.

    Args:
        width: D.
        num_heads: H.
        hidden_width: of the feed-forward layer.
        memory_width: E; 0 = as wide as D.
        self_attention: ``before`` the cross-attention, ``after`` it, or ``none``.
        norm_eps: of the LayerNorms.
        activation: of the feed-forward layer.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        hidden_width: int,
        *,
        memory_width: int = 0,
        self_attention: SelfAttentionPlace = "before",
        norm_eps: float = 1e-5,
        activation: ActivationName = "gelu",
    ):
        super().__init__()
        self.place = self_attention
        self.cross_norm = nn.LayerNorm(width, eps=norm_eps)
        self.memory_norm = nn.LayerNorm(memory_width or width, eps=norm_eps)
        self.cross_attention = CrossAttention(width, num_heads, memory_width)
        if self_attention != "none":
            self.attention_norm = nn.LayerNorm(width, eps=norm_eps)
            self.attention = SelfAttention(width, num_heads)
        self.feed_forward_norm = nn.LayerNorm(width, eps=norm_eps)
        self.feed_forward = FeedForward(width, hidden_width, activation)

    def forward(
        self,
        states: Tensor,
        memory: Tensor,
        pattern: AttentionPattern = FULL,
        memory_pattern: AttentionPattern = FULL,
    ) -> Tensor:
        """[B, N, D] to [B, N, D].

        Args:
            states: [B, N, D].
            memory: [B, K, E], finite in its padding too.
            pattern: of the states among themselves.
            memory_pattern: of the states towards the memory.
        """
        if self.place == "before":
            states = states + self.attention(self.attention_norm(states), pattern)
        asking, memory = self.cross_norm(states), self.memory_norm(memory)
        states = states + self.cross_attention(asking, memory, memory_pattern)
        if self.place == "after":
            states = states + self.attention(self.attention_norm(states), pattern)
        return states + self.feed_forward(self.feed_forward_norm(states))
