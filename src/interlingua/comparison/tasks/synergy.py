"""Synergy: what is seen and what is said are both useless alone; together they tell what to do.

BabyAI's agent stands in a room of several objects and is told to go to one of them. What it sees
tells where objects are, the instruction which of them is meant; only both together give the
expert's next action. A model that adds up the answers of two models cannot express this.

Notable features:
- trained on transitions of an expert's demonstrations, measured on those of unseen episodes *and*
  by acting in the simulator: success is to stand before the object in time;
- chance is measured: a model of the view alone goes to some object and is sometimes lucky;
- with one object in the room (``BabyAI-GoToObj-v0``) the instruction is redundant;
- a world that is mirrored is as likely and solved in the same way, so every demonstration is
  trained on twice (see ``simulators.symmetries``).

Acting takes the likeliest action, as BabyAI's own evaluation does (its ``argmax=True``); a policy
that turns left and right for ever has failed. Episodes are BabyAI's own for validation: seeds from
10⁹. Training demonstrations have seeds below it, others for each seed of a run.

Source: Chevalier-Boisvert et al. 2019 (BabyAI, arXiv 1810.08272), sections 3 and 4.

Shape legend: E episodes, N transitions, L words.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from interlingua.batch import Batch, Media
from interlingua.comparison.task import Budget, Fold, Rollout
from interlingua.comparison.things.transitions import (
    INSTRUCTION,
    VIEW,
    Transitions,
    unusual_episodes,
    usual_actions,
)
from interlingua.config import NamedConfig
from interlingua.data.text import Tokenizer
from interlingua.data.word_vocabulary import WordVocabulary, word_vocabulary
from interlingua.errors import ConfigError, DataError
from interlingua.fusion.fusion import FusionConfig
from interlingua.fusion.gated import Gated
from interlingua.fusion.low_rank import LowRank
from interlingua.fusion.tensor import TensorFusion
from interlingua.models.tower_use import TowerUse
from interlingua.simulators.babyai import ACTIONS
from interlingua.simulators.demonstrations import Demonstrations, demonstrations
from interlingua.simulators.moments import present_moments
from interlingua.simulators.rollout import Seen, act_in
from interlingua.simulators.symmetries import with_mirrored
from interlingua.simulators.worlds import IntArray, Worlds, worlds_for
from interlingua.towers.grid_view import GridView
from interlingua.towers.gru_text import GRUText
from interlingua.towers.tower import TextPreprocess

TEST_SEED = 10**9
LEVELS = (0.25, 0.5, 0.75)  # of damage, between nothing and all
_SEEDS_APART = 10**6  # of the demonstrations of one run and the next
_LEAST_SHARE = 0.005  # of all steps: rarer actions are no answer
_MAX_WORDS = 64  # of an instruction
_WORD_SCALE = 1.7  # numbers of size one, as BabyAI's own models begin: two words of five matter


class Synergy:
    """See the module's text."""

    controls = (INSTRUCTION,)
    folds = 1
    # One vector of a view holds what stands where by superposition, if it is wide; Transformer
    # blocks before it learn that much later, and dropout blurs it (docs/log.md, 2026-11-23).
    fusions: ClassVar[dict[str, FusionConfig]] = {
        "gated": Gated.Config(num_layers=0, width=128, dropout=0.0),
        "low_rank": LowRank.Config(num_layers=0, width=192, factor_width=128, rank=1, dropout=0.0),
        "tensor": TensorFusion.Config(num_layers=0, width=64, factor_width=48, dropout=0.0),
    }

    class Config(NamedConfig):
        """Settings.

        Attributes:
            level: of BabyAI.
            demonstrations: to train on.
            episodes: unseen ones, to measure and to act in.
            history: frames of a moment.
            mirror: train on the mirrored demonstrations too.
            steps: of a run.
            batch_size, learning_rate, modality_dropout, weight_decay: see ``Budget``.
            width: of the view's tokens; the instruction's are a quarter as wide.
            processes: that make demonstrations; 0 = one for each core.
            quick: a quarter of everything, to see that it works.
        """

        folder: ClassVar[str] = "comparison.tasks"
        name: str = "synergy"
        level: str = "BabyAI-GoToLocal-v0"
        demonstrations: PositiveInt = 2_000
        episodes: PositiveInt = 512
        history: PositiveInt = 8
        mirror: bool = True
        steps: PositiveInt = 1_500
        batch_size: PositiveInt = 128
        learning_rate: float = Field(default=1e-3, gt=0)
        modality_dropout: float = Field(default=0.3, ge=0, lt=1)
        weight_decay: float = Field(default=0.01, ge=0)
        width: PositiveInt = 256
        processes: int = Field(default=0, ge=0)
        quick: bool = False

    def __init__(self, config: Config):
        if config.demonstrations > _SEEDS_APART:
            raise ConfigError(
                f"{config.demonstrations:,} demonstrations are more than {_SEEDS_APART:,}.",
                where="demonstrations",
                next_step="Ask for fewer: the seeds of the next run's begin there.",
            )
        self.config = config
        self.name = config.name
        self.title = f"{config.level}: the expert's next action from what is seen and told"
        self._count = _fewer(config.demonstrations, config.quick)
        self._episodes = _fewer(config.episodes, config.quick)
        first = self._demonstrated(0)
        actions = usual_actions(first, _LEAST_SHARE)
        words = word_vocabulary(first.missions)
        preprocess = TextPreprocess(tokenizer=str(words.folder), max_tokens=_MAX_WORDS)
        self.transitions = Transitions(actions, config.history, Tokenizer(preprocess))
        self.classes = tuple(ACTIONS[number] for number in actions)
        self.towers = _towers(config, words)
        self.budget = Budget(
            steps=_fewer(config.steps, config.quick),
            batch_size=config.batch_size,
            learning_rate=config.learning_rate,
            modality_dropout=config.modality_dropout,
            weight_decay=config.weight_decay,
        )
        self.notes = self._notes(first)
        self._worlds: Worlds | None = None

    def fold(self, number: int, seed: int) -> Fold:
        """Other demonstrations for each seed, the same unseen episodes for all.

        Raises:
            ConfigError: a seed whose demonstrations would reach the unseen episodes'.
        """
        if not 0 <= seed < TEST_SEED // _SEEDS_APART:
            raise ConfigError(
                f"Runs have seeds from 0 to {TEST_SEED // _SEEDS_APART - 1}, not {seed}.",
                where="seeds",
            )
        shown = self._demonstrated(seed)
        if self.config.mirror:
            shown = with_mirrored(shown)
        unseen = self._demonstrated_from(TEST_SEED, self._episodes)
        degraded = self.transitions.degraded(unseen, LEVELS)
        return Fold(self.transitions.examples(shown), degraded[VIEW][0.0], degraded)

    def act(
        self,
        model: Any,
        seed: int,
        *,
        exchanged: str = "",
        without: Collection[str] = (),
    ) -> Rollout:
        """Success in the unseen episodes; see ``ActingTask.act``.

        Args:
            model: a ``FusedClassifier`` of some or all modalities.
            seed: of the run; nothing here depends on it.
            exchanged: ``instruction``: each agent is told that of another episode, which always
                names another object.
            without: modalities that the model does not get.

        Raises:
            ConfigError: another modality is to be exchanged.
        """
        if exchanged not in ("", INSTRUCTION):
            raise ConfigError(
                f"The modality {exchanged!r} can't be exchanged: what is seen follows from acting.",
                next_step=f"Exchange {INSTRUCTION!r}.",
            )
        numbers = np.array(self.transitions.actions)
        worlds = self._fresh_worlds()
        told = other_instructions(worlds.missions) if exchanged else worlds.missions
        words = self.transitions.tokenizer(told)
        views = [name for name in model.views if name not in without]
        model.eval()

        def policy(seen: Seen) -> IntArray:
            with torch.inference_mode():
                logits = model(self._asked(seen, words, views)).logits
            chosen: IntArray = numbers[logits.argmax(1).numpy()]
            return chosen

        outcome = act_in(worlds, policy, self.transitions.actions, frames=self.config.history)
        seeds = np.arange(TEST_SEED, TEST_SEED + self._episodes)
        return Rollout(outcome.success.astype(np.float64), seeds)

    def _asked(self, seen: Seen, words: tuple[Tensor, Tensor], views: Sequence[str]) -> Batch:
        """What a policy is asked: one sample for each episode that goes on."""
        owner = torch.arange(len(seen.episodes))
        slot = torch.zeros_like(owner)
        batch = Batch(keys=[str(number) for number in seen.episodes])
        if VIEW in views:
            present = present_moments(seen, self.config.history)
            frames, there = torch.from_numpy(present.frames), torch.from_numpy(present.there)
            batch.media[VIEW] = Media(owner, slot, frames, there)
        if INSTRUCTION in views:
            ids, mask = (one[torch.from_numpy(seen.episodes)] for one in words)
            batch.media[INSTRUCTION] = Media(owner, slot, ids, mask)
        return batch

    def _fresh_worlds(self) -> Worlds:
        """The unseen episodes at their beginning; rooms are built once."""
        if self._worlds is None:
            seeds = range(TEST_SEED, TEST_SEED + self._episodes)
            self._worlds = worlds_for(self.config.level, seeds, self.transitions.actions)
        return copy.deepcopy(self._worlds)

    def _demonstrated(self, seed: int) -> Demonstrations:
        return self._demonstrated_from(seed * _SEEDS_APART, self._count)

    def _demonstrated_from(self, first_seed: int, count: int) -> Demonstrations:
        config = self.config
        return demonstrations(config.level, count, first_seed, processes=config.processes)

    def _notes(self, first: Demonstrations) -> list[str]:
        """What is left out, and how it is measured."""
        left_out = len(unusual_episodes(first, self.transitions.actions))
        mirror = ", each also mirrored" if self.config.mirror else ""
        return [
            f"{self._count:,} demonstrations of each seed{mirror}; of the first seed's "
            f"{first.unsolved} were not solved and {left_out} are left out, as the expert does "
            f"something else in them than {', '.join(self.classes)}.",
            f"Success: the goal reached in time in {self._episodes:,} unseen episodes (seeds from "
            f"{TEST_SEED:,}), always by the likeliest action.",
            "Chance is what the models of one modality reach.",
        ]


