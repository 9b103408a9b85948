"""Complement of digits: the two halves of a handwritten digit, each with pixels hidden on its own.

The left half and the right half are two modalities: either tells most digits, and what one has
lost the other may have. Two pixels, one above the other, make one number, a half has sixteen of
them, and each is a token; a hidden one is a missing number, so that the amount that is hidden is
exact. Towers are small and trained with the fusion.

Data: the 1,797 digits of scikit-learn, 8 x 8 pixels of 0 to 16, the test part of the UCI set
(Alpaydin & Kaynak 1998, "Optical recognition of handwritten digits"). Who wrote which is not told.

Shape legend: N digits, V variants of each, K = 16 numbers of a half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from interlingua.comparison.examples import Modality
from interlingua.comparison.folds.grouped import grouped_folds
from interlingua.comparison.states.damage import variants_of
from interlingua.comparison.task import Budget, Fold
from interlingua.comparison.things.damaged import DamagedThings, all_levels, drawn_levels
from interlingua.config import NamedConfig
from interlingua.data.degrade import drop_numbers, generator
from interlingua.errors import MissingExtraError
from interlingua.models.tower_use import TowerUse
from interlingua.towers.number_columns import NumberColumns

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

PIXELS = 16  # of a half, each of 2 x 1 of the picture's
MEAN, STD = 4.884, 5.536  # of all of them in all digits; one pair, because corners never vary


@dataclass(slots=True)
class PixelTable:
    """A half of N digits at some levels, as a ``VariantTable``.

    Attributes:
        values: [N x V, K] float32, NaN where a pixel is hidden.
        variants: (level, draw) of each of the V.
    """

    values: Tensor
    variants: list[tuple[float, int]]

    def at(self, level: float) -> IntArray:
        """[N, draws] the rows of a level."""
        return self._rows()[
            :, [number for number, one in enumerate(self.variants) if one[0] == level]
        ]

    def modality(self, rows: IntArray | None = None) -> Modality:
        """These rows, or all variants."""
        return Modality(self._rows() if rows is None else rows, values=self.values)

    def _rows(self) -> IntArray:
        return np.arange(len(self.values)).reshape(-1, len(self.variants))


class ComplementDigits:
    """See the module's text."""

    class Config(NamedConfig):
        """Settings.

        Attributes:
            quick: fewer steps and folds.
            levels: shares of a half's pixels that are hidden in training and testing, each
                equally likely.
            draws: hidings of each level that training draws from.
            width: of the towers' tokens.
            most: digits that are used, from the first; all 1,797 if there are no more.
            folds: of the division.
        """

        folder: ClassVar[str] = "comparison.tasks"
        name: str = "complement_digits"
        quick: bool = False
        levels: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75)
        draws: PositiveInt = 8
        width: PositiveInt = 32
        most: PositiveInt = 1_797
        folds: int = Field(default=5, ge=2)

    def __init__(self, config: Config):
        self.config = config
        self.name = config.name
        pictures, labels = load_digits(config.most)
        self.classes = tuple(str(digit) for digit in range(10))
        tower = NumberColumns.Config(mean=(MEAN,) * PIXELS, std=(STD,) * PIXELS, width=config.width)
        self.towers = {name: TowerUse(tower=tower) for name in ("left", "right")}
        self.folds = 2 if config.quick else config.folds
        self.budget = Budget(steps=80 if config.quick else 400, batch_size=64, learning_rate=3e-3)
        self.title = (
            f"{len(labels):,} handwritten digits, pixels of the left and of the right half hidden: "
            "which digit?"
        )
        keys = [f"digit {number}" for number in range(len(labels))]
        lower = pictures.reshape(-1, 4, 2, 8).mean(axis=2)  # [N, 4, 8]
        clusters = equal_pictures(pictures)
        halves = {"left": lower[:, :, :4], "right": lower[:, :, 4:]}
        self.damaged = DamagedThings(
            keys=keys,
            labels=labels,
            clusters=clusters,
            tables={
                name: hidden_pixels(half.reshape(len(half), -1), name, config)
                for name, half in halves.items()
            },
            train_levels=config.levels,
            test_levels={name: drawn_levels(keys, config.levels, name) for name in halves},
            fold_of=grouped_folds(labels, clusters, config.folds),
        )
        shares = ", ".join(f"{level:.0%}" for level in config.levels)
        self.notes = [
            f"Each half of a test digit has {shares} of its 16 pixels hidden, drawn by its number, "
            "each share equally likely, both halves independently; training draws anew each time.",
            "The data don't tell who wrote a digit, so a writer may be in training and test.",
        ]

    def fold(self, number: int, seed: int) -> Fold:
        """See ``FusionTask``; the division and the tested damage are the same for all seeds."""
        return self.damaged.fold(number)


def load_digits(most: int) -> tuple[FloatArray, IntArray]:
    """[N, 8, 8] pixels from 0 to 16, and [N] which digits.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise MissingExtraError(
            "scikit-learn", "digits", "The task of handwritten digits"
        ) from error
    found: Any = datasets.load_digits()
    return found.images[:most].astype(np.float64), found.target[:most].astype(np.int64)


def equal_pictures(pictures: FloatArray) -> IntArray:
    """[N] a number for each, the same for the same pixels."""
    _, numbers = np.unique(pictures.reshape(len(pictures), -1), axis=0, return_inverse=True)
    return numbers.astype(np.int64)


def hidden_pixels(half: FloatArray, modality: str, config: ComplementDigits.Config) -> PixelTable:
    """``round(level K)`` pixels hidden of each half [N, K], at all levels, ``draws`` times each."""
    variants = variants_of(all_levels(config.levels), config.draws)
    values = np.stack(
        [
            drop_numbers(half, level, generator("pixels", modality, level, draw))
            for level, draw in variants
        ],
        axis=1,
    )  # [N, V, K]
    flat = values.reshape(-1, half.shape[1]).astype(np.float32)
    return PixelTable(torch.from_numpy(flat), variants)
