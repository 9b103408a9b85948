"""The runs of one method as one: pooled over folds and seeds, with intervals.

Each thing is tested once for each seed. Its answers of all seeds lie in one cluster, so an interval
is as wide as the number of different things allows; how far seeds differ stands beside it.

Shape legend: N test things of all runs, K statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlingua.comparison.runs.record import Record
from interlingua.comparison.task import Rollout
from interlingua.evaluate.intervals import Estimate, bootstrap_means, bootstrap_rates

FloatArray = npt.NDArray[np.float64]
Unit = tuple[int, int]  # seed and fold
Of = Callable[[Record], FloatArray]
Episodes = tuple[FloatArray, npt.NDArray[np.int64]]  # success and clusters of each


@dataclass(slots=True)
class Pooled:
    """The records of one method.

    Attributes:
        records: by seed and fold, in their order.
    """

    records: dict[Unit, Record]

    @classmethod
    def of(cls, records: Sequence[Record]) -> Pooled:
        """From records in any order."""
        return cls({(one.seed, one.fold): one for one in sorted(records, key=_unit)})

    @property
    def first(self) -> Record:
        """Any of them: what is the same for all can be asked of it."""
        return next(iter(self.records.values()))

    @property
    def seeds(self) -> list[int]:
        """In order."""
        return list(dict.fromkeys(seed for seed, _ in self.records))

    def values(self, of: Of, units: Sequence[Unit] | None = None) -> FloatArray:
        """[N] of all runs one after another."""
        chosen = self.records if units is None else units
        return np.concatenate([of(self.records[unit]) for unit in chosen])

    def clusters(self, units: Sequence[Unit] | None = None) -> npt.NDArray[np.int64]:
        """[N] of the test things."""
        chosen = self.records if units is None else units
        return np.concatenate([self.records[unit].clusters for unit in chosen])

    def rate(self, of: Of) -> Estimate:
        """The mean of values in 0..1 of the test things, with its interval."""
        return self.rates([of])[0]

    def rates(self, of: Sequence[Of]) -> list[Estimate]:
        """Several at once, which share their resamples."""
        if not of:
            return []
        return bootstrap_rates(np.stack([self.values(one) for one in of], 1), self.clusters())

    def by_seed(self, of: Of) -> list[float]:
        """The mean for each seed."""
        return [
            float(self.values(of, [unit for unit in self.records if unit[0] == seed]).mean())
            for seed in self.seeds
        ]

    def episodes(self, exchanged: str = "") -> Episodes | None:
        """Success and clusters of all episodes; None where there are none."""
        return _joined([one.success.get(exchanged) for one in self.records.values()])

    def episodes_with(self, present: Sequence[str]) -> Episodes | None:
        """The same with these modalities alone; None where a run was not asked that."""
        rollouts = [one.acted_with(present) for one in self.records.values()]
        return None if any(one is None for one in rollouts) else _joined(rollouts)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two methods to be compared: the mean of ``a`` of one minus ``b`` of the other."""

    one: Pooled
    other: Pooled
    a: Of
    b: Of


def paired(pairs: Sequence[Pair]) -> list[Estimate | None]:
    """The differences on the things that both were tested on; None where there are none.

    Pairs with the same runs share their resamples, which is most of the work.
    """
    found: list[Estimate | None] = [None] * len(pairs)
    groups: dict[tuple[Unit, ...], list[int]] = {}
    for number, pair in enumerate(pairs):
        common = tuple(unit for unit in pair.one.records if unit in pair.other.records)
        if common:
            groups.setdefault(common, []).append(number)
    for units, numbers in groups.items():
        table = np.stack(
            [
                pairs[number].one.values(pairs[number].a, units)
                - pairs[number].other.values(pairs[number].b, units)
                for number in numbers
            ],
            axis=1,
        )  # [N, K]
        estimates = bootstrap_means(table, pairs[numbers[0]].one.clusters(units))
        for number, estimate in zip(numbers, estimates, strict=True):
            found[number] = estimate
    return found


def paired_success(
    one: Pooled, other: Pooled, present: Sequence[str] | None = None
) -> Estimate | None:
    """The difference in success on the episodes that both acted in; None where there are none.

    Args:
        one: of these the success with ``present`` alone, or with all that they have.
        other: these with all that they have.
        present: modalities of ``one``.
    """
    values, clusters = [], []
    for unit, record in one.records.items():
        first = record.acted_with(record.modalities if present is None else present)
        second = other.records[unit].success.get("") if unit in other.records else None
        if first is None or second is None:
            continue
        if not np.array_equal(first.clusters, second.clusters):
            return None
        values.append(first.success - second.success)
        clusters.append(first.clusters)
    if not values:
        return None
    return bootstrap_means(np.concatenate(values)[:, None], np.concatenate(clusters))[0]


def _joined(rollouts: Sequence[Rollout | None]) -> Episodes | None:
    """One after another; None where there are none."""
    there = [one for one in rollouts if one is not None]
    if not there:
        return None
    return (
        np.concatenate([one.success for one in there]),
        np.concatenate([one.clusters for one in there]),
    )


def _unit(record: Record) -> Unit:
    return record.seed, record.fold
