"""Features of frozen towers for what is drawn only: a first batch without a whole cache.

A run has its frozen towers encode everything before its first step. A dry run must not take that
long: here a row is computed when a batch asks for it, and nothing is written anywhere.

Shape legend: n alternatives of a view, M media of a batch, P pooled width.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor

from interlingua.data.errors_log import SkipLog
from interlingua.data.loader import decode, plan
from interlingua.errors import MediaError
from interlingua.sample import Part, Text
from interlingua.towers.tower import Preprocess
from interlingua.train.feature_fill import Encoder, FeatureTable, part_name


@dataclass
class DrawnFeatures:
    """Stands for the values [n, P] of a feature table.

    Attributes:
        parts: n of them.
        preprocess: the tower's.
        encoder: makes the tower when it is first needed.
        width: P.
        skip_log: is told of what can't be decoded; its row is another's.
        keep: decoded values of the first so many media of a batch are kept to be looked at.
        max_seconds: of a batch; after that the other rows borrow what is computed, which costs a
            step the same.
        known: row -> [P].
        shown: row -> the values that the tower saw, without padding.
        asked: the rows of the newest batch, one for each of its media.
        computed: how many rows the tower really gave.
        seconds: spent in decoding and in the tower, all together.
    """

    parts: Sequence[Part]
    preprocess: Preprocess
    encoder: Callable[[], Encoder]
    width: int
    skip_log: SkipLog
    keep: int = 64
    max_seconds: float = 20.0
    known: dict[int, Tensor] = field(default_factory=dict)
    shown: dict[int, Tensor] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    computed: int = 0
    seconds: float = 0.0

    def table(self) -> FeatureTable:
        """A table that asks here; equal texts share a row, as in the cache."""
        first: dict[object, int] = {}
        rows = [
            first.setdefault(part.text if isinstance(part, Text) else number, number)
            for number, part in enumerate(self.parts)
        ]
        values = cast(Tensor, self)  # of a tensor nothing but the choice of rows is used
        return FeatureTable(values, torch.empty(0), torch.tensor(rows, dtype=torch.int64), 0)

    @property
    def distinct(self) -> int:
        """How many parts a whole run has to encode."""
        return len(
            {part.text if isinstance(part, Text) else part_name(part) for part in self.parts}
        )

    def __getitem__(self, rows: Tensor) -> Tensor:
        """[M, P] float32 of some rows."""
        self.asked = rows.tolist()
        missing = [row for row in dict.fromkeys(self.asked) if row not in self.known]
        if missing:
            self._compute(missing)
        return torch.stack([self.known[row] for row in self.asked])

    def _compute(self, rows: Sequence[int]) -> None:
        encoder = self.encoder()
        parts = [self.parts[row] for row in rows]
        began = time.perf_counter()

        def skip(number: int, part: Part, error: MediaError) -> None:
            self.skip_log.bad(error, key=part_name(part), source="frozen towers")

        given: list[Tensor] = []
        looked_at = set(self.asked[: self.keep])
        chunks = decode(parts, self.preprocess, batches=plan(parts, self.preprocess), on_error=skip)
        for chunk in chunks:
            pooled = encoder(chunk)
            given += pooled.unbind()
            for place, number in enumerate(chunk.index):
                self.known[rows[number]] = pooled[place]
                if rows[number] in looked_at:
                    self.shown[rows[number]] = real_values(chunk.values, chunk.mask, place)
            self.skip_log.good(len(chunk))
            if time.perf_counter() - began > self.max_seconds:
                break
        self.computed += len(given)
        self.seconds += time.perf_counter() - began
        lent = itertools.cycle(given or [torch.zeros(self.width)])
        for row in rows:
            if row not in self.known:
                self.known[row] = next(lent)


def real_values(values: Tensor, mask: Tensor | None, place: int) -> Tensor:
    """One medium's values without padding: [3, S, S], [mels, F] or [N]."""
    one = values[place].cpu()
    return one.clone() if mask is None else one[..., mask[place].cpu()].clone()
