"""From samples and cached features to batches of views: drawing, gathering, no decoding.

Each view of a sample may have alternatives (captions, spoken names in many languages);
one is drawn by weight each time a sample comes. Drawing is one search in a table of
cumulated weights, so a batch of a thousand samples costs well under a millisecond per view.

Shape legend: n alternatives of all samples in a view, S samples, B batch, M media, P pooled width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from interlingua.batch import Batch, Media
from interlingua.data.loader import Chunk, decode
from interlingua.sample import Label, Part, Sample, Text
from interlingua.tokens import Tokens
from interlingua.towers.tower import Preprocess
from interlingua.train.feature_fill import FeatureTable


@dataclass(slots=True)
class ViewTable:
    """All alternatives of one view.

    Attributes:
        parts: [n] in the order of the samples.
        sample: [n] the number of the sample each belongs to.
        weights: [n] of drawing; 0 where it can't be read.
        features: the cached output of a frozen tower, or None where values are decoded.
        preprocess: for decoding.
    """

    parts: list[Part]
    sample: NDArray[np.int64]
    weights: NDArray[np.float64]
    features: FeatureTable | None = None
    preprocess: Preprocess | None = None


def collect_parts(samples: Sequence[Sample], view: str) -> tuple[list[Part], ViewTable]:
    """The alternatives of one view over all samples. A label stands for text where there is none."""
    parts: list[Part] = []
    owner: list[int] = []
    weights: list[float] = []
    for number, sample in enumerate(samples):
        found, shares = sample.alternatives(view), sample.weights(view)
        if view == "text" and not found:
            labels = [part for part in sample.alternatives("label") if isinstance(part, Label)]
            found, shares = tuple(Text(one.name) for one in labels), (1.0,) * len(labels)
        parts += found
        owner += [number] * len(found)
        weights += shares
    table = ViewTable(parts, np.asarray(owner, np.int64), np.asarray(weights, np.float64))
    return parts, table


class ViewBatches:
    """Makes the batch of given sample numbers; what ``ShuffledStream`` calls.

    Args:
        samples: S of them.
        tables: by view.
    """

    def __init__(self, samples: Sequence[Sample], tables: Mapping[str, ViewTable]):
        self.keys = [sample.key for sample in samples]
        components = [-1 if s.meta.component is None else s.meta.component for s in samples]
        self.component = torch.tensor(components, dtype=torch.int64)
        self.tables = dict(tables)
        self._draws = {view: _Draw(table, len(samples)) for view, table in tables.items()}

    def __call__(self, indices: Sequence[int], random: np.random.Generator) -> Batch:
        """The batch of these samples; which alternative of a view is drawn by ``random``."""
        chosen = np.asarray(indices, np.int64)
        batch = Batch(
            keys=[self.keys[index] for index in indices], component=self.component[chosen]
        )
        for view, table in self.tables.items():
            owner, drawn = self._draws[view](chosen, random)
            if len(drawn):
                batch.media[view] = _media(table, owner, drawn)
            if view == "text":
                batch.text_id = self._text_id(table, owner, drawn, len(indices))
        return batch

    @staticmethod
    def _text_id(
        table: ViewTable, owner: NDArray[np.int64], drawn: NDArray[np.int64], size: int
    ) -> Tensor:
        """[B] equal texts share a row of the feature table, so its number names the text."""
        ids = torch.full((size,), -1, dtype=torch.int64)
        if table.features is not None:
            ids[torch.from_numpy(owner)] = table.features.rows[drawn]
        else:
            texts = [part.text for part in table.parts if isinstance(part, Text)]
            known: dict[str, int] = {}
            for text in texts:
                known.setdefault(text, len(known))
            ids[torch.from_numpy(owner)] = torch.tensor([known[texts[i]] for i in drawn])
        return ids


class _Draw:
    """One alternative for each sample that has the view."""

    def __init__(self, table: ViewTable, num_samples: int):
        weights = table.weights.copy()
        if table.features is not None:
            weights[table.features.rows.numpy() < 0] = 0.0
        self.cumulated = np.cumsum(weights)  # [n]
        ends = np.searchsorted(table.sample, np.arange(num_samples), side="right")
        starts = np.searchsorted(table.sample, np.arange(num_samples), side="left")
        total = np.concatenate([[0.0], self.cumulated])
        self.base, self.top = total[starts], total[ends]  # [S]
        self.last = ends - 1

    def __call__(
        self, chosen: NDArray[np.int64], random: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(places in ``chosen`` that have the view, the alternative drawn for each)."""
        base, top = self.base[chosen], self.top[chosen]
        point = base + random.random(len(chosen)) * (top - base)
        owner = np.flatnonzero(top > base)
        drawn = np.searchsorted(self.cumulated, point[owner], side="right")
        return owner, np.minimum(drawn, self.last[chosen][owner])


def _media(table: ViewTable, owner: NDArray[np.int64], drawn: NDArray[np.int64]) -> Media:
    if table.features is not None:
        pooled = table.features.values[table.features.rows[drawn]].float()  # [M, P]
        return Media(
            owner=torch.from_numpy(owner),
            slot=torch.zeros(len(drawn), dtype=torch.int64),
            tokens=Tokens(pooled=pooled),
        )
    return _decoded(table, owner, drawn)


def _decoded(table: ViewTable, owner: NDArray[np.int64], drawn: NDArray[np.int64]) -> Media:
    """Values of a tower that is trained: decoded now, padded to the longest; damaged ones left out."""
    assert table.preprocess is not None
    parts = [table.parts[number] for number in drawn]
    chunks: list[Chunk] = list(
        decode(parts, table.preprocess, batch_size=len(parts), on_error=lambda *_: None)
    )
    longest = max((chunk.values.shape[-1] for chunk in chunks), default=0)
    kept = [index for chunk in chunks for index in chunk.index]

    def padded(values: Tensor) -> Tensor:
        return functional.pad(values, (0, longest - values.shape[-1]))

    masks: list[Any] = [chunk.mask for chunk in chunks]
    return Media(
        owner=torch.from_numpy(owner[kept]),
        slot=torch.zeros(len(kept), dtype=torch.int64),
        values=torch.cat([padded(chunk.values) for chunk in chunks]) if chunks else None,
        mask=torch.cat([padded(mask) for mask in masks])
        if chunks and masks[0] is not None
        else None,
    )
