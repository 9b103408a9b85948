"""BERT, as the sentence encoder all-MiniLM-L6-v2 uses it.

Notable features:
- learned positions and segment embeddings, LayerNorm after each sublayer (post-norm);
- the sentence vector is the mean of the last states over real tokens, then of unit length
  (sentence-transformers), or the first token's state (``cls``);
- BERT's own pooler is not built: the sentence vector does not pass through it.

Shape legend: M texts, N tokens, D width.

Sources: Devlin et al. 2018 (arXiv 1810.04805), section 3; mean pooling, Reimers & Gurevych
2019 (arXiv 1908.10084), section 3; MiniLM, Wang et al. 2020 (arXiv 2002.10957).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from interlingua.nn.attention import FULL, AttentionPattern
from interlingua.nn.frozen_linear import freeze_linears
from interlingua.nn.transformer import TransformerBlock, init_transformer_weights
from interlingua.tokens import Tokens
from interlingua.towers.in_pieces import (
    TOKENS_AT_ONCE,
    encode_by_length,
    encode_in_pieces,
    may_go_by_length,
)
from interlingua.towers.tower import TextPreprocess, Tower


class Bert(Tower):
    """The text tower; ``Tokens.pooled`` is one vector per text, [M, D]."""

    layout: ClassVar[str] = "hf_bert"
    preprocess: TextPreprocess

    class Config(Tower.Config):
        """Settings of BERT; the defaults are all-MiniLM-L6-v2.

        Attributes:
            vocabulary: number of token ids.
            width, num_layers, num_heads, hidden_width: D, blocks, heads, feed-forward width.
            max_positions: the longest text in tokens that has a position.
            num_segments: of the segment embedding; only segment 0 is used.
            norm_eps: of the LayerNorms.
            pooling: ``mean`` over real tokens or the first token's state, ``cls``.
            unit_length: whether the pooled vector is scaled to length 1.
            tokenizer, max_tokens: of the preprocessing, see ``TextPreprocess``.
        """

        name: str = "bert"
        vocabulary: int = 30_522
        width: int = 384
        num_layers: int = 6
        num_heads: int = 12
        hidden_width: int = 1536
        max_positions: int = 512
        num_segments: int = 2
        norm_eps: float = 1e-12
        pooling: Literal["mean", "cls"] = "mean"
        unit_length: bool = True
        tokenizer: str = "minilm"
        max_tokens: int = 256

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.in_pieces = False
        self.width = self.pooled_width = config.width
        self.preprocess = TextPreprocess(
            tokenizer=config.tokenizer,
            max_tokens=min(config.max_tokens, config.max_positions),
            vocabulary=config.vocabulary,
        )
        self.token_embedding = nn.Embedding(config.vocabulary, config.width)
        self.position_embedding = nn.Embedding(config.max_positions, config.width)
        self.segment_embedding = nn.Embedding(config.num_segments, config.width)
        self.embedding_norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.blocks = nn.ModuleList(
            TransformerBlock(
                config.width,
                config.num_heads,
                config.hidden_width,
                norm="post",
                norm_eps=config.norm_eps,
            )
            for _ in range(config.num_layers)
        )

    def init_weights(self) -> None:
        """Random weights as in BERT."""
        init_transformer_weights(self)

    def forward(
        self, values: Tensor, mask: Tensor | None = None, layers: Sequence[int] = ()
    ) -> Tokens:
        """Encode texts.

        Args:
            values: [M, N] int64 token ids.
            mask: [M, N] True = real; all real where it is not given.
            layers: numbers of blocks whose states are wanted too, 0 = before the first.

        Returns:
            ``states`` [M, N, D], ``mask`` [M, N], ``pooled`` float32 [M, D].

        Raises:
            ValueError: more tokens than there are positions, or a layer that there is not.
        """
        self.check_layers(layers)
        num_tokens = values.shape[1]
        if num_tokens > self.config.max_positions:
            raise ValueError(f"{num_tokens} tokens, but {self.config.max_positions} positions")
        if self.in_pieces and mask is not None and may_go_by_length(values):
            numbers = torch.arange(1, num_tokens + 1)
            lengths = (mask.bool() * numbers).amax(1)  # [M]
            return encode_by_length(self._encode, values, mask.bool(), layers, lengths)
        at_once = max(1, TOKENS_AT_ONCE // max(1, num_tokens)) if self.in_pieces else 0
        return encode_in_pieces(self._encode, values, mask, layers, at_once)

    def _encode(self, values: Tensor, mask: Tensor | None, layers: Sequence[int]) -> Tokens:
        if mask is None:
            mask = torch.ones_like(values, dtype=torch.bool)
            pattern = FULL
        else:
            mask = mask.bool()
            pattern = AttentionPattern(key_mask=mask)
        positions = self.position_embedding.weight[: values.shape[1]]  # [N, D]
        embedded = self.token_embedding(values) + self.segment_embedding.weight[0] + positions
        states = self.embedding_norm(embedded)  # [M, N, D]
        kept = {0: states} if 0 in layers else {}
        for number, block in enumerate(self.blocks, start=1):
            states = block(states, pattern)
            if number in layers:
                kept[number] = states
        return Tokens(
            states=states, mask=mask, pooled=self._pool(states, mask), layers=kept or None
        )

    def _pool(self, states: Tensor, mask: Tensor) -> Tensor:
        if self.config.pooling == "cls":
            pooled = states[:, 0].float()
        else:
            weights = mask.float()[:, :, None]  # [M, N, 1]
            pooled = (states.float() * weights).sum(1) / weights.sum(1).clamp(min=1)  # [M, D]
        return functional.normalize(pooled, dim=-1) if self.config.unit_length else pooled

    def for_inference(self, precision: torch.dtype) -> Bert:
        """A copy for frozen use: the products in this precision, the rest in fp32."""
        frozen = freeze_linears(copy.deepcopy(self).eval(), precision)
        frozen.in_pieces = True
        return frozen
