"""The contract of a task on which fusions are compared.

A task says what its modalities are (a tower each, trained or frozen), what the answers are, and
gives folds whose test things share nothing with the training things. How hard each modality is to
read is in its hands: ``Fold.degraded`` gives the test things with one modality made worse by a
known amount.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from torch import nn

from interlingua.comparison.examples import Examples, IntArray
from interlingua.models.tower_use import TowerUse

FloatArray = npt.NDArray[np.float64]


@dataclass(slots=True)
class Budget:
    """What every fusion gets, the same for all.

    Attributes:
        steps: optimizer steps of a run.
        batch_size: of a step.
        learning_rate: at its highest.
        modality_dropout: of the runs that are to survive the loss of a modality.
        weight_decay: of AdamW.
        smoothing: of the labels; 0 leaves the calibration as training makes it.
    """

    steps: int
    batch_size: int = 128
    learning_rate: float = 1e-3
    modality_dropout: float = 0.3
    weight_decay: float = 0.01
    smoothing: float = 0.0


@dataclass(slots=True)
class Contradiction:
    """Things whose modalities say different answers.

    Attributes:
        examples: N of them.
        says: by modality, [N] the class that it alone stands for.
    """

    examples: Examples
    says: Mapping[str, IntArray]


@dataclass(slots=True)
class Fold:
    """One division of a task.

    Attributes:
        train, test: things; no cluster is in both.
        degraded: ``[modality][level]`` the test things with one modality made worse; a level is
            a number from 0 (as ``test`` has it) to 1 (nothing left), in rising order.
        contradictions: by name, what is asked whose answer is followed.
        towers: by modality, instead of the task's own: such as carry statistics of ``train``.
    """

    train: Examples
    test: Examples
    degraded: Mapping[str, Mapping[float, Examples]] = field(default_factory=dict)
    contradictions: Mapping[str, Contradiction] = field(default_factory=dict)
    towers: Mapping[str, TowerUse] = field(default_factory=dict)


@dataclass(slots=True)
class Rollout:
    """What acting gave, where a task is to act: one value for each of E episodes.

    Attributes:
        success: [E] 1 = reached the goal.
        clusters: [E].
    """

    success: FloatArray
    clusters: npt.NDArray[np.int64]


class FusionTask(Protocol):
    """See the module's text.

    Attributes:
        name: for tables and folders.
        title: one line for people: what is asked, of what.
        towers: by modality, in order.
        classes: the answers.
        budget: of one run.
        folds: how many.
        notes: what the reader must know, e.g. what was left out and why.

    A task in which there is something to act keeps ``ActingTask`` too. A task may have
    ``fusions``, by name the settings with which it takes a fusion that is asked for by its name
    alone; parameters are matched from there.
    """

    name: str
    title: str
    towers: dict[str, TowerUse]
    classes: tuple[str, ...]
    budget: Budget
    folds: int
    notes: list[str]

    def fold(self, number: int, seed: int) -> Fold:
        """One division; the same number and seed give the same things in every process."""


@runtime_checkable
class ActingTask(Protocol):
    """A task in which a trained model acts, so that success is measured beside its answers.

    It may have ``controls``, the modalities that ``act`` is asked to exchange; all of them where
    it has none.
    """

    def act(
        self,
        model: nn.Module,
        seed: int,
        *,
        exchanged: str = "",
        without: Collection[str] = (),
    ) -> Rollout | None:
        """Act on unseen episodes with a trained model; None where these settings have none.

        Args:
            model: in eval mode, with ``views``, the modalities that it takes, and called with a
                batch as a ``FusedClassifier`` is.
            seed: of the run; the episodes are the same for all.
            exchanged: a modality that is taken from another episode (the control).
            without: modalities that the model does not get; it may be all of them.
        """
