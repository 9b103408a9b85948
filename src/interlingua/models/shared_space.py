"""One space for any number of modalities: a tower each, a projection each, cosine between all.

Notable features:
- *views* (image, text, sound, speech) are served by *towers* (image, text, audio); several views
  may share one, and each tower has one head;
- towers are frozen by default: their pooled outputs can come from a cache
  (``Media.tokens``), then the towers are never even loaded;
- a vector has two parts, both of them unit vectors with a fixed share of the whole: a
  *learned* one from the tower's head, and a *named* one in the language tower's own space
  (texts as they are, pictures by what their classifier knows by name, sounds by what their head
  learns). Cosine of the whole is the weighted mean of the parts' cosines;
- one learned temperature, clamped.

Sources: Radford et al. 2021 (CLIP, arXiv:2103.00020) section 2.3; Girdhar et al. 2023
(ImageBind, arXiv:2305.05665) section 3; Zhai et al. 2022 (LiT, arXiv:2111.07991) for locked
towers; Norouzi et al. 2014 (ConSE, arXiv:1312.5650) for the named part.

Shape legend: M media of one view, P pooled width, L learned width, N named width, D = L + N.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional

from interlingua.batch import Batch, Media
from interlingua.config import Config, NamedConfig
from interlingua.errors import ConfigError
from interlingua.models.named_classes import NamedClasses
from interlingua.models.tower_use import TowerUse
from interlingua.models.views import SpaceOfViews


class HeadConfig(Config):
    """The projection of one tower.

    Attributes:
        hidden: width of a hidden layer; 0 = one linear layer.
        dropout: of the pooled features.
    """

    hidden: NonNegativeInt = 0
    dropout: float = Field(default=0.1, ge=0, le=1)


class HeadedTower(TowerUse):
    """A tower and its head; frozen by default.

    Attributes:
        head: its projection.
    """

    frozen: bool = True
    head: HeadConfig = HeadConfig()


@dataclass(slots=True)
class SharedSpaceOutputs:
    """What the model gives.

    Attributes:
        vectors: by view, [M, D] unit vectors.
        owner: by view, [M] the sample of each.
        scale: scalar, the inverse temperature.
    """

    vectors: dict[str, Tensor] = field(default_factory=dict)
    owner: dict[str, Tensor] = field(default_factory=dict)
    scale: Tensor = field(default_factory=lambda: torch.ones(()))


class SharedSpace(SpaceOfViews):
    """See the module's text."""

    class Config(NamedConfig):
        """Settings.

        Attributes:
            width: L of the learned part.
            towers: by name.
            views: view -> tower.
            named_classes: what gives pictures their named part; None = no named part at all.
            initial_scale, max_scale: of the inverse temperature.
        """

        folder: ClassVar[str] = "models"
        name: str = "shared_space"
        width: PositiveInt = 384
        towers: dict[str, HeadedTower]
        views: dict[str, str]
        named_classes: NamedClasses.Config | None = None
        initial_scale: float = Field(default=20.0, gt=0)
        max_scale: float = Field(default=100.0, gt=0)

        @model_validator(mode="after")
        def _views_have_towers(self) -> SharedSpace.Config:
            for view, tower in self.views.items():
                if tower not in self.towers:
                    raise ValueError(f"the view {view!r} names a tower {tower!r} that is not there")
            named = self.named_classes
            for tower in (named.picture_tower, named.text_tower) if named else ():
                if tower not in self.towers:
                    raise ValueError(f"named_classes names a tower {tower!r} that is not there")
                if not self.towers[tower].frozen:  # its classes and words would drift from it
                    raise ValueError(
                        f"named_classes needs the tower {tower!r} frozen: "
                        "freeze it, or set named_classes to null"
                    )
            return self

    def __init__(self, config: Config):
        super().__init__(config.towers, config.views, config.initial_scale, config.max_scale)
        self.config = config
        named = config.named_classes
        self.named_width = self.tower_shape(named.text_tower).pooled_width if named else 0
        self.named_classes = _named_classes(named, self) if named else None
        self.dimension = config.width + self.named_width
        self.heads = nn.ModuleDict(
            {
                name: _head(
                    self.tower_shape(name).pooled_width,
                    config.width + (self.named_width if self._learns_names(name) else 0),
                    use.head,
                )
                for name, use in config.towers.items()
            }
        )

    def forward(
        self, batch: Batch, needs: Collection[str] = frozenset({"vectors"})
    ) -> SharedSpaceOutputs:
        """The vectors of everything in the batch.

        Args:
            batch: ``media`` by view; cached tower outputs in ``tokens``, or ``values``.
            needs: only ``vectors`` is known.
        """
        outputs = SharedSpaceOutputs(scale=self.log_scale.exp())
        self.fill(outputs, batch)
        return outputs

    def embed_media(self, view: str, media: Media) -> Tensor:
        """[M, D] unit vectors of media of one view."""
        pooled = self.pooled(view, media)
        return self.project(self.tower_of(view), pooled)

    def project(self, tower: str, pooled: Tensor) -> Tensor:
        """Pooled tower outputs [M, P] to unit vectors [M, D], normalised in fp32."""
        projected = self.heads[tower](pooled.float()).float()  # [M, L] or [M, L + N]
        learned = functional.normalize(projected[:, : self.config.width], dim=1)
        named = self.config.named_classes
        if named is None or self.named_classes is None:
            return learned
        if tower == named.picture_tower:
            by_name = self.named_classes(pooled)
        elif tower == named.text_tower:
            by_name = functional.normalize(pooled.float(), dim=1)
        else:
            by_name = functional.normalize(projected[:, self.config.width :], dim=1)
        return torch.cat([learned * (1 - named.share) ** 0.5, by_name * named.share**0.5], dim=1)

    def for_inference(self, precision: torch.dtype) -> SharedSpace:
        """The same model with frozen towers folded and cast; heads stay in fp32."""
        self.frozen_towers.precision = precision
        return self.eval()

    def _learns_names(self, tower: str) -> bool:
        named = self.config.named_classes
        return named is not None and tower not in (named.picture_tower, named.text_tower)


def _head(pooled_width: int, width: int, config: HeadConfig) -> nn.Sequential:
    """LayerNorm first: towers differ in the length of what they give."""
    layers: list[nn.Module] = [nn.LayerNorm(pooled_width), nn.Dropout(config.dropout)]
    if config.hidden:
        layers += [nn.Linear(pooled_width, config.hidden), nn.GELU(), nn.Dropout(config.dropout)]
    layers.append(nn.Linear(config.hidden or pooled_width, width))
    return nn.Sequential(*layers)


def _named_classes(config: NamedClasses.Config, model: SharedSpace) -> NamedClasses:
    picture_tower = model.tower_shape(config.picture_tower)
    classifier = getattr(picture_tower, "classifier", None)
    if not isinstance(classifier, nn.Linear):
        raise ConfigError(
            f"The tower {config.picture_tower!r} has no classifier, so it knows nothing by name.",
            where="model.named_classes.picture_tower",
            next_step="Set model.named_classes=null, or take a supervised tower.",
        )
    if config.top_k > classifier.out_features:
        raise ConfigError(
            f"The tower {config.picture_tower!r} knows {classifier.out_features} classes only.",
            where=f"model.named_classes.top_k={config.top_k}",
        )
    return NamedClasses(
        picture_tower.pooled_width, classifier.out_features, model.named_width, config.top_k
    )
