"""Tensor fusion: every product of the numbers of all modalities, each vector with a 1 before it.

Notable features:
- the 1 keeps the products of fewer modalities, down to each alone; a modality that is missing is
  [1; 0], which leaves just the products of the others;
- cost grows with the *product* of the vectors' widths, so each modality is first brought to a
  small ``factor_width``; ``low_rank`` is the same joining without the tensor.

Source: Zadeh et al. 2017, "Tensor fusion network" (arXiv 1707.07250), section 4.2.

Shape legend: B samples, D width, F factor width, M modalities.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from interlingua.errors import ConfigError
from interlingua.fusion.fusion import Fusion, FusionConfig
from interlingua.fusion.own_vector import OwnVectors
from interlingua.tokens import Tokens

MAX_PRODUCTS = 1_000_000


class Factors(nn.Module):
    """The vectors [1; z] of each modality.

    Args:
        vectors: of each modality.
        width: D.
        factor_width: F.
    """

    def __init__(self, vectors: OwnVectors, width: int, factor_width: int):
        super().__init__()
        self.vectors = vectors
        self.narrow = nn.ModuleDict(
            {name: nn.Linear(width, factor_width) for name in vectors.streams}
        )
        for layer in self.narrow.values():  # numbers of the size of the 1 that they stand beside
            assert isinstance(layer, nn.Linear)
            nn.init.normal_(layer.weight, std=width**-0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, tokens: Mapping[str, Tokens]) -> list[Tensor]:
        """M of them, [B, 1 + F]; [1; 0] where a sample lacks the modality."""
        vectors, there = self.vectors(tokens)
        factors = []
        for number, (layer, vector) in enumerate(zip(self.narrow.values(), vectors, strict=True)):
            narrow = layer(vector).masked_fill(~there[:, number, None], 0.0)  # [B, F]
            factors.append(torch.cat([torch.ones_like(narrow[:, :1]), narrow], dim=1))
        return factors


class TensorFusion(Fusion):
    """See the module's text."""

    class Config(FusionConfig):
        """Settings.

        Attributes:
            factor_width: F.
        """

        knobs: ClassVar[tuple[str, ...]] = ("hidden_width", "factor_width")
        name: str = "tensor"
        factor_width: PositiveInt = 16

    def __init__(self, config: Config, widths: Mapping[str, int], answers: int):
        super().__init__(config, widths, answers)
        products = (1 + config.factor_width) ** len(widths)
        if products > MAX_PRODUCTS:
            raise ConfigError(
                f"The tensor of {len(widths)} modalities would have {products:,} numbers.",
                where=f"model.fusion.factor_width={config.factor_width}",
                next_step="Take a smaller factor_width, or fusion low_rank.",
            )
        self.factors = Factors(self.own_vectors(widths), config.width, config.factor_width)
        self.join = nn.Linear(products, config.width)

    def forward(self, tokens: Mapping[str, Tokens]) -> Tokens:
        """See ``Fusion.forward``."""
        first, *others = self.factors(tokens)
        products = first
        for factor in others:
            products = (products[:, :, None] * factor[:, None, :]).flatten(1)
        return Tokens(pooled=self.join(products))
