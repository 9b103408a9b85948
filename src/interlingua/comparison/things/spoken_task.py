"""A task on spoken things: frozen towers read them, their group is asked, damage is known.

What differs between such tasks is which modalities they have, whether test things are damaged, and
what is asked beside. Stamps, damage of each modality, budget and folds are the same, so that their
figures can be laid side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field, PositiveInt

from interlingua.comparison.folds.grouped import grouped_folds
from interlingua.comparison.states.damage import Damage, DamageKind, Pooling
from interlingua.comparison.states.table import token_states
from interlingua.comparison.task import Budget, Fold
from interlingua.comparison.things.damaged import DamagedThings, all_levels, drawn_levels
from interlingua.comparison.things.spoken import spoken_things
from interlingua.config import NamedConfig, validate
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
KINDS: Mapping[str, DamageKind] = {"picture": "hide", "text": "drop_letters", "speech": "drown"}


class SpokenTask:
    """See the module's text; what derives from it gives the title and its own notes.

    Args:
        config: of the task.
        towers: by modality, some of ``picture``, ``text`` and ``speech``.
        damaged: whether each test thing is damaged as its key decides.
        draws: damages of each level that training draws from.

    Raises:
        DataError: too few groups, or too few clusters for the folds.
        FetchError: the stamps or the weights can't be had.
    """

    class Config(NamedConfig):
        """Settings.

        Attributes:
            quick: fewer steps and folds.
            language: of the spoken names; the written ones are English.
            least: things that a group must have.
            picture, speech: the towers.
            pooling: of the towers' states.
            levels: of damage that training draws from.
            root: of the stamps; fetched if not given.
            folds: of the division.
        """

        folder: ClassVar[str] = "comparison.tasks"
        quick: bool = False
        language: str = "fr"
        least: PositiveInt = 20
        picture: TowerUse = Field(default_factory=lambda: validate(TowerUse, PICTURE, "picture"))
        speech: TowerUse = Field(default_factory=lambda: validate(TowerUse, SPEECH, "speech"))
        pooling: Pooling = Pooling()
        levels: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75)
        root: Path | None = None
        folds: int = Field(default=5, ge=2)

    def __init__(
        self, config: Config, towers: Mapping[str, TowerUse], *, damaged: bool, draws: int = 1
    ):
        self.config = config
        self.name = config.name
        self.things = things = spoken_things(config.language, least=config.least, root=config.root)
        self.classes = things.groups
        self.towers = dict(towers)
        self.folds = 2 if config.quick else config.folds
        self.budget = Budget(steps=40 if config.quick else 100, batch_size=64, weight_decay=0.1)
        self.notes = things.notes()
        media = {"picture": things.pictures, "text": things.names, "speech": things.speech}
        levels = all_levels(config.levels)
        unharmed = np.zeros(len(things))
        self.damaged = DamagedThings(
            keys=things.keys,
            labels=things.labels,
            clusters=things.components,
            tables={
                name: token_states(
                    use,
                    media[name],
                    pooling=config.pooling,
                    damage=Damage(kind=KINDS[name], levels=levels, draws=draws),
                )
                for name, use in self.towers.items()
            },
            train_levels=config.levels,
            test_levels={
                name: drawn_levels(things.keys, config.levels, name) if damaged else unharmed
                for name in self.towers
            },
            fold_of=grouped_folds(things.labels, things.components, config.folds),
        )

    def fold(self, number: int, seed: int) -> Fold:
        """See ``FusionTask``; the division and the tested damage are the same for all seeds."""
        return self.damaged.fold(number)
