"""Redundancy: picture, written name in one language, spoken name in another say the same thing.

Each modality alone tells much of the answer, so what fusing gains is little, and one can be lost
at little cost. What a fusion does when the witnesses *contradict* each other is asked with things
whose one modality is that of a thing of another group: ``Fold.contradictions`` says what each
modality stands for.

Things and folds are those of ``complement``. They are tested undamaged; training draws damaged
variants too, so that what is made worse later is not strange.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field, PositiveInt
from torch import nn

from interlingua.comparison.damaged_media import Damage, Pooling
from interlingua.comparison.damaged_things import DamagedThings, all_levels
from interlingua.comparison.features import token_states
from interlingua.comparison.grouped_folds import grouped_folds
from interlingua.comparison.spoken_things import WRITTEN, spoken_things
from interlingua.comparison.task import Budget, Fold, Rollout
from interlingua.comparison.tasks.complement import PICTURE, SPEECH
from interlingua.config import NamedConfig, validate
from interlingua.models.tower_use import TowerUse

TEXT: dict[str, Any] = {"tower": {"name": "bert"}, "weights": "minilm", "frozen": True}


class Redundancy:
    """See the module's text."""

    class Config(NamedConfig):
        """Settings.

        Attributes:
            quick: fewer steps and folds.
            language: of the spoken names; the written ones are English.
            least: things that a group must have.
            picture, text, speech: the towers.
            pooling: of their states.
            levels: that training draws from.
            root: of the stamps; fetched if not given.
            folds: of the division.
        """

        folder: ClassVar[str] = "comparison.tasks"
        name: str = "redundancy"
        quick: bool = False
        language: str = "fr"
        least: PositiveInt = 20
        picture: TowerUse = Field(
            default_factory=lambda: validate(TowerUse, PICTURE, "redundancy.picture")
        )
        text: TowerUse = Field(default_factory=lambda: validate(TowerUse, TEXT, "redundancy.text"))
        speech: TowerUse = Field(
            default_factory=lambda: validate(TowerUse, SPEECH, "redundancy.speech")
        )
        pooling: Pooling = Pooling(words=8)
        levels: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75)
        root: Path | None = None
        folds: int = Field(default=5, ge=2)

    def __init__(self, config: Config):
        self.config = config
        self.name = config.name
        self.things = things = spoken_things(config.language, least=config.least, root=config.root)
        self.classes = things.groups
        self.towers = {"picture": config.picture, "text": config.text, "speech": config.speech}
        self.folds = 2 if config.quick else config.folds
        self.budget = Budget(steps=40 if config.quick else 100, batch_size=64, weight_decay=0.1)
        self.title = (
            f"{len(things)} things drawn, written ({WRITTEN}) and spoken ({config.language}): "
            f"which of {len(things.groups)} groups?"
        )
        media = {"picture": things.pictures, "text": things.names, "speech": things.speech}
        kinds = {"picture": "hide", "text": "drop_letters", "speech": "drown"}
        levels = all_levels(config.levels)
        self.damaged = DamagedThings(
            keys=things.keys,
            labels=things.labels,
            clusters=things.components,
            tables={
                name: token_states(
                    use,
                    media[name],
                    pooling=config.pooling,
                    damage=Damage(kind=kinds[name], levels=levels),  # type: ignore[arg-type]
                )
                for name, use in self.towers.items()
            },
            train_levels=config.levels,
            test_levels={name: np.zeros(len(things)) for name in self.towers},
        )
        self.notes = things.notes()
        self._fold_of = grouped_folds(things.labels, things.components, config.folds)

    def fold(self, number: int, seed: int) -> Fold:
        """See ``FusionTask``; the division is the same for all seeds."""
        return self.damaged.fold(
            np.flatnonzero(self._fold_of != number),
            np.flatnonzero(self._fold_of == number),
            contradicting=True,
        )

    def act(self, model: nn.Module, seed: int, *, exchanged: str = "") -> Rollout | None:
        """There is nothing to act on."""
        return None
