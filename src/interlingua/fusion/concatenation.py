"""Fusion of features: the vectors of all modalities side by side, read by one hidden layer.

Notable features:
- the cheapest way in which modalities can meet at all: once, after each was pooled;
- a modality that is missing is a vector of zeros.

Sources: Ngiam et al. 2011, "Multimodal deep learning", ICML, section 3; as feature-based fusion,
Baltrušaitis et al. 2019 (arXiv 1705.09406), section 6.1. MultiBench (Liang et al. 2021,
arXiv 2107.07502, section 3.3) has it as ``Concat`` and calls it late fusion.

Shape legend: B samples, D width, M modalities.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from interlingua.fusion.fusion import Fusion, FusionConfig
from interlingua.fusion.perceptron import perceptron
from interlingua.tokens import Tokens


class Concatenation(Fusion):
    """See the module's text."""

    class Config(FusionConfig):
        """Settings; ``hidden_width`` is that of the joining layer too."""

        name: str = "concatenation"

    def __init__(self, config: Config, widths: Mapping[str, int], answers: int):
        super().__init__(config, widths, answers)
        self.vectors = self.own_vectors(widths)
        side_by_side = len(widths) * config.width
        self.join = perceptron(side_by_side, config.hidden_width, config.width, config.dropout)

    def forward(self, tokens: Mapping[str, Tokens]) -> Tokens:
        """See ``Fusion.forward``."""
        vectors, _ = self.vectors(tokens)
        return Tokens(pooled=self.join(torch.cat(vectors, dim=1)))
