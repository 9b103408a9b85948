"""The answer that each modality gives alone: what late fusions join.

Shape legend: B samples, D width of the fusion, A answers, M modalities.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from interlingua.fusion.own_vector import OwnVectors
from interlingua.tokens import Tokens


class OwnAnswers(nn.Module):
    """A linear layer behind the own vector of each modality.

    Args:
        vectors: of each modality.
        width: D.
        answers: A.
    """

    def __init__(self, vectors: OwnVectors, width: int, answers: int):
        super().__init__()
        self.vectors = vectors
        self.heads = nn.ModuleDict({name: nn.Linear(width, answers) for name in vectors.streams})

    def forward(self, tokens: Mapping[str, Tokens]) -> tuple[list[Tensor], Tensor]:
        """M logits [B, A], zeros where a sample lacks the modality, and who is there [B, M]."""
        vectors, there = self.vectors(tokens)
        logits = [
            head(vector).masked_fill(~there[:, number, None], 0.0)
            for number, (head, vector) in enumerate(zip(self.heads.values(), vectors, strict=True))
        ]
        return logits, there
