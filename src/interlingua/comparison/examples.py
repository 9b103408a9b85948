"""N things in memory, as a model of several modalities takes them: batches are rows of tables.

A modality of a thing may be there in several *variants* (hidden to 0, 50, 90 %; drowned in more
or less noise); training draws one anew each time, each modality on its own; measuring takes the
first.

Shape legend: N things, V variants, R rows of a table, T tokens, D width.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from interlingua.batch import Batch, Media
from interlingua.tokens import Tokens

IntArray = npt.NDArray[np.int64]


@dataclass(slots=True)
class Modality:
    """One modality of N things.

    Attributes:
        variants: [N, V] rows of the tables; -1 where a thing lacks it.
        values: [R, ...] what a trained tower takes; or
        states: [R, T, D] what a frozen tower gave, in any float type.
        mask: [R, T] True = real; None = all are.
    """

    variants: IntArray
    values: Tensor | None = None
    states: Tensor | None = None
    mask: Tensor | None = None

    def media(self, rows: IntArray, random: np.random.Generator | None) -> Media:
        """The media of these things, which count from 0; those that lack it have none."""
        chosen = self.variants[rows]  # [B, V]
        drawn = chosen[:, 0]
        if random is not None and chosen.shape[1] > 1:
            drawn = chosen[np.arange(len(rows)), random.integers(0, chosen.shape[1], len(rows))]
        owner = np.flatnonzero(drawn >= 0)
        picked = torch.from_numpy(drawn[owner])
        mask = None if self.mask is None else self.mask[picked]
        media = Media(torch.from_numpy(owner), torch.zeros(len(owner), dtype=torch.int64))
        if self.states is not None:
            media.tokens = Tokens(states=self.states[picked].float(), mask=mask)
        elif self.values is not None:
            media.values, media.mask = self.values[picked], mask
        return media

    def first(self) -> Modality:
        """The first variant only."""
        return replace(self, variants=self.variants[:, :1])


@dataclass(slots=True)
class Examples:
    """N things with answers.

    Attributes:
        keys: their names.
        labels: [N] numbers of classes.
        clusters: [N] what must not be told apart in intervals and splits (components, episodes).
        modalities: by name.
    """

    keys: list[str]
    labels: IntArray
    clusters: IntArray
    modalities: dict[str, Modality]

    def __len__(self) -> int:
        return len(self.keys)

    def batch(
        self,
        rows: Sequence[int] | IntArray,
        random: np.random.Generator | None = None,
        *,
        without: Collection[str] = (),
    ) -> Batch:
        """Some things as a batch.

        Args:
            rows: their numbers.
            random: draws variants; None takes the first.
            without: modalities that are taken away.
        """
        chosen = np.asarray(rows, np.int64)
        return Batch(
            keys=[self.keys[row] for row in chosen],
            media={
                name: one.media(chosen, random)
                for name, one in self.modalities.items()
                if name not in without
            },
            component=torch.from_numpy(self.clusters[chosen]),
            labels=torch.from_numpy(self.labels[chosen]),
        )

    def take(self, rows: Sequence[int] | IntArray) -> Examples:
        """Some of the things; the tables are shared."""
        chosen = np.asarray(rows, np.int64)
        return Examples(
            keys=[self.keys[row] for row in chosen],
            labels=self.labels[chosen],
            clusters=self.clusters[chosen],
            modalities={
                name: replace(one, variants=one.variants[chosen])
                for name, one in self.modalities.items()
            },
        )

    def exchanged(self, modality: str, rows: IntArray) -> Examples:
        """The same things with a modality of others: thing n gets that of thing ``rows[n]``."""
        one = self.modalities[modality]
        other = replace(one, variants=one.variants[rows])
        return replace(self, modalities={**self.modalities, modality: other})
