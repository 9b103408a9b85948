"""Low-rank tensor fusion: tensor fusion whose weights are a sum of few outer products.

Notable features:
- the tensor is never made: cost grows with the *sum* of the vectors' widths, times the rank;
- with a rank of the product of all widths but the largest it can be any tensor fusion, exactly.

Source: Liu et al. 2018, "Efficient low-rank multimodal fusion with modality-specific factors"
(arXiv 1806.00064), section 3.2; no extra weight per rank, which a factor can take in.

Shape legend: B samples, D width, F factor width, R rank, M modalities.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from interlingua.fusion.fusion import Fusion, FusionConfig
from interlingua.fusion.tensor import Factors
from interlingua.tokens import Tokens


class LowRank(Fusion):
    """See the module's text."""

    class Config(FusionConfig):
        """Settings.

        Attributes:
            factor_width: F.
            rank: R.
        """

        knobs: ClassVar[tuple[str, ...]] = ("hidden_width", "rank", "factor_width")
        name: str = "low_rank"
        factor_width: PositiveInt = 32
        rank: PositiveInt = 8

    def __init__(self, config: Config, widths: Mapping[str, int], answers: int):
        super().__init__(config, widths, answers)
        self.factors = Factors(self.own_vectors(widths), config.width, config.factor_width)
        shape = (config.rank, 1 + config.factor_width, config.width)
        # so that the sum over the rank of products of M has the size of one number
        std = shape[1] ** -0.5 * config.rank ** (-0.5 / len(widths))
        self.weights = nn.ParameterDict(
            {name: nn.Parameter(torch.randn(shape) * std) for name in widths}  # [R, 1 + F, D]
        )
        self.bias = nn.Parameter(torch.zeros(config.width))

    def forward(self, tokens: Mapping[str, Tokens]) -> Tokens:
        """See ``Fusion.forward``."""
        joined: Tensor | None = None
        for factor, weight in zip(self.factors(tokens), self.weights.values(), strict=True):
            part = torch.einsum("bf,rfd->brd", factor, weight)
            joined = part if joined is None else joined * part
        assert joined is not None
        return Tokens(pooled=joined.sum(1) + self.bias)
