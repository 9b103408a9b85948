"""Late fusion with learned weights: how much the answer of each modality counts.

Notable features:
- one weight per modality, the same for all samples: a softmax over those that the sample has, so
  that a missing one leaves its share to the others;
- equal weights, as at the start, are fusion ``late_average``.

Sources: the weighted sum of classifiers, Kuncheva 2004, "Combining pattern classifiers", section
5.2; as late fusion, Baltrušaitis et al. 2019 (arXiv 1705.09406), section 6.1.

Shape legend: B samples, A answers, M modalities.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from interlingua.fusion.fusion import Fusion, FusionConfig
from interlingua.fusion.own_vector import weighted_sum
from interlingua.fusion.presence import shares_of_there
from interlingua.tokens import Tokens


class LateWeighted(Fusion):
    """See the module's text."""

    decides = True

    class Config(FusionConfig):
        """Settings."""

        name: str = "late_weighted"

    def __init__(self, config: Config, widths: Mapping[str, int], answers: int):
        super().__init__(config, widths, answers)
        self.answers = self.own_answers(widths, answers)
        # one modality has nothing to be weighed against
        self.scores = nn.Parameter(torch.zeros(len(widths))) if len(widths) > 1 else None

    def forward(self, tokens: Mapping[str, Tokens]) -> Tokens:
        """See ``Fusion.forward``; ``pooled`` [B, A] are logits."""
        logits, there = self.answers(tokens)
        scores = there.new_zeros(1, dtype=torch.float32) if self.scores is None else self.scores
        shares = shares_of_there(scores.expand(there.shape), there)  # [B, M]
        return Tokens(pooled=weighted_sum(logits, shares))
