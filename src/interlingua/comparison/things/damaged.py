"""Things whose modalities are there at known levels of damage, and folds of them.

Shape legend: N things, V variants of a modality, L levels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from interlingua.comparison.examples import Examples, Modality
from interlingua.comparison.task import Contradiction, Fold
from interlingua.data.degrade import generator

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

CURVE = (0.0, 0.25, 0.5, 0.75, 1.0)  # the levels that ``Fold.degraded`` has


class VariantTable(Protocol):
    """One modality of N things at some levels, as ``states.table.StateTable`` is."""

    def at(self, level: float) -> IntArray:
        """[N, any] the rows of a level."""

    def modality(self, rows: IntArray | None = None) -> Modality:
        """These rows, or all variants."""


@dataclass(slots=True)
class DamagedThings:
    """See the module's text.

    Attributes:
        keys: of N things.
        labels, clusters: [N].
        tables: by modality.
        train_levels: training draws one of their variants each time, each modality on its own.
        test_levels: by modality, [N] the level that each thing is tested at.
        fold_of: [N] the fold that each thing is tested in.
    """

    keys: list[str]
    labels: IntArray
    clusters: IntArray
    tables: Mapping[str, VariantTable]
    train_levels: Sequence[float]
    test_levels: Mapping[str, FloatArray]
    fold_of: IntArray

    def fold(self, number: int, *, contradicting: bool = False) -> Fold:
        """Training things in all variants; test things at their levels, and made worse.

        ``degraded[modality][level]`` has that modality at no less than ``level``: 0 is as the test
        has it, 1 leaves nothing.

        Args:
            number: of the fold.
            contradicting: add ``contradictions``: by modality, the test things whose one modality
                is that of a test thing with another answer.
        """
        train = np.flatnonzero(self.fold_of != number)
        test = np.flatnonzero(self.fold_of == number)
        tested = self.at(self.test_levels)
        degraded = {
            name: {level: self.at(self._worse(name, level)).take(test) for level in CURVE}
            for name in self.tables
        }
        return Fold(
            train=self._examples({name: self.variants(name) for name in self.tables}).take(train),
            test=tested.take(test),
            degraded=degraded,
            contradictions=self._contradictions(tested.take(test)) if contradicting else {},
        )

    def at(self, levels: Mapping[str, FloatArray]) -> Examples:
        """All things, each modality at these levels [N]."""
        return self._examples({name: self.rows_at(name, levels[name]) for name in self.tables})

    def rows_at(self, modality: str, levels: FloatArray) -> IntArray:
        """[N, 1] the row of each thing at its level, the first damage of that level."""
        rows = np.empty((len(self.keys), 1), np.int64)
        for level in np.unique(levels):
            things = np.flatnonzero(levels == level)
            rows[things, 0] = self.tables[modality].at(float(level))[things, 0]
        return rows

    def variants(self, modality: str) -> IntArray:
        """[N, V] rows of the training levels, equally many of each level."""
        columns = [self.tables[modality].at(level) for level in self.train_levels]
        most = max(rows.shape[1] for rows in columns)
        return np.concatenate([np.resize(rows.T, (most, len(rows))).T for rows in columns], axis=1)

    def _worse(self, modality: str, level: float) -> dict[str, FloatArray]:
        worse = np.maximum(self.test_levels[modality], level)
        return {**self.test_levels, modality: worse}

    def _examples(self, rows: Mapping[str, IntArray]) -> Examples:
        modalities = {name: table.modality(rows[name]) for name, table in self.tables.items()}
        return Examples(self.keys, self.labels, self.clusters, modalities)

    def _contradictions(self, test: Examples) -> dict[str, Contradiction]:
        found = {}
        for name in self.tables:
            others = others_with_another_answer(test, name)
            says = dict.fromkeys(self.tables, test.labels)
            says[name] = test.labels[others]
            found[name] = Contradiction(test.exchanged(name, others), says)
        return found


def all_levels(levels: Sequence[float]) -> tuple[float, ...]:
    """What a table must have for training and testing at these levels, and for the curve."""
    worse = (max(level, other) for level in levels for other in CURVE)
    return tuple(sorted({*levels, *worse}))


def drawn_levels(
    keys: Sequence[str], levels: Sequence[float], modality: str, seed: int = 0
) -> FloatArray:
    """[N] one of L levels for each thing, each equally likely, by its key and the modality."""
    return np.array(
        [levels[int(generator(seed, "level", modality, key).integers(len(levels)))] for key in keys]
    )


def others_with_another_answer(examples: Examples, *names: object) -> IntArray:
    """[N] for each thing the number of one with another label, by keys and ``names`` alone.

    A thing whose like has no other label in ``examples`` keeps its own.
    """
    labels = examples.labels
    others = np.arange(len(labels))
    for thing, key in enumerate(examples.keys):
        different = np.flatnonzero(labels != labels[thing])
        if len(different):
            others[thing] = different[generator(*names, key).integers(len(different))]
    return others
