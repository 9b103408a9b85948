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

from pydantic import PositiveInt

from interlingua.comparison.things.spoken_task import SpokenTask
from interlingua.data.degrade import signal_to_noise

UNSEEN_WORDS = (
    "No spoken word of the test is in training, so speech can tell a group by little more than "
    "length, article and voice: compare `only speech` with the majority. A task whose halves both "
    "tell much is complement_digits."
)


class Complement(SpokenTask):
    """See the module's text."""

    class Config(SpokenTask.Config):
        """Settings, beside those of ``SpokenTask``.

        Attributes:
            draws: damages of each level that training draws from.
        """

        name: str = "complement"
        draws: PositiveInt = 1

    def __init__(self, config: Config):
        towers = {"picture": config.picture, "speech": config.speech}
        super().__init__(config, towers, damaged=True, draws=config.draws)
        self.title = (
            f"{len(self.things)} drawn things, part of the picture hidden, their names spoken "
            f"({config.language}) in noise: which of {len(self.classes)} groups?"
        )
        self.notes += [self._damage_note(), UNSEEN_WORDS]

    def _damage_note(self) -> str:
        decibels = ", ".join(f"{signal_to_noise(level):g}" for level in self.config.levels)
        hidden = ", ".join(f"{level:.0%}" for level in self.config.levels)
        return (
            f"Each test thing has {hidden} of its drawing hidden and its name spoken at "
            f"{decibels} dB over pink noise, both drawn by its key, each level equally likely; "
            "training draws anew each time."
        )
