"""The text transformers of CLIP and SigLIP, as settings of one class.

Notable features:
- learned positions, LayerNorm before each sublayer and after the last;
- CLIP: causal, pooled at the first end token. What comes after the end can't change it, so the
  ids are cut behind the batch's last end token; with titles of ten words that is most of the 77;
- SigLIP: every token sees every other, padding included, as it was trained on padding; pooled at
  the last position;
- with ``pooled_only`` the last block makes the pooled token's state alone, the same numbers.

Shape legend: M texts, N tokens, D width.

Sources: CLIP, Radford et al. 2021 (arXiv 2103.00020), section 2.4; SigLIP, Zhai et al. 2023
(arXiv 2303.15343), section 3, and the released code of big_vision.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import PositiveInt, model_validator
from torch import Tensor, nn

from interlingua.nn.attention import FULL, AttentionPattern
from interlingua.nn.frozen_linear import freeze_linears
from interlingua.nn.scaled_init import init_blocks
from interlingua.nn.transformer import (
    ActivationName,
    TransformerBlock,
    init_transformer_weights,
)
from interlingua.tokens import Tokens
from interlingua.towers.in_pieces import (
    TOKENS_AT_ONCE,
    encode_by_length,
    encode_in_pieces,
    may_go_by_length,
)
from interlingua.towers.tower import TextPreprocess, Tower


class TextTransformer(Tower):
    """The text tower; ``Tokens.pooled`` is one vector per text, [M, D].

    Attributes:
        pooled_only: ``Tokens.states`` is not wanted, so the last block need not make it.
    """

    layout: ClassVar[str] = "hf_clip"
    preprocess: TextPreprocess

    class Config(Tower.Config):
        """Settings of the text transformer; the defaults are CLIP's ViT-B/32.

        Attributes:
            vocabulary: number of token ids.
            width, num_layers, num_heads, hidden_width: D, blocks, heads, feed-forward width.
            max_positions: the longest text in tokens that has a position.
            activation: of the feed-forward layers.
            causal: a token sees only what comes before it.
            pooling: the state at the first ``end`` token (at the last real token of a text that
                has none), at the ``last`` real position, or the ``mean`` over real tokens.
            end_id: the end token, for ``pooling="end"``.
            norm_eps: of the LayerNorms.
            tokenizer, max_tokens, clean: of the preprocessing, see ``TextPreprocess``.
            pad_to_max: pad every text to ``max_tokens``; padding then counts as text, for
                attention and pooling both, as SigLIP was trained.
        """

        name: str = "text_transformer"
        vocabulary: PositiveInt = 49_408
        width: PositiveInt = 512
        num_layers: PositiveInt = 12
        num_heads: PositiveInt = 8
        hidden_width: PositiveInt = 2048
        max_positions: PositiveInt = 77
        activation: ActivationName = "quick_gelu"
        causal: bool = True
        pooling: Literal["end", "last", "mean"] = "end"
        end_id: int = 49_407
        norm_eps: float = 1e-5
        tokenizer: str = ""
        max_tokens: PositiveInt = 77
        pad_to_max: bool = False
        clean: Literal["none", "clip", "siglip", "lower"] = "clip"

        @model_validator(mode="after")
        def _settings_fit(self) -> TextTransformer.Config:
            if self.pooling == "end" and not 0 <= self.end_id < self.vocabulary:
                raise ValueError(f"end_id {self.end_id} is not in 0 to {self.vocabulary - 1}")
            if self.width % self.num_heads:
                raise ValueError(f"{self.num_heads} heads do not divide a width of {self.width}")
            return self

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.in_pieces = self.pooled_only = False
        self.width = self.pooled_width = config.width
        self.preprocess = TextPreprocess(
            tokenizer=config.tokenizer,
            max_tokens=min(config.max_tokens, config.max_positions),
            pad_to_max=config.pad_to_max,
            clean=config.clean,
            vocabulary=config.vocabulary,
            end_id=config.end_id if config.pooling == "end" else -1,
        )
        self.token_embedding = nn.Embedding(config.vocabulary, config.width)
        self.position_embedding = nn.Parameter(torch.empty(config.max_positions, config.width))
        self.blocks = nn.ModuleList(
            TransformerBlock(
                config.width,
                config.num_heads,
                config.hidden_width,
                norm_eps=config.norm_eps,
                activation=config.activation,
            )
            for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(config.width, eps=config.norm_eps)

    def init_weights(self) -> None:
        """Random weights as in CLIP."""
        init_transformer_weights(self)
        init_blocks(self.blocks)
        nn.init.normal_(self.position_embedding, std=0.01)

    def forward(
        self, values: Tensor, mask: Tensor | None = None, layers: Sequence[int] = ()
    ) -> Tokens:
        """Encode texts.

        Args:
            values: [M, N] int64 token ids.
            mask: [M, N] True = real; without it all are real, with ``pooling="end"`` those up
                to the first end token.
            layers: numbers of blocks whose states are wanted too, 0 = before the first.

        Returns:
            ``states`` [M, N, D] (None under ``pooled_only``) and ``mask`` [M, N], both cut
            behind the batch's last end token where the tower is causal and pools there;
            ``pooled`` float32 [M, D].

        Raises:
            ValueError: more tokens than there are positions, or a layer that there is not.
        """
        self.check_layers(layers)
        values, mask = self._cut(values, mask)
        num_tokens = values.shape[1]
        if num_tokens > self.config.max_positions:
            raise ValueError(f"{num_tokens} tokens, but {self.config.max_positions} positions")
        by_length = self.pooled_only and not layers and may_go_by_length(values)
        if self.in_pieces and by_length and self._may_cut(values):
            return self._encode_by_length(values, mask)
        at_once = max(1, TOKENS_AT_ONCE // max(1, num_tokens)) if self.in_pieces else 0
        return encode_in_pieces(self._encode, values, mask, layers, at_once)

    def _encode_by_length(self, values: Tensor, mask: Tensor | None) -> Tokens:
        """Texts of about one length together, so that each piece is cut behind its own end."""
        ends = self._ends(values, mask)
        if mask is None:
            mask = torch.arange(values.shape[1]) <= ends[:, None]

        def encode(ids: Tensor, mask: Tensor | None, layers: Sequence[int]) -> Tokens:
            return Tokens(pooled=self._encode(ids, mask, layers).pooled)

        pooled = encode_by_length(encode, values, mask.bool(), (), ends + 1).pooled
        return Tokens(pooled=pooled)

    def _cut(self, ids: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Ids and mask up to the last end token of these texts, where that changes nothing."""
        if not self._may_cut(ids):
            return ids, mask
        length = int(self._ends(ids, mask).max()) + 1
        return ids[:, :length], None if mask is None else mask[:, :length]

    def _may_cut(self, values: Tensor) -> bool:
        """The cut is exact only here; off the CPU asking for the length would stop the device."""
        exact = self.config.causal and self.config.pooling == "end"
        at_hand = values.device.type == "cpu" and not torch.compiler.is_compiling()
        return exact and at_hand and values.numel() > 0

    def _ends(self, ids: Tensor, mask: Tensor | None) -> Tensor:
        """[M], the position whose state is pooled."""
        last = torch.full_like(ids[:, 0], ids.shape[1] - 1)  # [M]
        if mask is not None and not self.config.pad_to_max:
            numbers = torch.arange(ids.shape[1], device=ids.device)
            last = (mask.bool() * numbers).amax(1)
        if self.config.pooling != "end":
            return last
        is_end = ids == self.config.end_id  # [M, N]
        return torch.where(is_end.any(1), is_end.int().argmax(1), last)

    def _encode(self, values: Tensor, mask: Tensor | None, layers: Sequence[int]) -> Tokens:
        ends = self._ends(values, mask)
        real = self._real(values, mask, ends)
        pattern = self._pattern(real, mask is not None)
        states = self.token_embedding(values) + self.position_embedding[: values.shape[1]]
        kept = {0: states} if 0 in layers else {}
        last = len(self.blocks)
        alone = self.pooled_only and self.config.pooling != "mean" and last not in layers
        for number, block in enumerate(self.blocks, start=1):
            if alone and number == last:
                seen = self._seen_by(ends, real, pattern)
                pooled = self.norm(block(states, seen, only=ends)[:, 0])  # [M, D]
                return Tokens(mask=real, pooled=pooled.float(), layers=kept or None)
            states = block(states, pattern)
            if number in layers:
                kept[number] = states
        states = self.norm(states)
        return Tokens(
            states=None if self.pooled_only else states,
            mask=real,
            pooled=self._pool(states, real, ends),
            layers=kept or None,
        )

    def _real(self, ids: Tensor, mask: Tensor | None, ends: Tensor) -> Tensor:
        if mask is not None:
            return mask.bool()
        if self.config.pooling == "end":
            return torch.arange(ids.shape[1], device=ids.device) <= ends[:, None]
        return torch.ones_like(ids, dtype=torch.bool)

    def _pattern(self, real: Tensor, is_masked: bool) -> AttentionPattern:
        if self.config.causal:
            # padding comes after what is real, so nothing real sees it: no mask, a quicker kernel
            return AttentionPattern(causal=True)
        return FULL if self.config.pad_to_max or not is_masked else AttentionPattern(key_mask=real)

    def _seen_by(self, ends: Tensor, real: Tensor, pattern: AttentionPattern) -> AttentionPattern:
        """What the pooled token may look at."""
        if not pattern.causal:
            return pattern
        before = torch.arange(real.shape[1], device=real.device) <= ends[:, None]  # [M, N]
        return AttentionPattern(key_mask=before)

    def _pool(self, states: Tensor, real: Tensor, ends: Tensor) -> Tensor:
        if self.config.pooling == "mean":
            weights = torch.ones_like(real) if self.config.pad_to_max else real
            weights = weights.float()[:, :, None]  # [M, N, 1]
            return (states.float() * weights).sum(1) / weights.sum(1).clamp(min=1)
        rows = torch.arange(states.shape[0], device=states.device)
        return states[rows, ends].float()

    def for_inference(self, precision: torch.dtype) -> TextTransformer:
        """A copy for frozen use: the products in this precision, the rest in fp32."""
        frozen = freeze_linears(copy.deepcopy(self).eval(), precision)
        frozen.in_pieces = True
        return frozen
