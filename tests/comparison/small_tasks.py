"""Tasks and fusions that the tests of comparisons are made with; worker processes import them.

Each modality is a row of two numbers, the first of which tells something.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import nn

from interlingua.comparison.examples import Examples, Modality
from interlingua.comparison.task import Budget, Contradiction, Fold, Rollout
from interlingua.config import NamedConfig
from interlingua.errors import DataError
from interlingua.fusion.late_average import LateAverage
from interlingua.models.tower_use import TowerUse
from interlingua.tokens import Tokens

NAMES = ("left", "right", "middle")


class SmallTask:
    """``xor``: left and right have the same sign or not; ``redundant``: each tells it alone."""

    class Config(NamedConfig):
        folder: ClassVar[str] = "comparison.tasks"
        name: str = "small_tasks:SmallTask"
        kind: Literal["xor", "redundant"] = "xor"
        modalities: int = 2
        train: int = 400
        test: int = 120
        folds: int = 1
        steps: int = 120
        batch_size: int = 64
        act: bool = False
        levels: bool = False
        contradicting: bool = False
        spoilt: str = ""

    def __init__(self, config: Config):
        self.config = config
        self.name = f"small_{config.kind}"
        self.title = "Which class, of some rows of two numbers?"
        use = {
            "tower": {"name": "number_columns", "mean": (0, 0), "std": (1, 1), "width": 16},
        }
        self.towers = {name: TowerUse.model_validate(use) for name in NAMES[: config.modalities]}
        self.classes = ("same",) if config.spoilt == "one class" else ("same", "other")
        self.budget = Budget(
            steps=config.steps, batch_size=config.batch_size, learning_rate=5e-3,
            modality_dropout=0.3,
        )  # fmt: skip
        self.folds = config.folds
        self.notes = ["made for tests"]
        if config.spoilt == "refused":
            raise DataError("There is nothing.", where="small", next_step="Give some.")

    def fold(self, number: int, seed: int) -> Fold:
        config = self.config
        random = np.random.default_rng((number, seed))
        train = self.things(config.train, random, first=0)
        test = self.things(config.test, np.random.default_rng(99 + number), first=10**6)
        if config.spoilt == "one label":
            train.labels[:] = 1
        if config.spoilt == "training only":
            test.modalities["right"].variants[:] = -1
        if config.spoilt == "test only":
            train.modalities["right"].variants[:] = -1
        if config.spoilt == "shared":
            test.clusters[0] = train.clusters[0]
        if config.spoilt == "some missing":
            test.modalities["right"].variants[::3] = -1
            train.modalities["right"].variants[::4] = -1
            test.modalities["left"].variants[:2] = -1
            test.modalities["right"].variants[:2] = -1
        fold = Fold(train, test)
        if config.levels:
            fold.degraded = {
                name: {level: noisy(test, name, level) for level in (0.5, 1.0)}
                for name in self.towers
            }
        if config.contradicting:
            fold.contradictions = {"left against right": self.contradiction(test)}
        return fold

    def things(self, count: int, random: np.random.Generator, first: int) -> Examples:
        signs = random.choice([-1.0, 1.0], (count, len(self.towers)))
        labels = (signs[:, 0] != signs[:, 1]).astype(np.int64)
        if self.config.kind == "redundant":
            signs[:] = np.where(labels, 1.0, -1.0)[:, None]
            noise = 0.8
        else:
            noise = 0.2
        tables = {}
        for place, name in enumerate(self.towers):
            values = random.normal(0, noise, (count, 2))
            # the third tells nothing
            values[:, 0] += signs[:, place] if place < 2 else random.normal(0, 1, count)
            tables[name] = Modality(
                np.arange(count)[:, None], values=torch.from_numpy(values).float()
            )
        keys = [f"thing {first + number}" for number in range(count)]
        return Examples(keys, labels, first + np.arange(count), tables)

    def contradiction(self, test: Examples) -> Contradiction:
        """Redundant things whose right side is of another class."""
        ones, zeros = np.flatnonzero(test.labels == 1), np.flatnonzero(test.labels == 0)
        count = min(len(ones), len(zeros))
        rows = np.arange(len(test))
        rows[ones[:count]], rows[zeros[:count]] = zeros[:count], ones[:count]
        mixed = test.exchanged("right", rows).take(np.r_[ones[:count], zeros[:count]])
        return Contradiction(mixed, {"left": mixed.labels, "right": 1 - mixed.labels})

    def act(
        self,
        model: nn.Module,
        seed: int,
        *,
        exchanged: str = "",
        without: Collection[str] = (),
    ) -> Rollout | None:
        if not self.config.act:
            return None
        episodes = self.things(80, np.random.default_rng(7), first=2 * 10**6)
        played = episodes.exchanged(exchanged, np.roll(np.arange(80), 1)) if exchanged else episodes
        views = set(model.views) - set(without)  # type: ignore[arg-type]
        missing = set(episodes.modalities) - views
        chosen = model(played.batch(range(80), without=missing)).logits.argmax(1).numpy()
        return Rollout((chosen == episodes.labels).astype(np.float64), episodes.clusters)


class OldTask(SmallTask):
    """Acts, but can't be asked to do so without a modality."""

    def act(  # type: ignore[override]  # what is tested is that this is refused
        self, model: nn.Module, seed: int, *, exchanged: str = ""
    ) -> Rollout | None:
        return super().act(model, seed, exchanged=exchanged)


def noisy(test: Examples, name: str, level: float) -> Examples:
    one = test.modalities[name]
    assert one.values is not None
    noise = np.random.default_rng(5).normal(0, 3 * level, one.values.shape)
    worse = Modality(one.variants, values=one.values + torch.from_numpy(noise).float())
    return Examples(test.keys, test.labels, test.clusters, {**test.modalities, name: worse})


class Broken(LateAverage):
    """Fails in its first forward."""

    class Config(LateAverage.Config):
        name: str = "small_tasks:Broken"

    def forward(self, tokens: Mapping[str, Tokens]) -> Tokens:
        raise RuntimeError("broken on purpose")


class Unbuildable(LateAverage):
    """Fails before that."""

    class Config(LateAverage.Config):
        name: str = "small_tasks:Unbuildable"

    def __init__(self, *given: Any):
        raise DataError("It takes no modalities.", where="small_tasks")


class Dying(LateAverage):
    """Kills the process it is in, each time, or only the first time where it finds a file."""

    class Config(LateAverage.Config):
        name: str = "small_tasks:Dying"
        once: str = ""

    def forward(self, tokens: Mapping[str, Tokens]) -> Tokens:
        once = self.config.once  # type: ignore[attr-defined]
        if not once or not Path(once).exists():
            if once:
                Path(once).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(tokens)


class Slow(LateAverage):
    """Takes its time."""

    class Config(LateAverage.Config):
        name: str = "small_tasks:Slow"
        pause: float = 0.02

    def forward(self, tokens: Mapping[str, Tokens]) -> Tokens:
        if self.training:
            time.sleep(self.config.pause)  # type: ignore[attr-defined]
        return super().forward(tokens)


class Huge(LateAverage):
    """Can't be made as small as the others."""

    class Config(LateAverage.Config):
        name: str = "small_tasks:Huge"
        knobs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *given: Any):
        super().__init__(*given)
        self.ballast = nn.Parameter(torch.zeros(1_000_000))
