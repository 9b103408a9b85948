"""Classification judged: top-k, balanced accuracy, a row per class, confusion, calibration.

One judge for zero-shot, linear probe and nearest neighbours. Ties are broken at random, in
expectation, as in ``ranking``: a model that gives all classes the same score has exactly the
accuracy of chance.

Shape legend: N pictures, C classes, K values of k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from interlingua.errors import DataError
from interlingua.evaluate.calibration import Calibration, calibration
from interlingua.evaluate.confusion import IntArray, confusion
from interlingua.evaluate.intervals import (
    Estimate,
    FloatArray,
    Seed,
    bootstrap_mean,
    bootstrap_rates,
    wilson,
)
from interlingua.evaluate.ranking import first_right


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class.

    Attributes:
        name: of the class.
        n: its pictures.
        recall: the share of them that are right, with Wilson's interval; None without pictures.
        precision: the share of right ones among what was taken for it; None where nothing was.
    """

    name: str
    n: int
    recall: Estimate | None
    precision: float | None


@dataclass(frozen=True, slots=True)
class Classification:
    """How well pictures were told apart.

    Attributes:
        names: [C].
        n: N.
        accuracy: top-k with its interval, for each k.
        balanced: the mean recall of the classes that have pictures.
        chance: k / C, for each k.
        majority: the accuracy of always answering the commonest class.
        control: top-k with the classes' names dealt out anew; nan for a single class.
        rows: per class.
        matrix: [C, C] counts, row = true, column = predicted.
        calibration: None where the scores are no probabilities.
        hits: [N] for each k, of single pictures; not in the JSON.
    """

    names: tuple[str, ...]
    n: int
    accuracy: dict[int, Estimate]
    balanced: Estimate
    chance: dict[int, float]
    majority: float
    control: dict[int, Estimate]
    rows: tuple[ClassRow, ...]
    matrix: IntArray = field(repr=False, compare=False)
    calibration: Calibration | None
    hits: dict[int, FloatArray] = field(repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers; of the confusion matrix only what isn't zero."""
        true, taken = np.nonzero(self.matrix)
        return {
            "n": self.n,
            "classes": len(self.names),
            "accuracy": {str(k): value.to_json() for k, value in self.accuracy.items()},
            "balanced": self.balanced.to_json(),
            "chance": {str(k): value for k, value in self.chance.items()},
            "majority": self.majority,
            "control": {str(k): value.to_json() for k, value in self.control.items()},
            "calibration": self.calibration and self.calibration.to_json(),
            "per_class": [
                {
                    "name": row.name,
                    "n": row.n,
                    "recall": row.recall and row.recall.to_json(),
                    "precision": row.precision,
                }
                for row in self.rows
            ],
            "confusion": [
                [int(i), int(j), int(self.matrix[i, j])] for i, j in zip(true, taken, strict=True)
            ],
        }


def judge(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    names: Sequence[str],
    *,
    chances: npt.ArrayLike | None = None,
    clusters: npt.ArrayLike | None = None,
    ks: Sequence[int] = (1, 5),
    bootstrap: int = 1000,
    permutations: int = 20,
    seed: Seed = 0,
) -> Classification:
    """Judge scores by the true classes.

    Args:
        scores: [N, C], higher = likelier.
        labels: [N] numbers of classes.
        names: [C].
        chances: [N, C] probabilities, for calibration.
        clusters: [N]; pictures of one thing are resampled together. Each its own by default.
        ks: how many first answers count; those above C are left out.
        bootstrap: resamples.
        permutations: of the control.
        seed: of both.

    Raises:
        DataError: fewer than two classes, no picture, or a score that isn't finite.
        ValueError: shapes don't agree.
    """
    table, true = np.asarray(scores), np.asarray(labels, np.int64)
    num_classes = len(names)
    check(table, true, num_classes)
    ks = [k for k in ks if k <= num_classes]
    groups = np.arange(len(true)) if clusters is None else np.asarray(clusters)
    place = first_right(table, true, np.arange(num_classes))
    hits = {k: place.hit_within(k) for k in ks}
    rates = bootstrap_rates(
        np.stack(list(hits.values()), axis=1), groups, resamples=bootstrap, seed=seed
    )
    counts = np.bincount(true, minlength=num_classes)
    matrix = confusion(true, table.argmax(1), num_classes)
    first = place.hit_within(1)
    right = np.bincount(true, first, num_classes).astype(np.float64)
    return Classification(
        names=tuple(names),
        n=len(true),
        accuracy=dict(zip(ks, rates, strict=True)),
        balanced=_balanced(first, true, counts, groups, bootstrap, seed),
        chance={k: k / num_classes for k in ks},
        majority=float(counts.max() / len(true)),
        control=shuffled_names(
            table, true, groups, ks, permutations=permutations, bootstrap=bootstrap, seed=seed
        ),
        rows=_rows(names, counts, right, matrix),
        matrix=matrix,
        calibration=None if chances is None else calibration(chances, true),
        hits=hits,
    )


def shuffled_names(
    scores: npt.NDArray[Any],
    labels: IntArray,
    clusters: npt.NDArray[Any],
    ks: Sequence[int],
    *,
    permutations: int = 20,
    bootstrap: int = 1000,
    seed: Seed = 0,
) -> dict[int, Estimate]:
    """The control: top-k where each class bears the name of another.

    It falls to chance or below (nobody keeps their own name: a perfect model falls to 0).
    One that stays above rewards something other than the names.
    """
    num_classes = scores.shape[1]
    generator = np.random.default_rng(seed)
    total = np.zeros((len(labels), len(ks)))
    for _ in range(permutations):
        order = generator.permutation(num_classes)
        dealt = np.empty(num_classes, np.int64)
        dealt[order] = np.roll(order, 1)  # one cycle through all: nobody keeps their own
        place = first_right(scores, dealt[labels], np.arange(num_classes))
        total += np.stack([place.hit_within(k) for k in ks], axis=1)
    rates = bootstrap_rates(total / permutations, clusters, resamples=bootstrap, seed=seed)
    return dict(zip(ks, rates, strict=True))


def check(scores: npt.NDArray[Any], labels: IntArray, num_classes: int) -> None:
    """Refuse what can't be judged; raises as ``judge``."""
    if num_classes < 2:
        raise DataError(
            f"There is {'one class' if num_classes else 'no class'}; nothing can be told apart.",
            next_step="Give two classes or more.",
        )
    if not len(labels):
        raise DataError("There is no picture with a known class to judge by.")
    if scores.shape != (len(labels), num_classes):
        raise ValueError(f"{len(labels)} labels, {num_classes} names, scores {scores.shape}")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(f"labels are 0 to {num_classes - 1}")
    if not np.isfinite(scores).all():
        raise DataError(
            "The model gives vectors that are not finite.",
            next_step="Its weights are damaged, or training diverged: take an earlier checkpoint.",
        )


def _balanced(
    hits: FloatArray,
    labels: IntArray,
    counts: IntArray,
    clusters: npt.NDArray[Any],
    bootstrap: int,
    seed: Seed,
) -> Estimate:
    """The mean over classes as a weighted mean over pictures, so that clusters count here too."""
    if (hits == hits[0]).all():  # all right or all wrong: resampling would say it is certain
        return bootstrap_rates(hits[:, None], clusters, resamples=bootstrap, seed=seed)[0]
    weights = len(labels) / (np.count_nonzero(counts) * counts[labels])
    found = bootstrap_mean(hits * weights, clusters, resamples=bootstrap, seed=seed)
    return Estimate(found.value, max(0.0, found.low), min(1.0, found.high))


def _rows(
    names: Sequence[str], counts: IntArray, right: FloatArray, matrix: IntArray
) -> tuple[ClassRow, ...]:
    taken = matrix.sum(0)
    rows = []
    for number, name in enumerate(names):
        n = int(counts[number])
        recall = None
        if n:
            # under ties a fraction of a picture is right; the interval takes the whole number
            interval = wilson(round(right[number]), n)
            value = float(right[number]) / n
            recall = Estimate(value, min(interval.low, value), max(interval.high, value))
        precision = float(matrix[number, number] / taken[number]) if taken[number] else None
        rows.append(ClassRow(name, n, recall, precision))
    return tuple(rows)
