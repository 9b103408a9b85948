"""Redundancy: picture, written name in one language, spoken name in another say the same thing.

Each modality alone tells much of the answer, so what fusing gains is little, and one can be lost
at little cost. What a fusion does when the witnesses *contradict* each other is asked with things
whose one modality is that of a thing of another group: ``Fold.contradictions`` says what each
modality stands for.

Things and folds are those of ``complement``. They are tested undamaged; training draws damaged
variants too, so that what is made worse later is not strange.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from interlingua.comparison.states.damage import Pooling
from interlingua.comparison.task import Fold
from interlingua.comparison.things.spoken import WRITTEN
from interlingua.comparison.things.spoken_task import SpokenTask
from interlingua.config import validate
from interlingua.models.tower_use import TowerUse

TEXT: dict[str, Any] = {"tower": {"name": "bert"}, "weights": "minilm", "frozen": True}


class Redundancy(SpokenTask):
    """See the module's text."""

    class Config(SpokenTask.Config):
        """Settings, beside those of ``SpokenTask``.

        Attributes:
            text: the tower of the written names.
        """

        name: str = "redundancy"
        text: TowerUse = Field(default_factory=lambda: validate(TowerUse, TEXT, "text"))
        pooling: Pooling = Pooling(words=8)

    def __init__(self, config: Config):
        towers = {"picture": config.picture, "text": config.text, "speech": config.speech}
        super().__init__(config, towers, damaged=False)
        self.title = (
            f"{len(self.things)} things drawn, written ({WRITTEN}) and spoken "
            f"({config.language}): which of {len(self.classes)} groups?"
        )

    def fold(self, number: int, seed: int) -> Fold:
        """See ``FusionTask``; the division is the same for all seeds."""
        return self.damaged.fold(number, contradicting=True)
