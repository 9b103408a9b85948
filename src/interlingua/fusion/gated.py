"""Gated fusion: every number of the joint vector is drawn from the modalities by learned gates.

Notable features:
- the gates are read from all modalities together, one for each modality and number; their softmax
  is over the modalities that the sample has. For two it is the tied gate of the paper, z and
  1 - z with z a sigmoid; for more the paper leaves sigmoids untied, where no gate knows what the
  others let through;
- a gate that is fully open for one modality gives that modality alone.

Source: Arevalo et al. 2017, "Gated multimodal units" (arXiv 1702.01992), section 3.

Shape legend: B samples, D width, M modalities.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from interlingua.fusion.fusion import Fusion, FusionConfig
from interlingua.fusion.own_vector import weighted_sum
from interlingua.fusion.presence import shares_of_there
from interlingua.tokens import Tokens


class Gated(Fusion):
    """See the module's text."""

    class Config(FusionConfig):
        """Settings."""

        name: str = "gated"

    def __init__(self, config: Config, widths: Mapping[str, int], answers: int):
        super().__init__(config, widths, answers)
        self.vectors = self.own_vectors(widths)
        self.candidates = nn.ModuleDict(
            {name: nn.Linear(config.width, config.width) for name in widths}
        )
        for layer in self.candidates.values():
            assert isinstance(layer, nn.Linear)
            nn.init.normal_(layer.weight, std=config.width**-0.5)
            nn.init.zeros_(layer.bias)
        self.gates: nn.Linear | None = None
        if len(widths) > 1:  # one modality has nothing to be gated against
            side_by_side = len(widths) * config.width
            self.gates = nn.Linear(side_by_side, side_by_side)
            # far enough from half open that what is let through depends on the sample at once
            nn.init.normal_(self.gates.weight, std=2 * side_by_side**-0.5)
            nn.init.zeros_(self.gates.bias)

    def forward(self, tokens: Mapping[str, Tokens]) -> Tokens:
        """See ``Fusion.forward``."""
        vectors, there = self.vectors(tokens)
        candidates = [
            layer(vector).tanh()
            for layer, vector in zip(self.candidates.values(), vectors, strict=True)
        ]
        return Tokens(pooled=weighted_sum(candidates, self.shares(vectors, there)))

    def shares(self, vectors: list[Tensor], there: Tensor) -> Tensor:
        """[B, M, D] how much of each number comes from each modality."""
        if self.gates is None:
            return there[..., None].float()  # [B, 1, 1]
        scores = self.gates(torch.cat(vectors, dim=1)).unflatten(1, (len(vectors), -1))
        return shares_of_there(scores, there)
