"""Transitions of an expert's demonstrations as examples: what was seen and said, what it then did.

Shape legend: N transitions, R different instructions.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from interlingua.comparison.examples import Examples, IntArray, Modality
from interlingua.data.degrade import NOTHING, drop_words, generator
from interlingua.data.text import Tokenizer
from interlingua.errors import DataError
from interlingua.simulators.demonstrations import Demonstrations
from interlingua.simulators.moments import Moments, moments, with_hidden_cells

VIEW, INSTRUCTION = "view", "instruction"


def usual_actions(some: Demonstrations, least_share: float) -> tuple[int, ...]:
    """The actions that make up this share of an expert's steps at least, in rising order.

    Raises:
        DataError: there is one only.
    """
    counts = np.bincount(some.actions)
    usual = tuple(np.flatnonzero(counts >= max(1, least_share * counts.sum())).tolist())
    if len(usual) < 2:
        raise DataError(
            "The expert does the same thing all the time: there is nothing to learn.",
            where=some.level,
            next_step="Take more demonstrations, or another level.",
        )
    return usual


def unusual_episodes(some: Demonstrations, actions: Collection[int]) -> IntArray:
    """The numbers of the episodes in which the expert does something else than these."""
    unusual = ~np.isin(some.actions, tuple(actions))
    found: IntArray = np.unique(some.episode_of_step[unusual])
    return found


@dataclass(frozen=True, slots=True)
class Transitions:
    """Makes examples of demonstrations.

    Attributes:
        actions: the answers, numbers of ``simulators.babyai.ACTIONS`` in rising order; episodes in
            which another one is done are left out.
        history: frames of a moment.
        tokenizer: of the instructions.
    """

    actions: tuple[int, ...]
    history: int
    tokenizer: Tokenizer

    def examples(self, some: Demonstrations) -> Examples:
        """All transitions; those of one seed are a cluster."""
        steps, episode = self._steps(some)
        first = some.starts[episode]
        seeds = some.seeds[episode]
        return Examples(
            keys=[f"{number}/{step}" for number, step in zip(episode, steps - first, strict=True)],
            labels=np.searchsorted(self.actions, some.actions[steps]),
            clusters=seeds,
            modalities={
                VIEW: _view(self._moments(some, steps, episode)),
                INSTRUCTION: self._instruction(some.missions, episode),
            },
        )

    def degraded(
        self, some: Demonstrations, levels: Sequence[float]
    ) -> dict[str, dict[float, Examples]]:
        """The same transitions with one modality made worse; see ``Fold.degraded``.

        A level is the share of the cells of each frame that are hidden, and the share of the words
        of each instruction that are left out. At 1 the modality is missing.
        """
        whole = self.examples(some)
        steps, episode = self._steps(some)
        found = self._moments(some, steps, episode)
        worse = {name: {0.0: whole} for name in whole.modalities}
        for level in levels:
            hidden = with_hidden_cells(found, level, generator("hidden cells", some.level, level))
            worse[VIEW][level] = _with(whole, VIEW, _view(hidden))
            fewer = [
                drop_words(mission, level, generator("left out words", seed, level))
                for seed, mission in zip(some.seeds, some.missions, strict=True)
            ]
            told = self._instruction(fewer, episode)
            worse[INSTRUCTION][level] = _with(whole, INSTRUCTION, told)
        for name, one in whole.modalities.items():
            missing = replace(one, variants=np.full_like(one.variants, -1))
            worse[name][1.0] = _with(whole, name, missing)
        return worse

    def _steps(self, some: Demonstrations) -> tuple[IntArray, IntArray]:
        """[N] the steps that count, and the episode of each."""
        episode = some.episode_of_step
        steps = np.flatnonzero(~np.isin(episode, unusual_episodes(some, self.actions)))
        return steps, episode[steps]

    def _moments(self, some: Demonstrations, steps: IntArray, episode: IntArray) -> Moments:
        return moments(
            some.views,
            some.directions,
            some.actions,
            present=steps,
            first=some.starts[episode],
            history=self.history,
        )

    def _instruction(self, missions: Sequence[str], episode: IntArray) -> Modality:
        """Each different text once; one without a word is missing."""
        texts = sorted(set(missions))
        row = {text: number for number, text in enumerate(texts)} | {NOTHING: -1, "": -1}
        ids, mask = self.tokenizer(texts)
        rows = np.array([row[text] for text in missions], np.int64)
        return Modality(rows[episode][:, None], values=ids, mask=mask)


def _view(some: Moments) -> Modality:
    return Modality(
        np.arange(len(some))[:, None],
        values=torch.from_numpy(some.frames),
        mask=torch.from_numpy(some.there),
    )


def _with(whole: Examples, name: str, modality: Modality) -> Examples:
    return replace(whole, modalities={**whole.modalities, name: modality})
