"""A task of one's own: a table whose columns name pictures, sounds and texts, or hold numbers.

What is asked is the column of the label. Frozen towers read media and texts, a small trained one
the numbers; rows that belong together are never divided between training and test.

Shape legend: N rows.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveFloat, model_validator

from interlingua.catalogue.cache import to_stderr
from interlingua.comparison.examples import Examples
from interlingua.comparison.own_table.checks import check_presence
from interlingua.comparison.own_table.columns import number_groups
from interlingua.comparison.own_table.division import Division, divided
from interlingua.comparison.own_table.media import OwnMedia
from interlingua.comparison.own_table.rows import own_rows
from interlingua.comparison.own_table.schema import TableSchema, modalities_of
from interlingua.comparison.task import Budget, Fold
from interlingua.config import NamedConfig
from interlingua.errors import DataError

IntArray = npt.NDArray[np.int64]

EPOCHS = 30  # that each run sees of its training rows, within these bounds of steps:
FEWEST_STEPS, MOST_STEPS, QUICK_STEPS = 150, 1500, 60


class Table:
    """Your own table (CSV, TSV, JSONL): columns of pictures, sounds, speech, texts and numbers."""

    class Config(NamedConfig):
        """Settings.

        Attributes:
            path: of the table.
            label: the column of the answers.
            root: what relative paths start from; the table's own folder if not given.
            pictures, sounds, speech, texts, numbers: columns of which it is said what they hold.
            number_groups: ``NAME=COLUMN,COLUMN``: numbers that are a modality of their own; all
                others together are ``numbers``.
            leave_out: columns that are not looked at.
            group: a column; rows with the same value are never divided.
            test_column: a column that says which rows are tested on (``test``, ``true``, ``1``).
            test_share: one division with this share of the rows to test on; 0 = folds.
            folds: divisions; fewer are made of few rows.
            min_rows: classes with fewer independent rows are left out; 0 = refuse the table.
            levels: of damage, for the robustness curves.
            steps, batch_size: of each run; 0 = by the number of rows.
            longest_sound: seconds; longer sounds are cut.
            division: seed of the folds, the same for all runs.
            quick: one division, few steps, three levels.
        """

        folder: ClassVar[str] = "comparison.tasks"
        name: str = "table"
        path: Path
        label: str
        root: Path | None = None
        pictures: tuple[str, ...] = ()
        sounds: tuple[str, ...] = ()
        speech: tuple[str, ...] = ()
        texts: tuple[str, ...] = ()
        numbers: tuple[str, ...] = ()
        number_groups: tuple[str, ...] = ()
        leave_out: tuple[str, ...] = ()
        group: str = ""
        test_column: str = ""
        test_share: float = Field(default=0.0, ge=0, lt=1)
        folds: int = Field(default=5, ge=2)
        min_rows: int = Field(default=0, ge=0)
        levels: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
        steps: int = Field(default=0, ge=0)
        batch_size: int = Field(default=0, ge=0)
        longest_sound: PositiveFloat = 10.0
        division: int = 0
        quick: bool = False

        @model_validator(mode="after")
        def _one_division(self) -> Table.Config:
            if self.test_column and self.test_share:
                raise ValueError("give test_column or test_share, not both")
            rising = self.levels == tuple(sorted(set(self.levels)))
            if not rising or self.levels[:1] != (0.0,) or self.levels[-1] > 1.0:
                raise ValueError("levels rise from 0 to at most 1")
            return self

    def __init__(self, config: Table.Config):
        self.config = config
        self.name = "table"
        path = config.path.expanduser()
        self.root = (config.root or path.parent).expanduser()
        self._where = str(path)
        rows = own_rows(
            path,
            config.label,
            self.root,
            {
                "--picture": config.pictures,
                "--sound": config.sounds,
                "--speech": config.speech,
                "--text": config.texts,
                "--number": config.numbers,
                "--leave-out": config.leave_out,
                "--group": (config.group,) if config.group else (),
                "--test-column": (config.test_column,) if config.test_column else (),
            },
            config.min_rows,
        )
        self._notes = rows.notes
        self.columns, self._labels, self._groups = rows.columns, rows.labels, rows.groups
        self.classes = rows.classes
        self.schema = TableSchema(
            label=config.label,
            classes=self.classes,
            modalities=modalities_of(
                self.columns,
                rows.kinds,
                number_groups(config.number_groups, rows.kinds),
                self.root,
                config.longest_sound,
            ),
        )
        self._check_modalities()
        self.towers = self.schema.towers(self.columns)
        self._fold_of, told = divided(
            self.columns,
            self._labels,
            self._groups,
            Division(config.folds, config.test_column, config.test_share, config.division),
        )
        self._notes += told
        self._check_division()
        self.folds = 1 if config.quick else int(self._fold_of.max()) + 1
        self.levels = (0.0, 0.5, 1.0) if config.quick else config.levels
        self.budget = self._budget()
        self.title = (
            f"{config.label} of {len(self.columns):,} rows of {path.name}, from "
            f"{', '.join(self.towers)}"
        )

    @property
    def notes(self) -> list[str]:
        """What the reader must know; reads the media, to say which can't be read."""
        return [*self._notes, *self._media.notes()]

    def fold(self, number: int, seed: int) -> Fold:
        """See ``FusionTask``; the division is the same for all seeds.

        Raises:
            DataError: a modality can be read on one side only.
        """
        train, test = self._sides(number)
        for name in self.towers:
            check_presence(name, self._media.there(name), train, test, self._where, "")
        whole = self._examples(0.0)
        degraded = {
            name: {
                level: replace(
                    whole,
                    modalities={**whole.modalities, name: self._media.at(level)[name]},
                ).take(test)
                for level in self.levels
            }
            for name in self.towers
        }
        of_train = self.schema.towers(self.columns.take(train.tolist()))
        return Fold(
            train=whole.take(train),
            test=whole.take(test),
            degraded=degraded,
            towers={name: use for name, use in of_train.items() if not use.frozen},
        )

    @cached_property
    def _media(self) -> OwnMedia:
        return OwnMedia(
            self.columns, self.root, self.schema.modalities, self.towers, self.levels, to_stderr
        )

    def _examples(self, level: float) -> Examples:
        name = self.columns.path.stem
        return Examples(
            keys=[f"{name}:{line}" for line in self.columns.lines],
            labels=self._labels,
            clusters=self._groups,
            modalities=self._media.at(level),
        )

    def _check_modalities(self) -> None:
        if len(self.schema.modalities) < 2:
            only = self.schema.modalities[0]
            raise DataError(
                f"There is one modality, {only.name!r} ({', '.join(map(repr, only.columns))}): "
                "nothing to fuse.",
                where=self._where,
                next_step="Add a column of pictures, sounds or texts, or divide columns of "
                "numbers: --number-group NAME=COLUMN,COLUMN.",
            )

    def _check_division(self) -> None:
        """Refuse a division with a class or a modality on one side only."""
        for number in range(int(self._fold_of.max()) + 1):
            train, test = self._sides(number)
            learned = set(self._labels[train].tolist())
            unseen = sorted(set(self._labels[test].tolist()) - learned)
            part = f" of fold {number + 1}" if self._fold_of.max() else ""
            if unseen:
                raise DataError(
                    f"Classes of the test rows{part} have no training row: "
                    f"{', '.join(repr(self.classes[one]) for one in unseen[:6])}.",
                    where=self._where,
                    next_step="Add rows of them, or leave small classes out with --min-rows.",
                )
            for one in self.schema.modalities:
                cells = zip(*(self.columns.cells[name] for name in one.columns), strict=True)
                there = np.array([any(cell is not None for cell in row) for row in cells])
                check_presence(one.name, there, train, test, self._where, part)

    def _sides(self, number: int) -> tuple[IntArray, IntArray]:
        tested = self._fold_of == number
        return np.flatnonzero(~tested), np.flatnonzero(tested)

    def _budget(self) -> Budget:
        train = len(self._sides(0)[0])
        batch_size = self.config.batch_size or int(np.clip(train // 4, 16, 128))
        steps = self.config.steps or int(
            np.clip(EPOCHS * train / batch_size, FEWEST_STEPS, MOST_STEPS)
        )
        if self.config.quick and not self.config.steps:
            steps = QUICK_STEPS
        return Budget(steps=steps, batch_size=batch_size)
