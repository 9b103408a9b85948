"""What a trained model answers: whole, with modalities missing or worse, and in contradictions.

Shape legend: N things, C classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from interlingua.comparison.examples import Examples, IntArray
from interlingua.comparison.rows.row import ALL
from interlingua.comparison.task import Fold
from interlingua.models.fused_classifier import FusedClassifier

Logits = npt.NDArray[np.float32]
AT_ONCE = 512  # things in a batch
EXCHANGED_LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)


def prior_of(labels: IntArray, classes: int) -> Logits:
    """[C] log-frequencies of the classes, one of each added: the answer where nothing is there."""
    counts = np.bincount(labels, minlength=classes) + 1.0
    return np.asarray(np.log(counts / counts.sum()), np.float32)


def having(examples: Examples, modalities: Collection[str]) -> IntArray:
    """The numbers of the things that have one of these modalities at least."""
    there = np.zeros(len(examples), bool)
    for name in modalities:
        if name in examples.modalities:
            there |= examples.modalities[name].variants[:, 0] >= 0
    return np.flatnonzero(there)


@torch.inference_mode()
def answers(
    model: FusedClassifier, examples: Examples, prior: Logits, present: Collection[str] = ()
) -> Logits:
    """[N, C] logits, of the first variants.

    Args:
        model: in eval mode.
        examples: the things.
        prior: [C] what is answered of a thing that has none of the modalities.
        present: of the model's modalities, those that are there; none named = all of them.
    """
    used = set(present or model.views)
    without = set(examples.modalities) - used
    rows = having(examples, used)
    logits = np.repeat(prior[None], len(examples), 0)
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        logits[some] = model(examples.batch(some, without=without)).logits.float().numpy()
    return logits


def presence_name(present: Sequence[str]) -> str:
    """The name of the answers, or the acting, with these modalities alone."""
    return f"present {'+'.join(present)}"


def level_name(modality: str, level: float) -> str:
    """The name of the answers with a modality, or all of them, at a level."""
    return f"level {modality} {level:g}"


def contradiction_name(name: str) -> str:
    """The name of the answers to a contradiction."""
    return f"contradiction {name}"


def conditions(
    fold: Fold, modalities: Sequence[str], worse: Mapping[str, Mapping[float, Examples]]
) -> Iterator[tuple[str, Examples, tuple[str, ...]]]:
    """Name, things and modalities that are there, of everything that is measured beside ``test``.

    Args:
        fold: of the task.
        modalities: of the model.
        worse: see ``made_worse``.
    """
    for size in range(1, len(modalities)):
        for present in itertools.combinations(modalities, size):
            yield presence_name(present), fold.test, present
    for modality, levels in worse.items():
        for level, examples in levels.items():
            if level > 0:
                yield level_name(modality, level), examples, ()
    for name, one in fold.contradictions.items():
        if set(one.says) & set(modalities):
            yield contradiction_name(name), one.examples, ()


def made_worse(
    fold: Fold, modalities: Sequence[str], number: int = 0
) -> dict[str, dict[float, Examples]]:
    """Test things by modality and level, and under ``all`` with every modality at that level.

    Args:
        fold: gives the levels; where it gives none, a level is the share of things that get this
            modality of another thing.
        modalities: of the model; with one of them there is no ``all``.
        number: of the fold, which decides who gets whose.
    """
    given = fold.degraded or exchanged_levels(fold.test, number)
    worse = {
        name: {0.0: fold.test, **dict(sorted(given[name].items()))}
        for name in modalities
        if name in given
    }
    if len(modalities) > 1 and len(worse) == len(modalities):
        common = set.intersection(*(set(levels) for levels in worse.values()))
        worse[ALL] = {
            level: _joined(fold.test, {name: worse[name][level] for name in modalities})
            for level in sorted(common)
        }
    return worse


def exchanged_levels(test: Examples, number: int) -> dict[str, dict[float, Examples]]:
    """A growing share of the things get a modality of another thing; the same for all methods."""
    levels: dict[str, dict[float, Examples]] = {}
    for place, name in enumerate(sorted(test.modalities)):
        order = np.random.default_rng((number, place)).permutation(len(test))
        levels[name] = {}
        for level in EXCHANGED_LEVELS:
            chosen = order[: round(level * len(test))]
            rows = np.arange(len(test))
            rows[chosen] = np.roll(chosen, 1)
            levels[name][level] = test.exchanged(name, rows)
    return levels


def _joined(test: Examples, worse: Mapping[str, Examples]) -> Examples:
    """The test things with each modality from another set."""
    return Examples(
        keys=test.keys,
        labels=test.labels,
        clusters=test.clusters,
        modalities={name: one.modalities[name] for name, one in worse.items()},
    )
