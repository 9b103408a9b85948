"""Two towers, one space: CLIP, ALIGN, SigLIP, LiT and the classic CNN + GRU are this model.

Notable features:
- which towers, how each is projected, what is frozen: all of it is settings, nothing is
  subclassed per name;
- an unfrozen tower is part of the checkpoint; a frozen one (LiT's locked image tower) stands
  outside of it, and its pooled outputs can come from a cache;
- one learned inverse temperature, clamped, and for the sigmoid loss one learned bias;
- small-to-large resolution and patch dropout are settings of a training stage
  (``enter_stage``), not of the weights.

Sources: Radford et al. 2021 (CLIP, arXiv:2103.00020) section 2.3; Jia et al. 2021 (ALIGN,
arXiv:2102.05918) section 4; Zhai et al. 2022 (LiT, arXiv:2111.07991) section 3; Zhai et al.
2023 (SigLIP, arXiv:2303.15343) section 3; Li et al. 2023 (FLIP, arXiv:2212.00794) and (RECLIP,
arXiv:2304.06028) for the cheap stages; Faghri et al. 2018 (VSE++, arXiv:1707.05612) for GRU text.

Shape legend: M media of one view, P pooled width, D width of the space.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional

from interlingua.batch import Batch, Media
from interlingua.config import NamedConfig
from interlingua.errors import ConfigError
from interlingua.models.stage_settings import enter_stage
from interlingua.models.tower_use import TowerUse
from interlingua.models.views import SpaceOfViews


class ProjectedTower(TowerUse):
    """A tower and its way into the space.

    Attributes:
        projection: ``linear`` as in CLIP; ``none`` where the tower's pooled vector is in the space
            already; ``mlp`` with one hidden layer of the pooled width.
        bias: of the linear projection.
        dropout: of the pooled vector before it.
    """

    projection: Literal["linear", "none", "mlp"] = "linear"
    bias: bool = False
    dropout: float = Field(default=0.0, ge=0, lt=1)


@dataclass(slots=True)
class DualEncoderOutputs:
    """What the model gives.

    Attributes:
        vectors: by view, [M, D] unit vectors.
        owner: by view, [M] the sample of each.
        scale: scalar, the inverse temperature.
        bias: scalar of the sigmoid loss, or None.
    """

    vectors: dict[str, Tensor] = field(default_factory=dict)
    owner: dict[str, Tensor] = field(default_factory=dict)
    scale: Tensor = field(default_factory=lambda: torch.ones(()))
    bias: Tensor | None = None


class DualEncoder(SpaceOfViews):
    """See the module's text."""

    class Config(NamedConfig):
        """Settings.

        Attributes:
            width: D.
            towers: two of them, by name.
            views: view -> tower.
            initial_scale, max_scale: of the inverse temperature.
            initial_bias: of the logits, for the sigmoid loss; None = no bias.
        """

        folder: ClassVar[str] = "models"
        name: str = "dual_encoder"
        width: PositiveInt = 512
        towers: dict[str, ProjectedTower]
        views: dict[str, str] = Field(default_factory=lambda: {"image": "image", "text": "text"})
        initial_scale: float = Field(default=1 / 0.07, gt=0)
        max_scale: float = Field(default=100.0, gt=0)
        initial_bias: float | None = None

        @model_validator(mode="after")
        def _two_towers_for_the_views(self) -> DualEncoder.Config:
            if len(self.towers) != 2:
                raise ValueError(f"a dual encoder has two towers, not {len(self.towers)}")
            if set(self.views.values()) != set(self.towers):
                raise ValueError(
                    f"the views name the towers {sorted(set(self.views.values()))}, "
                    f"the towers are {sorted(self.towers)}"
                )
            return self

    def __init__(self, config: Config):
        super().__init__(config.towers, config.views, config.initial_scale, config.max_scale)
        self.config = config
        self.dimension = config.width
        for tower in self.towers.values():
            tower.pooled_only = True  # type: ignore[assignment]
        self.projections = nn.ModuleDict(
            {
                name: _projection(name, self.tower_shape(name).pooled_width, config.width, use)
                for name, use in config.towers.items()
            }
        )
        self.bias: nn.Parameter | None = None
        if config.initial_bias is not None:
            self.bias = nn.Parameter(torch.tensor(float(config.initial_bias)))

    def forward(
        self, batch: Batch, needs: Collection[str] = frozenset({"vectors"})
    ) -> DualEncoderOutputs:
        """The vectors of everything in the batch.

        Args:
            batch: ``media`` by view; cached tower outputs in ``tokens``, or ``values``.
            needs: only ``vectors`` is known.
        """
        # A copy: DDP can't find the use of a parameter that is an output itself.
        bias = None if self.bias is None else self.bias.clone()
        outputs = DualEncoderOutputs(scale=self.log_scale.exp(), bias=bias)
        self.fill(outputs, batch)
        return outputs

    def embed_media(self, view: str, media: Media) -> Tensor:
        """[M, D] unit vectors of media of one view, normalised in fp32."""
        pooled = self.pooled(view, media)
        projection = self.projections[self.tower_of(view)]
        return functional.normalize(projection(pooled).float(), dim=1)

    def enter_stage(self, settings: Mapping[str, Any]) -> None:
        """Take the settings of a training stage, given by tower and then by name.

        ``{"image": {"image_size": 112, "patch_dropout": 0.5}}`` trains on small pictures and half
        of their patches; an empty mapping puts everything back to what the weights were made for.

        Raises:
            ConfigError: a tower that is not trained here, or that has no such setting.
        """
        enter_stage(dict(self.towers.items()), settings)

    def for_inference(self, precision: torch.dtype) -> DualEncoder:
        """A model for embedding: towers folded and cast, projections in fp32."""
        self.frozen_towers.precision = precision
        for name, tower in self.towers.items():
            optimise = getattr(tower, "for_inference", None)
            self.towers[name] = (optimise(precision) if optimise else tower).eval()
        return self.eval()


def _projection(name: str, pooled_width: int, width: int, use: ProjectedTower) -> nn.Module:
    if use.projection == "none":
        if pooled_width != width:
            raise ConfigError(
                f"The tower {name!r} gives {pooled_width} numbers, the space has {width}.",
                where=f"model.towers.{name}.projection",
                next_step="Set projection=linear, or the model's width to the tower's.",
            )
        return nn.Dropout(use.dropout) if use.dropout else nn.Identity()
    layers: list[nn.Module] = [nn.Dropout(use.dropout)] if use.dropout else []
    if use.projection == "mlp":
        layers += [nn.Linear(pooled_width, pooled_width), nn.GELU()]
    last = nn.Linear(pooled_width, width, bias=use.bias or use.projection == "mlp")
    nn.init.normal_(last.weight, std=pooled_width**-0.5)  # CLIP's own
    if last.bias is not None:
        nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last) if layers else last
