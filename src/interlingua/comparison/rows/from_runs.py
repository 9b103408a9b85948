"""From the runs of a method to its row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from interlingua.comparison.methods.plan import Method
from interlingua.comparison.rows.pooled import Episodes, FloatArray, Of, Pooled
from interlingua.comparison.rows.row import Costs, Followed, LearningCurve, Row, RunFacts, Success
from interlingua.comparison.runs.record import Record
from interlingua.evaluate.calibration import SMALLEST, calibration, probabilities
from interlingua.evaluate.intervals import Estimate, bootstrap_mean, bootstrap_rates

Folders = Mapping[tuple[int, int], str]  # by seed and fold


def row_of(method: Method, pooled: Pooled, folders: Folders, costs: Costs | None) -> Row:
    """A row without what needs other rows: presence, Shapley values and robustness are empty."""
    records = list(pooled.records.values())
    logits = np.concatenate([one.logits for one in records])
    labels = np.concatenate([one.labels for one in records])
    chances = probabilities(logits, 1.0)
    truth = chances[np.arange(len(labels)), labels]
    surprise = -np.log(np.maximum(truth, SMALLEST))
    return Row(
        key=method.key,
        fusion=method.fusion.name,
        title=method.title,
        modalities=list(method.modalities),
        single=method.single,
        dropout=method.dropout,
        parameters=method.parameters,
        accuracy=pooled.rate(Record.right),
        by_seed=pooled.by_seed(Record.right),
        calibration=calibration(chances, labels),
        nll=bootstrap_mean(surprise, pooled.clusters()),
        presence=[],
        shapley={},
        empty=float(pooled.values(majority).mean()),
        robustness=[],
        followed=followed_of(pooled),
        learning=curve_of(records),
        runs=[
            RunFacts(fold, seed, folders[seed, fold], float(one.right().mean()), one.seconds)
            for (seed, fold), one in pooled.records.items()
        ],
        seconds=float(np.mean([one.seconds for one in records])),
        success=success_of(pooled),
        costs=costs,
    )


def majority(record: Record) -> FloatArray:
    """[N] 1 where the commonest class of training is right."""
    return np.asarray(record.labels == record.majority, np.float64)


def success_of(pooled: Pooled) -> Success | None:
    """What acting gave; None where the task has nothing to act on."""
    plain = pooled.episodes()
    if plain is None:
        return None
    exchanged = {}
    for name in pooled.first.success:
        found = pooled.episodes(name)
        if name and found is not None:
            exchanged[name] = success_rate(found)
    by_seed = []
    for seed in pooled.seeds:
        some = Pooled({unit: one for unit, one in pooled.records.items() if unit[0] == seed})
        of_seed = some.episodes()
        by_seed.append(math.nan if of_seed is None else float(of_seed[0].mean()))
    return Success(
        rate=success_rate(plain),
        by_seed=by_seed,
        exchanged=exchanged,
        episodes=len(pooled.first.success[""].success),
    )


def followed_of(pooled: Pooled) -> list[Followed]:
    """Whose answer is followed, for each contradiction."""
    found = []
    for name, first in pooled.first.says.items():
        records = [one for one in pooled.records.values() if name in one.says]
        clusters = np.concatenate([one.says[name].clusters for one in records])
        modalities = list(first.by_modality)
        agrees = np.stack(
            [
                np.concatenate(
                    [one.followed(name) == one.says[name].by_modality[modality] for one in records]
                )
                for modality in modalities
            ],
            axis=1,
        )  # [N', M]
        table = np.column_stack([agrees, ~agrees.any(1)]).astype(np.float64)
        *by_modality, none = bootstrap_rates(table, clusters)
        found.append(
            Followed(
                name=name,
                n=len(first.clusters),
                by_modality=dict(zip(modalities, by_modality, strict=True)),
                none=none,
            )
        )
    return found


def curve_of(records: Sequence[Record]) -> LearningCurve:
    """The mean loss at the steps that all runs have."""
    steps = sorted(set.intersection(*(set(one.steps) for one in records)))
    losses = [dict(zip(one.steps, one.loss, strict=True)) for one in records]
    return LearningCurve(steps, [float(np.mean([one[step] for one in losses])) for step in steps])


def present_right(present: Sequence[str]) -> Of:
    """[N] whether the answer is right with these modalities alone."""
    return lambda record: record.right_with(list(present))


def right_at(modality: str, level: float) -> Of:
    """[N] whether the answer is right with a modality at a level."""
    return lambda record: record.right_at(modality, level)


def success_rate(episodes: Episodes) -> Estimate:
    """The share of episodes that reached the goal, with its interval."""
    success, clusters = episodes
    return bootstrap_rates(success[:, None], clusters)[0]
