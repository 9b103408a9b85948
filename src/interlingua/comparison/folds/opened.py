"""The folds of a task as they are used: checked, with a name for their data, one at a time."""

from __future__ import annotations

from dataclasses import dataclass

from interlingua.comparison.checks import check_fold
from interlingua.comparison.folds.digest import fold_digest
from interlingua.comparison.task import Fold, FusionTask


@dataclass(slots=True)
class OpenFold:
    """A fold that was checked, and the name of its data."""

    number: int
    seed: int
    fold: Fold
    digest: str


class Folds:
    """The folds of a task; the last one is kept, since its jobs come one after another."""

    def __init__(self, task: FusionTask):
        self.task = task
        self._last: OpenFold | None = None

    def open(self, number: int, seed: int) -> OpenFold:
        """One fold.

        Raises:
            DataError: it can't be learned from or measured on.
        """
        last = self._last
        if last is None or (last.number, last.seed) != (number, seed):
            self._last = None  # the memory is free before the next one comes
            fold = self.task.fold(number, seed)
            check_fold(self.task, fold, number)
            last = self._last = OpenFold(number, seed, fold, fold_digest(fold))
        return last
