"""Late fusion by a learned rule: a small network reads the logits that each modality gives alone.

Notable features:
- what is joined are *decisions*, as the literature has late fusion; what is called late fusion
  where pooled features are joined is fusion ``concatenation``;
- the rule may be any function of the answers, but sees of each modality only what it answered:
  with A answers that is A numbers;
- a modality that is missing answers zeros: it prefers nothing.

Sources: Wolpert 1992, "Stacked generalization", Neural Networks 5(2); learned late fusion,
Baltrušaitis et al. 2019 (arXiv 1705.09406), section 6.1.

Shape legend: B samples, A answers, M modalities.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from interlingua.fusion.fusion import Fusion, FusionConfig
from interlingua.fusion.perceptron import perceptron
from interlingua.tokens import Tokens


class LateMLP(Fusion):
    """See the module's text."""

    decides = True

    class Config(FusionConfig):
        """Settings; ``hidden_width`` is that of the rule's hidden layer too."""

        name: str = "late_mlp"

    def __init__(self, config: Config, widths: Mapping[str, int], answers: int):
        super().__init__(config, widths, answers)
        self.answers = self.own_answers(widths, answers)
        self.rule = perceptron(len(widths) * answers, config.hidden_width, answers, config.dropout)

    def forward(self, tokens: Mapping[str, Tokens]) -> Tokens:
        """See ``Fusion.forward``; ``pooled`` [B, A] are logits."""
        logits, _ = self.answers(tokens)
        return Tokens(pooled=self.rule(torch.cat(logits, dim=1)))
