"""What every model of one tower has: the tower where a dual encoder has it, and its vectors.

A tower that learned alone is named as in ``dual_encoder`` (``towers.image.*``), so that
``weights export RUN --part towers.image`` gives weights that the same settings load there.

Shape legend: M media, P pooled width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional

from interlingua.batch import Batch, Media
from interlingua.config import NamedConfig
from interlingua.errors import DataError
from interlingua.models.frozen_towers import FrozenTowers
from interlingua.models.stage_settings import enter_stage
from interlingua.models.tower_use import TowerUse
from interlingua.tokens import Tokens
from interlingua.towers.tower import Preprocess, Tower


class TowerAloneConfig(NamedConfig):
    """Settings of a model of one tower.

    Attributes:
        towers: one, by name; it is trained.
        views: the one view that goes through it.
    """

    folder: ClassVar[str] = "models"
    towers: dict[str, TowerUse]
    views: dict[str, str]

    @model_validator(mode="after")
    def _one_tower_for_one_view(self) -> TowerAloneConfig:
        if len(self.towers) != 1 or len(self.views) != 1:
            raise ValueError(
                f"it has one tower and one view, not {len(self.towers)} and {len(self.views)}"
            )
        (view, tower), (name, use) = next(iter(self.views.items())), next(iter(self.towers.items()))
        if tower != name:
            raise ValueError(f"the view {view!r} has a tower {tower!r} that is not there")
        if use.frozen:
            raise ValueError("a frozen tower learns nothing; set frozen=false")
        return self


class TowerAlone(nn.Module):
    """The tower, what the data side must do for it, and its own vectors for looking at.

    Attributes:
        view: that it takes.
        views, dimension: as every ``EmbeddingModel`` has them.
    """

    def __init__(self, config: TowerAloneConfig):
        super().__init__()
        self.config = config
        (self.view, self._name), *_ = config.views.items()
        self.views = (self.view,)
        self.towers = nn.ModuleDict({self._name: config.towers[self._name].build()})
        self.frozen_towers = FrozenTowers({})
        self.dimension = self.tower.pooled_width

    @property
    def tower(self) -> Tower:
        """The tower."""
        return self.towers[self._name]  # type: ignore[return-value]

    def tower_shape(self, tower: str) -> Tower:
        """The tower by its name."""
        return self.towers[tower]  # type: ignore[return-value]

    def preprocess(self, view: str) -> Preprocess:
        """What the data side must do for the view, in the present stage."""
        self._check(view)
        return self.tower.preprocess

    def pooled_width(self, view: str) -> int:
        """P."""
        self._check(view)
        return self.tower.pooled_width

    def pooled(self, view: str, media: Media) -> Tensor:
        """[M, P] what the tower gives."""
        self._check(view)
        pooled = self.encode(media).pooled
        if pooled is None:
            raise DataError(f"The tower {self._name!r} gives no pooled vectors.")
        return pooled

    def embed_media(self, view: str, media: Media) -> Tensor:
        """[M, P] the tower's pooled vectors at unit length; nothing lies beside them yet."""
        return functional.normalize(self.pooled(view, media).float(), dim=1)

    def encode(self, media: Media) -> Tokens:
        """The tower's output."""
        if media.values is None:
            raise DataError(f"The batch has no values for {self._name!r}.")
        tokens: Tokens = self.tower(media.values, media.mask)
        return tokens

    def media_of(self, batch: Batch) -> Media | None:
        """What the batch has for the tower; None where it has nothing that can be read.

        Values of no row at all go through the tower: in many processes each has to run it.
        """
        media = batch.media.get(self.view)
        return media if media is not None and media.values is not None else None

    def enter_stage(self, settings: Mapping[str, Any]) -> None:
        """Take the settings of a training stage by tower, as ``DualEncoder.enter_stage``.

        Raises:
            ConfigError: another tower, or a tower that has no such setting.
        """
        enter_stage(dict(self.towers.items()), settings)

    def for_inference(self, precision: torch.dtype) -> TowerAlone:
        """A model for embedding: the tower folded and cast."""
        optimise = getattr(self.tower, "for_inference", None)
        if optimise is not None:
            self.towers[self._name] = optimise(precision)
        return self.eval()

    def _check(self, view: str) -> None:
        if view != self.view:
            raise DataError(
                f"The model has no tower for {view!r}.", next_step=f"It takes {self.view}."
            )
