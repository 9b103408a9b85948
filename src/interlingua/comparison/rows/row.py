"""What a comparison found of one method.

A *row* is a method: a fusion of all modalities or a single modality, trained with or without
modality dropout. Its figures are pooled over all folds and seeds; each thing is tested once for
each seed, intervals come from resampling clusters of things.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from interlingua.evaluate.calibration import Calibration
from interlingua.evaluate.intervals import Estimate

ALL = "all"  # the robustness curve of all modalities made worse at once


@dataclass(slots=True)
class Parameters:
    """How large a method's model is.

    Attributes:
        trained: all parameters that training changes: towers, fusion and head.
        fusion: of these, the fusion's and the head's: the part that is matched.
        frozen: of the frozen towers, the same for all; not in ``trained``.
        target: what ``fusion`` was matched to.
        matched: within 10 % of it.
        settings: of the fusion that were changed for it, by name.
    """

    trained: int
    fusion: int
    frozen: int
    target: int
    matched: bool
    settings: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Success:
    """How often a method that acts reached its goal in the simulator.

    Attributes:
        rate: over all episodes and seeds.
        by_seed: in the order of the seeds.
        exchanged: by modality, the rate with that modality taken from another episode.
        episodes: of one seed; all figures here are of the same ones.
        shapley: by modality, of success; they add up to the rate minus ``empty``. Empty where the
            row has one modality, or acting without a modality wasn't asked.
        empty: success of always doing the commonest action of training; nan where not asked.
    """

    rate: Estimate
    by_seed: list[float]
    exchanged: dict[str, Estimate]
    episodes: int
    shapley: dict[str, float] = field(default_factory=dict)
    empty: float = math.nan


@dataclass(slots=True)
class Costs:
    """What a method costs; the towers that are frozen are not in it.

    Attributes:
        batch_size: of a step.
        step_flops: of one training step, a multiply-add as two.
        answer_flops: of one answer.
        step_seconds: of one training step.
        answer_seconds: of one answer in a batch of ``batch_size``.
        alone_seconds: of one answer that comes alone (batch of 1).
        kept_bytes: kept for backward, for one training sample.
        state_bytes: parameters, gradients and the optimizer's state.
        times: of these, name -> multiple of the dearest single modality.
    """

    batch_size: int
    step_flops: float
    answer_flops: float
    step_seconds: float
    answer_seconds: float
    alone_seconds: float
    kept_bytes: float
    state_bytes: float
    times: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Robustness:
    """Accuracy while one modality, or ``all`` of them, get worse.

    Attributes:
        modality: its name, or ``all``.
        levels: 0 = as the test things are, 1 = nothing left.
        accuracy: at each.
        relative: area under the curve (MultiBench).
        effective: how far the curve lies above that of late averaging, moved to the same start,
            summed over the levels (MultiBench); nan where late averaging is not compared.
        relative_scaled, effective_scaled: both from 0 (worst fusion) to 1 (best).
    """

    modality: str
    levels: list[float]
    accuracy: list[Estimate]
    relative: float
    effective: float
    relative_scaled: float
    effective_scaled: float


@dataclass(slots=True)
class PresenceSuccess:
    """Success in the simulator where only some modalities are there.

    Attributes:
        rate: with these alone, over all episodes and seeds.
        single: the best row of a single modality among them, by success; empty if none acted.
        against_single: the rate minus that row's, paired by episode; None without it.
    """

    rate: Estimate
    single: str = ""
    against_single: Estimate | None = None


@dataclass(slots=True)
class Presence:
    """Accuracy, and where the methods act success, where only some modalities are there.

    Attributes:
        present: which.
        accuracy: with these alone.
        single: the best row of a single modality among ``present``; empty if none was trained.
        against_single: accuracy minus that row's, paired; None without it.
        success: None where there is nothing to act on, or it wasn't asked.
    """

    present: list[str]
    accuracy: Estimate
    single: str = ""
    against_single: Estimate | None = None
    success: PresenceSuccess | None = None


@dataclass(slots=True)
class Followed:
    """What a method does where modalities contradict each other.

    Attributes:
        name: which contradiction.
        n: things.
        by_modality: share of answers that are what this modality says.
        none: share of answers that no modality says.
    """

    name: str
    n: int
    by_modality: dict[str, Estimate]
    none: Estimate


@dataclass(slots=True)
class LearningCurve:
    """The training loss, mean over the runs.

    Attributes:
        steps: optimizer steps done.
        loss: cross entropy of the classes at that step, a batch of each run.
    """

    steps: list[int]
    loss: list[float]


@dataclass(slots=True)
class RunFacts:
    """One trained model.

    Attributes:
        fold, seed: of it.
        folder: relative to the comparison's folder.
        accuracy: on its fold.
        seconds: of training.
    """

    fold: int
    seed: int
    folder: str
    accuracy: float
    seconds: float


@dataclass(slots=True)
class Row:
    """One method.

    Attributes:
        key: its name, unique.
        fusion: name of the fusion; ``late_average`` for a single modality.
        title: for people.
        modalities: that it has.
        single: it has one modality only.
        dropout: chance that a training sample loses a modality; 0 = trained without.
        parameters, accuracy, success, costs: see there.
        by_seed: accuracy of each seed, in order of the runs' seeds.
        calibration: with bins for a chart.
        nll: mean negative log-likelihood with its interval, in nats.
        robustness: one for each modality and one for ``all``.
        presence: one for each set of modalities that isn't empty, the full one included.
        shapley: by modality; they add up to the full accuracy minus ``empty``.
        empty: value of the empty set: the majority's accuracy.
        followed: one for each contradiction.
        learning: the training loss.
        runs: in the order of seed and fold.
        seconds: training, mean of a run.
    """

    key: str
    fusion: str
    title: str
    modalities: list[str]
    single: bool
    dropout: float
    parameters: Parameters
    accuracy: Estimate
    by_seed: list[float]
    calibration: Calibration
    nll: Estimate
    presence: list[Presence]
    shapley: dict[str, float]
    empty: float
    robustness: list[Robustness]
    followed: list[Followed]
    learning: LearningCurve
    runs: list[RunFacts]
    seconds: float
    success: Success | None = None
    costs: Costs | None = None
