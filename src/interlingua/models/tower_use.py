"""A tower in a model: which one, where its weights come from, whether it is trained."""

from __future__ import annotations

from typing import Annotated

from pydantic import SerializeAsAny, model_validator

from interlingua.config import Config, part_of
from interlingua.towers.pretrained import build_tower, load_weights
from interlingua.towers.tower import Tower


class TowerUse(Config):
    """A tower in a model.

    Attributes:
        tower: from ``interlingua.towers``.
        weights: a weights entry or path; empty = random weights, to be trained.
        frozen: kept outside of checkpoints, its outputs cached.
    """

    tower: Annotated[SerializeAsAny[Tower.Config], part_of("towers")]
    weights: str = ""
    frozen: bool = False

    @model_validator(mode="after")
    def _frozen_needs_weights(self) -> TowerUse:
        if self.frozen and not self.weights:
            raise ValueError("a frozen tower needs weights")
        return self

    def build(self) -> Tower:
        """The tower, with its weights or random ones, on the CPU."""
        return load_weights(self.tower, self.weights) if self.weights else build_tower(self.tower)
