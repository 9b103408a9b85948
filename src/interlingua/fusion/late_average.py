"""Late fusion by averaging: each modality answers alone, the answers' logits are averaged.

Notable features:
- modalities meet nowhere but in the mean: what only their *combination* tells can't be said;
- a sample's mean is over the modalities that it has;
- with one modality it is that modality alone: the single-modality baseline is this fusion.

Sources: Kittler et al. 1998, "On combining classifiers", IEEE PAMI 20(3), section 3 (the sum
rule); as late fusion, Baltrušaitis et al. 2019 (arXiv 1705.09406), section 6.1.

Shape legend: B samples, A answers.
"""

from __future__ import annotations

from collections.abc import Mapping

from interlingua.fusion.fusion import Fusion, FusionConfig
from interlingua.fusion.own_vector import mean_of_there
from interlingua.tokens import Tokens


class LateAverage(Fusion):
    """See the module's text."""

    decides = True

    class Config(FusionConfig):
        """Settings."""

        name: str = "late_average"

    def __init__(self, config: Config, widths: Mapping[str, int], answers: int):
        super().__init__(config, widths, answers)
        self.answers = self.own_answers(widths, answers)

    def forward(self, tokens: Mapping[str, Tokens]) -> Tokens:
        """See ``Fusion.forward``; ``pooled`` [B, A] are logits."""
        logits, there = self.answers(tokens)
        return Tokens(pooled=mean_of_there(logits, there))
