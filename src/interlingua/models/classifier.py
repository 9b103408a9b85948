"""A tower and a linear layer that tells classes apart: how towers learned before captions.

Notable features:
- classes have names; a sample is of the class of its label, or of its group;
- samples of no class may be in the batch: the objective passes them over;
- the tower keeps its name, so that a dual encoder can go on with it (ALIGN's and LiT's picture
  towers began like this).

Sources: Deng et al. 2009 (ImageNet), Krizhevsky et al. 2012 (AlexNet), section 3; as the first
step of a two-tower model, Zhai et al. 2022 (LiT, arXiv 2111.07991), section 3.

Shape legend: M media, C classes, P pooled width.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from interlingua.batch import Batch
from interlingua.models.tower_alone import TowerAlone, TowerAloneConfig


def checked_classes(classes: tuple[str, ...]) -> tuple[str, ...]:
    """The names as they are.

    Raises:
        ValueError: fewer than two, one without a name, or two alike.
    """
    if len(classes) < 2:
        raise ValueError(f"nothing can be told apart with {len(classes)} classes; give two")
    if not all(name.strip() for name in classes):
        raise ValueError("a class has no name")
    if len(set(classes)) != len(classes):
        twice = next(name for name in classes if classes.count(name) > 1)
        raise ValueError(f"the class {twice!r} is named twice")
    return classes


@dataclass(slots=True)
class ClassifierOutputs:
    """What the model gives.

    Attributes:
        logits: [M, C].
        logit_owner: [M] the sample of each.
    """

    logits: Tensor
    logit_owner: Tensor


class Classifier(TowerAlone):
    """See the module's text."""

    class Config(TowerAloneConfig):
        """Settings.

        Attributes:
            classes: their names; of a group ``animals/birds/cartoon`` the classes ``animals``
                and ``animals/birds`` are both true, the narrower one counts.
            dropout: of the pooled vector.
        """

        name: str = "classifier"
        views: dict[str, str] = Field(default_factory=lambda: {"image": "image"})
        classes: tuple[str, ...]
        dropout: float = Field(default=0.0, ge=0, lt=1)

        @field_validator("classes")
        @classmethod
        def _named_and_different(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
            return checked_classes(classes)

    config: Config

    def __init__(self, config: Config):
        super().__init__(config)
        self.tower.pooled_only = True
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(self.tower.pooled_width, len(config.classes))
        nn.init.zeros_(self.head.weight)  # every class equally likely at first
        nn.init.zeros_(self.head.bias)

    def forward(
        self, batch: Batch, needs: Collection[str] = frozenset({"logits"})
    ) -> ClassifierOutputs:
        """The logits of everything in the batch that can be read.

        Args:
            batch: ``media`` by view.
            needs: only ``logits`` is known.
        """
        media = self.media_of(batch)
        if media is None:  # nothing readable: no row, and still differentiable
            weight = self.head.weight
            empty = torch.zeros(0, dtype=torch.int64, device=weight.device)
            return ClassifierOutputs(self.head(weight.new_zeros(0, weight.shape[1])), empty)
        return ClassifierOutputs(self.classify(self.pooled(self.view, media)), media.owner)

    def classify(self, pooled: Tensor) -> Tensor:
        """[M, P] to [M, C] logits."""
        logits: Tensor = self.head(self.dropout(pooled))
        return logits
