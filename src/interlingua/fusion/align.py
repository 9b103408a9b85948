"""Align, then fuse: a contrastive loss brings the modalities together before another fusion.

Notable features:
- the own stream of each modality gives a unit vector, for a contrastive loss beside the answer,
  and its tokens, which the ``inner`` fusion joins as it would those of the towers;
- one learned inverse temperature, clamped after each update;
- where only the answer is trained, this is the inner fusion with longer own streams.

Source: Li et al. 2021, "Align before fuse" (ALBEF, arXiv 2107.07651), sections 3.1 and 3.2,
without its momentum model. The inner fusion is its multimodal encoder: cross-attention.

Shape legend: B samples, M vectors, D width, V width of the vectors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field, PositiveInt, SerializeAsAny, model_validator
from torch import nn
from torch.nn import functional

from interlingua.config import part_of
from interlingua.fusion.cross_attention import CrossAttentionFusion
from interlingua.fusion.fusion import Fusion, FusionConfig
from interlingua.fusion.own_vector import Pool
from interlingua.tokens import Tokens


class AlignThenFuse(Fusion):
    """See the module's text."""

    aligns: ClassVar[bool] = True

    class Config(FusionConfig):
        """Settings; ``num_layers`` are those of the own streams, ``inner`` has its own.

        Attributes:
            inner: the fusion behind the alignment, from ``interlingua.fusion``.
            vector_width: V.
            alignment_weight: of the contrastive loss beside that of the answer, for whoever puts
                the objectives together.
            initial_scale, max_scale: of the inverse temperature.
        """

        name: str = "align"
        num_layers: int = Field(default=1, ge=0)
        inner: Annotated[SerializeAsAny[FusionConfig], part_of("fusion")] = Field(
            default_factory=lambda: CrossAttentionFusion.Config(num_layers=1)
        )
        vector_width: PositiveInt = 64
        alignment_weight: float = Field(default=0.5, ge=0)
        initial_scale: float = Field(default=1 / 0.07, gt=0)
        max_scale: float = Field(default=100.0, ge=1)

        @model_validator(mode="after")
        def _aligns_once(self) -> AlignThenFuse.Config:
            if self.inner.name == self.name:
                raise ValueError("the inner fusion is one that joins, not align again")
            if self.initial_scale > self.max_scale:
                raise ValueError("initial_scale is above max_scale")
            return self

    def __init__(self, config: Config, widths: Mapping[str, int], answers: int):
        super().__init__(config, widths, answers)
        self.streams = self.own_streams(widths, config.num_layers)
        self.pools = nn.ModuleDict({name: Pool(config.width) for name in widths})
        self.projections = nn.ModuleDict(
            {name: nn.Linear(config.width, config.vector_width, bias=False) for name in widths}
        )
        self.log_scale = nn.Parameter(torch.tensor(math.log(config.initial_scale)))
        self.max_log_scale = math.log(config.max_scale)
        self.inner: Fusion = config.inner.build(dict.fromkeys(widths, config.width), answers)
        self.decides, self.pooled_width = self.inner.decides, self.inner.pooled_width

    def forward(self, tokens: Mapping[str, Tokens]) -> Tokens:
        """See ``Fusion.forward``: what the inner fusion makes of the own streams' tokens."""
        joined: Tokens = self.inner(
            {name: Tokens(*self.streams[name](tokens[name])) for name in self.modalities}
        )
        return joined

    def fill_vectors(self, outputs: Any, tokens: Mapping[str, Tokens]) -> None:
        """Put ``vectors`` [M, V] and ``owner`` [M] of each modality, and ``scale``, into outputs.

        Of those samples that have it; unit vectors, normalised in fp32.
        """
        outputs.scale = self.log_scale.exp()
        for name in self.modalities:
            states, mask = self.streams[name](tokens[name])
            there = mask.any(1)
            pooled = self.pools[name](states, mask)[there]
            vectors = self.projections[name](pooled).float()
            outputs.vectors[name] = functional.normalize(vectors, dim=1)
            outputs.owner[name] = there.nonzero().squeeze(1)

    def after_step(self, step: int) -> None:
        """Keep the inverse temperature in its range."""
        with torch.no_grad():
            self.log_scale.clamp_(0.0, self.max_log_scale)
        self.inner.after_step(step)
