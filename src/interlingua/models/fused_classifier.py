"""Several modalities, one answer: a tower each, a fusion that joins them, the likeliest class.

Notable features:
- *which* fusion is a setting; towers and head are the same for all of them, so that two runs
  differ in the place where modalities meet and in nothing else;
- towers are trained (tokens of a simulator, plain numbers, words) or frozen and cached;
- a sample may lack a modality; in training it may lose one (modality dropout);
- a fusion that aligns gives its vectors too, for a contrastive loss beside the classes.

Sources: see the fusions; as one frame, Liang et al. 2021 (MultiBench, arXiv 2107.07502), section 3.

Shape legend: B samples, M media of one modality, N tokens, C classes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import torch
from pydantic import Field, SerializeAsAny, field_validator, model_validator
from torch import Tensor, nn

from interlingua import ranks
from interlingua.batch import Batch, Media
from interlingua.config import NamedConfig, part_of
from interlingua.errors import DataError
from interlingua.fusion.fusion import Fusion, FusionConfig
from interlingua.fusion.presence import drop_modalities
from interlingua.models.classifier import checked_classes
from interlingua.models.tower_use import TowerUse
from interlingua.models.views import TowersOfViews
from interlingua.tokens import Tokens


@dataclass(slots=True)
class FusedOutputs:
    """What the model gives.

    Attributes:
        logits: [B, C].
        logit_owner: [B] the sample of each, 0 to B - 1.
        vectors: by modality, [M, D] unit vectors of a fusion that aligns; else empty.
        owner: by modality, [M] the sample of each vector.
        scale: scalar, the inverse temperature of the vectors.
    """

    logits: Tensor
    logit_owner: Tensor
    vectors: dict[str, Tensor] = field(default_factory=dict)
    owner: dict[str, Tensor] = field(default_factory=dict)
    scale: Tensor = field(default_factory=lambda: torch.ones(()))


class FusedClassifier(TowersOfViews):
    """See the module's text."""

    class Config(NamedConfig):
        """Settings.

        Attributes:
            classes: their names.
            towers: by name.
            views: modality -> tower, in the order in which the fusion has them.
            fusion: from ``interlingua.fusion``.
            modality_dropout: chance that a training sample loses a modality that it has.
        """

        folder: ClassVar[str] = "models"
        name: str = "fused_classifier"
        classes: tuple[str, ...]
        towers: dict[str, TowerUse]
        views: dict[str, str]
        fusion: Annotated[SerializeAsAny[FusionConfig], part_of("fusion")]
        modality_dropout: float = Field(default=0.0, ge=0, lt=1)

        @field_validator("classes")
        @classmethod
        def _named_and_different(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
            return checked_classes(classes)

        @model_validator(mode="after")
        def _views_have_towers(self) -> FusedClassifier.Config:
            for view, tower in self.views.items():
                if tower not in self.towers:
                    raise ValueError(f"the view {view!r} has a tower {tower!r} that is not there")
            return self

    def __init__(self, config: Config):
        super().__init__(config.towers, config.views)
        self.config = config
        widths = {view: self.token_width(view) for view in config.views}
        self.fusion: Fusion = config.fusion.build(widths, len(config.classes))
        self.head = (
            None
            if self.fusion.decides
            else nn.Linear(self.fusion.pooled_width, len(config.classes))
        )

    def token_width(self, view: str) -> int:
        """The width of the tokens of a modality, as the fusion gets them."""
        tower = self.tower_shape(self.tower_of(view))
        return tower.pooled_width if tower.pooled_only else tower.width

    def forward(self, batch: Batch, needs: Collection[str] = frozenset({"logits"})) -> FusedOutputs:
        """The logits of all samples.

        Args:
            batch: ``media`` by modality, one medium of a modality in a sample at most; cached
                tower outputs in ``tokens``, or ``values``.
            needs: ``logits``; ``vectors`` of a fusion that aligns.

        Raises:
            DataError: a sample has a modality twice, or the batch has nothing of any modality.
        """
        whole = tokens = self.tokens_by_sample(batch)
        if self.training:
            tokens = drop_modalities(tokens, self.config.modality_dropout)
        joined = self.fusion(tokens)
        assert joined.pooled is not None
        logits = joined.pooled if self.head is None else self.head(joined.pooled)
        owner = torch.arange(len(batch), device=logits.device)
        outputs = FusedOutputs(logits.float(), owner)
        if "vectors" in needs:  # of all that is there: alignment needs no modality dropout
            self.fusion.fill_vectors(outputs, whole)
        return outputs

    def after_step(self, step: int) -> None:
        """What the fusion needs after each update; the loop calls it."""
        self.fusion.after_step(step)

    def tokens_by_sample(self, batch: Batch) -> dict[str, Tokens]:
        """[B, N, width] states and their mask by modality; what a sample lacks is masked."""
        mine = {view: media for view, media in batch.media.items() if view in self.views}
        if not any(len(media) for media in mine.values()):
            raise DataError("The batch has none of the modalities.", where=", ".join(self.views))
        found = {}
        for view, media in mine.items():
            if len(media):
                found[view] = (self._states(view, media), media.owner)
            elif ranks.world_size() > 1 and self.tower_of(view) in self.towers:
                # what one rank trains, all must run
                nobodys = self._states(view, media.stand_in())
                assert nobodys.states is not None and nobodys.mask is not None
                found[view] = (Tokens(nobodys.states[:0], nobodys.mask[:0]), media.owner)
        some = next(iter(found.values()))[0].states
        assert some is not None
        by_sample = {}
        for view in self.views:
            if view in found:
                by_sample[view] = _spread(*found[view], len(batch), view)
            else:
                nothing = some.new_zeros(len(batch), 1, self.token_width(view))
                by_sample[view] = Tokens(nothing, nothing.new_zeros(len(batch), 1).bool())
        return by_sample

    def _states(self, view: str, media: Media) -> Tokens:
        """[M, N, width]; a tower that gives pooled vectors alone gives one token."""
        tokens = self.tokens(view, media)
        states = tokens.states
        if states is None:
            if tokens.pooled is None:
                raise DataError(
                    f"The tower {self.tower_of(view)!r} gives neither states nor pooled."
                )
            states = tokens.pooled[:, None]
        mask = tokens.mask
        if mask is None:
            mask = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
        return Tokens(states=states, mask=mask)


def _spread(tokens: Tokens, owner: Tensor, samples: int, view: str) -> Tokens:
    """Media [M, N, D] at the places of their samples [B, N, D]."""
    assert tokens.states is not None and tokens.mask is not None
    if len(owner) == samples and bool((owner == torch.arange(samples, device=owner.device)).all()):
        return tokens  # everybody has one, in order
    if len(owner) > len(owner.unique()):
        raise DataError(f"A sample has the modality {view!r} twice.")
    states = tokens.states.new_zeros(samples, *tokens.states.shape[1:]).index_copy(
        0, owner, tokens.states
    )
    mask = tokens.mask.new_zeros(samples, tokens.mask.shape[1]).index_copy(0, owner, tokens.mask)
    return Tokens(states=states, mask=mask)
