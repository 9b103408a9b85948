"""Plain numbers as tokens: one token for each column of a table, and blocks that relate them.

Notable features:
- a number times its column's vector plus its column's bias is its token; a missing number (NaN)
  has no token, so that nothing has to be invented for it;
- mean and deviation of the columns are settings: they come from the training rows, and a model
  that is loaded elsewhere reads its numbers in the same way;
- numbers far outside of what was seen are cut, so that one typing error can't drown the rest.

Shape legend: M rows, K columns (one token each), D width.

Source: Gorishniy et al. 2021 (FT-Transformer, arXiv 2106.11959), section 3.3: feature tokenizer
and blocks with the normalisation before. Here the first block keeps its first normalisation, and
tokens are averaged where the paper has a class token: what reads the answer is a fusion's matter.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn

from interlingua.nn.attention import AttentionPattern
from interlingua.nn.frozen_linear import freeze_linears
from interlingua.nn.transformer import TransformerBlock, init_transformer_weights
from interlingua.tokens import Tokens
from interlingua.towers.tower import Tower, ValuesPreprocess


class NumberColumns(Tower):
    """See the module's text; ``Tokens.pooled`` is the mean of a row's tokens, [M, D]."""

    preprocess: ValuesPreprocess

    class Config(Tower.Config):
        """Settings.

        Attributes:
            mean, std: [K] of the columns, over the training rows that have the number.
            limit: numbers further from the mean are cut there, in deviations.
            width: D.
            num_layers: blocks behind the tokens; 0 = the tokens alone.
            num_heads, hidden_width: of each block.
        """

        name: str = "number_columns"
        mean: tuple[float, ...] = Field(min_length=1)
        std: tuple[PositiveFloat, ...]
        limit: PositiveFloat = 10.0
        width: PositiveInt = 32
        num_layers: int = Field(default=0, ge=0)
        num_heads: PositiveInt = 4
        hidden_width: PositiveInt = 64

        @model_validator(mode="after")
        def _one_of_each(self) -> NumberColumns.Config:
            if len(self.mean) != len(self.std):
                raise ValueError(f"{len(self.mean)} means, but {len(self.std)} deviations")
            if not all(map(math.isfinite, (*self.mean, *self.std))):
                raise ValueError("a mean or a deviation is not a finite number")
            if self.num_layers and self.width % self.num_heads:
                raise ValueError(f"{self.num_heads} heads do not divide a width of {self.width}")
            return self

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.width = self.pooled_width = config.width
        columns = len(config.mean)
        self.preprocess = ValuesPreprocess(shape=(columns,))
        self.weight = nn.Parameter(torch.empty(columns, config.width))
        self.bias = nn.Parameter(torch.empty(columns, config.width))
        self.register_buffer("mean", torch.empty(columns))
        self.register_buffer("std", torch.empty(columns))
        self.blocks = nn.ModuleList(
            TransformerBlock(config.width, config.num_heads, config.hidden_width)
            for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(config.width) if config.num_layers else nn.Identity()

    def init_weights(self) -> None:
        """Random weights, uniform as in the paper's code; the columns' statistics as set."""
        bound = self.width**-0.5
        with torch.no_grad():
            self.weight.uniform_(-bound, bound)
            self.bias.uniform_(-bound, bound)
            self.get_buffer("mean").copy_(torch.tensor(self.config.mean))
            self.get_buffer("std").copy_(torch.tensor(self.config.std))
        init_transformer_weights(self.blocks)
        init_transformer_weights(self.norm)

    def forward(
        self, values: Tensor, mask: Tensor | None = None, layers: Sequence[int] = ()
    ) -> Tokens:
        """Encode rows of numbers.

        Args:
            values: [M, K] numbers as they stand in the table, NaN where one is missing.
            mask: [M, K] True = there; NaN is missing all the same.
            layers: numbers of blocks whose states are wanted too, 0 = before the first.

        Returns:
            ``states`` [M, K, D], zeros where a number is missing, ``mask`` [M, K], ``pooled``
            float32 [M, D].

        Raises:
            ValueError: another number of columns, or a layer that there is not.
        """
        self.check_layers(layers)
        if values.shape[1:] != self.preprocess.shape:
            raise ValueError(
                f"{tuple(values.shape[1:])} numbers in a row, not {self.preprocess.shape}"
            )
        there = ~values.isnan()
        there = there if mask is None else there & mask.bool()
        limit = self.config.limit
        scaled = (values.float() - self.get_buffer("mean")) / self.get_buffer("std")
        scaled = torch.where(there, scaled.clamp(-limit, limit), 0.0)  # [M, K]
        states = scaled[..., None] * self.weight + self.bias  # [M, K, D]
        kept = {0: states} if 0 in layers else {}
        pattern = AttentionPattern(key_mask=there)
        for number, block in enumerate(self.blocks, start=1):
            states = block(states, pattern)
            if number in layers:
                kept[number] = states
        states = self.norm(states).masked_fill(~there[..., None], 0.0)
        count = there.sum(1, keepdim=True).clamp(min=1)
        pooled = states.float().sum(1) / count
        return Tokens(states=states, mask=there, pooled=pooled, layers=kept or None)

    def for_inference(self, precision: torch.dtype) -> NumberColumns:
        """A copy for frozen use: the products in this precision, the rest in fp32."""
        return freeze_linears(copy.deepcopy(self).eval(), precision).requires_grad_(False)