def other_instructions(missions: Sequence[str]) -> list[str]:
    """For each instruction that of the next episode which asks for something else.

    "The red ball" and "a red ball" are the same thing.

    Raises:
        DataError: all ask for the same.
    """
    asked = [tuple(word for word in one.split() if word not in ("a", "the")) for one in missions]
    if len(set(asked)) < 2:
        raise DataError(
            "All episodes ask for the same: there is no other instruction.",
            next_step="Take more episodes, or a level with more objects.",
        )
    count = len(missions)
    found = []
    for number, own in enumerate(asked):
        others = (other % count for other in range(number + 1, number + count))
        found.append(missions[next(other for other in others if asked[other] != own)])
    return found


def _towers(config: Synergy.Config, words: WordVocabulary) -> dict[str, TowerUse]:
    view = GridView.Config(history=config.history, width=config.width, hidden_width=config.width)
    told_width = max(1, config.width // 4)
    told = GRUText.Config(
        vocabulary=words.size,
        embedding_width=told_width,
        width=told_width,
        embedding_scale=_WORD_SCALE,
        tokenizer=str(words.folder),
        max_tokens=_MAX_WORDS,
    )
    return {VIEW: TowerUse(tower=view), INSTRUCTION: TowerUse(tower=told)}


def _fewer(count: int, quick: bool) -> int:
    return max(1, count // 4) if quick else count
