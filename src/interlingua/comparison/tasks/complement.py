"""Complement: a picture with a part hidden and a spoken name in noise, each damaged on its own.

What one modality has lost the other may have: with both damaged independently, two weak witnesses
are better than either, if both know something: how little a spoken word tells that training never
had, the baselines show. Towers are frozen; a fusion meets their tokens.

Things are Tux Paint's stamps, asked is their group. Damage: ``data.degrade.hide`` covers a share
of what is drawn, ``drown`` lays pink noise at a known signal-to-noise ratio over a window of
fixed length. Training draws the level of each modality anew each time, testing has each thing at
levels that its key decides, all levels equally often.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field, PositiveInt
from torch import nn

from interlingua.comparison.damaged_media import Damage, Pooling
from interlingua.comparison.damaged_things import DamagedThings, all_levels, drawn_levels
from interlingua.comparison.features import token_states
from interlingua.comparison.grouped_folds import grouped_folds
from interlingua.comparison.spoken_things import spoken_things
from interlingua.comparison.task import Budget, Fold, Rollout
from interlingua.config import NamedConfig, validate
from interlingua.data.degrade import signal_to_noise
from interlingua.models.tower_use import TowerUse

PICTURE: dict[str, Any] = {
    "tower": {"name": "efficientnet", "variant": "lite0", "fit": "pad", "trim": True},
    "weights": "efficientnet-lite0",
    "frozen": True,
}
SPEECH: dict[str, Any] = {
    "tower": {"name": "whisper_encoder"},
    "weights": "whisper-tiny.en",
    "frozen": True,
}
UNSEEN_WORDS = (
    "No spoken word of the test is in training, so speech can tell a group by little more than "
    "length, article and voice: compare `only speech` with the majority. A task whose halves both "
    "tell much is complement_digits."
)


class Complement:
    """See the module's text."""

    class Config(NamedConfig):
        """Settings.

        Attributes:
            quick: fewer steps and folds.
            language: of the spoken names.
            least: things that a group must have.
            picture, speech: the towers.
            pooling: of their states.
            levels: of training and testing, equally often.
            draws: damages of each level that training draws from.
            root: of the stamps; fetched if not given.
            folds: of the division.
        """

        folder: ClassVar[str] = "comparison.tasks"
        name: str = "complement"
        quick: bool = False
        language: str = "fr"
        least: PositiveInt = 20
        picture: TowerUse = Field(
            default_factory=lambda: validate(TowerUse, PICTURE, "complement.picture")
        )
        speech: TowerUse = Field(
            default_factory=lambda: validate(TowerUse, SPEECH, "complement.speech")
        )
        pooling: Pooling = Pooling()
        levels: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75)
        draws: PositiveInt = 1
        root: Path | None = None
        folds: int = Field(default=5, ge=2)

    def __init__(self, config: Config):
        self.config = config
        self.name = config.name
        self.things = things = spoken_things(config.language, least=config.least, root=config.root)
        self.classes = things.groups
        self.towers = {"picture": config.picture, "speech": config.speech}
        self.folds = 2 if config.quick else config.folds
        self.budget = Budget(steps=40 if config.quick else 100, batch_size=64, weight_decay=0.1)
        self.title = (
            f"{len(things)} drawn things, part of the picture hidden, their names spoken "
            f"({config.language}) in noise: which of {len(things.groups)} groups?"
        )
        levels = all_levels(config.levels)
        damages = {
            "picture": Damage(kind="hide", levels=levels, draws=config.draws),
            "speech": Damage(kind="drown", levels=levels, draws=config.draws),
        }
        media = {"picture": things.pictures, "speech": things.speech}
        self.damaged = DamagedThings(
            keys=things.keys,
            labels=things.labels,
            clusters=things.components,
            tables={
                name: token_states(use, media[name], pooling=config.pooling, damage=damages[name])
                for name, use in self.towers.items()
            },
            train_levels=config.levels,
            test_levels={
                name: drawn_levels(things.keys, config.levels, name) for name in self.towers
            },
        )
        self.notes = [*things.notes(), self._damage_note(), UNSEEN_WORDS]
        self._fold_of = grouped_folds(things.labels, things.components, config.folds)

    def fold(self, number: int, seed: int) -> Fold:
        """See ``FusionTask``; the division and the tested damage are the same for all seeds."""
        return self.damaged.fold(
            np.flatnonzero(self._fold_of != number), np.flatnonzero(self._fold_of == number)
        )

    def act(self, model: nn.Module, seed: int, *, exchanged: str = "") -> Rollout | None:
        """There is nothing to act on."""
        return None

    def _damage_note(self) -> str:
        decibels = ", ".join(f"{signal_to_noise(level):g}" for level in self.config.levels)
        hidden = ", ".join(f"{level:.0%}" for level in self.config.levels)
        return (
            f"Each test thing has {hidden} of its drawing hidden and its name spoken at "
            f"{decibels} dB over pink noise, both drawn by its key, each level equally likely; "
            "training draws anew each time."
        )
