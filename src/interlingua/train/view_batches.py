"""From samples to batches of views: drawing alternatives, gathering features, handing to decoders.

Each view of a sample may have alternatives (captions, spoken names in many languages);
one is drawn by weight each time a sample comes. Drawing is one search in a table of
cumulated weights, so a batch of a thousand samples costs well under a millisecond per view.

Shape legend: n alternatives of all samples in a view, S samples, B batch, M media, P pooled width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interlingua.batch import Batch, Media
from interlingua.data.augment import Augment
from interlingua.data.class_labels import class_numbers
from interlingua.data.errors_log import SkipLog
from interlingua.sample import Label, Part, Sample, Text
from interlingua.tokens import Tokens
from interlingua.towers.tower import Preprocess
from interlingua.train.empty_media import empty_media
from interlingua.train.feature_fill import FeatureTable
from interlingua.train.view_values import GIBIBYTE, ViewValues


@dataclass(slots=True)
class ViewTable:
    """All alternatives of one view.

    Attributes:
        parts: [n] in the order of the samples.
        sample: [n] the number of the sample each belongs to.
        weights: [n] of drawing.
        features: the cached output of a frozen tower, or None where values are decoded.
        preprocess: for decoding; may be replaced between stages.
    """

    parts: list[Part]
    sample: NDArray[np.int64]
    weights: NDArray[np.float64]
    features: FeatureTable | None = None
    preprocess: Preprocess | None = None


def collect_parts(samples: Sequence[Sample], view: str) -> tuple[list[Part], ViewTable]:
    """The alternatives of one view over all samples; a label stands for text that is lacking."""
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
        skip_log: counts media that can't be decoded and stops when there are too many.
        augment: how pictures and texts for trained towers are changed.
        max_bytes: of decoded pictures that are kept in memory.
        classes: their names, where the model tells classes apart.

    Raises:
        DataError: the samples belong to fewer than two of the classes.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        tables: Mapping[str, ViewTable],
        skip_log: SkipLog | None = None,
        *,
        augment: Augment | None = None,
        max_bytes: int = GIBIBYTE,
        classes: Sequence[str] = (),
    ):
        self.keys = [sample.key for sample in samples]
        components = [-1 if s.meta.component is None else s.meta.component for s in samples]
        self.component = torch.tensor(components, dtype=torch.int64)
        self.tables = dict(tables)
        self._draws = {view: _Draw(table, len(samples)) for view, table in tables.items()}
        self._text_ids = _text_ids(tables["text"]) if "text" in tables else None
        self._labels = class_numbers(samples, classes) if classes else None
        self._skip_log = skip_log or SkipLog()
        self._values = {
            view: ViewValues(table.parts, self._skip_log, augment, max_bytes)
            for view, table in tables.items()
            if table.features is None
        }

    def __call__(
        self, indices: Sequence[int], random: np.random.Generator, share: range | None = None
    ) -> Batch:
        """The batch of these samples; which alternative of a view is drawn by ``random``.

        Args:
            indices: numbers of the samples.
            random: of the batch.
            share: the places in it that this process takes, None = all. Alternatives are drawn
                for the whole batch, so the same ones whatever the number of processes; a view that
                only other shares have is there, empty.
        """
        chosen = np.asarray(indices, np.int64)
        drawn = {view: draw(chosen, random) for view, draw in self._draws.items()}
        first, stop = (0, len(chosen)) if share is None else (share.start, share.stop)
        if share is not None:  # each share is augmented in its own way
            random = np.random.default_rng([*random.integers(0, 1 << 31, 4).tolist(), first])
        here = chosen[first:stop]
        batch = Batch(
            keys=[self.keys[index] for index in here.tolist()], component=self.component[here]
        )
        if self._labels is not None:
            batch.labels = self._labels[here]
        for view, (owner, parts) in drawn.items():
            anywhere = len(parts) > 0
            mine = (owner >= first) & (owner < stop)
            owner, parts = owner[mine] - first, parts[mine]
            if anywhere:
                batch.media[view] = self._media(view, owner, parts, random, keep=share is not None)
            if view == "text" and self._text_ids is not None:
                batch.text_id = torch.full((len(here),), -1, dtype=torch.int64)
                batch.text_id[torch.from_numpy(owner)] = self._text_ids[parts]
        return batch

    def _media(
        self,
        view: str,
        owner: NDArray[np.int64],
        parts: NDArray[np.int64],
        random: np.random.Generator,
        *,
        keep: bool,
    ) -> Media:
        table = self.tables[view]
        if table.features is not None:
            return _gathered(table.features, owner, parts)
        assert table.preprocess is not None  # set where there are no features
        media = self._values[view](table.preprocess, owner, parts, random)
        return empty_media(table.preprocess) if keep and media.values is None else media


def _text_ids(table: ViewTable) -> Tensor:
    """[n] equal for equal texts."""
    if table.features is not None:  # equal texts share a row of the feature table
        return table.features.rows
    known: dict[str, int] = {}
    texts = [part.text if isinstance(part, Text) else "" for part in table.parts]
    numbers = [known.setdefault(text, len(known)) for text in texts]
    return torch.tensor(numbers, dtype=torch.int64)


class _Draw:
    """One alternative for each sample that has the view."""

    def __init__(self, table: ViewTable, num_samples: int):
        weights = table.weights.copy()
        if table.features is not None:  # what can't be read is never drawn
            weights[table.features.rows.numpy() < 0] = 0.0
        sums = np.bincount(table.sample, weights, minlength=num_samples)  # [S]
        # Every sample adds up to 1, lest large weights of one swallow small ones of another.
        self.cumulated = np.cumsum(weights / np.where(sums > 0, sums, 1.0)[table.sample])  # [n]
        ends = np.searchsorted(table.sample, np.arange(num_samples), side="right")
        starts = np.searchsorted(table.sample, np.arange(num_samples), side="left")
        total = np.concatenate([[0.0], self.cumulated])
        self.base, self.top = total[starts], total[ends]  # [S]

    def __call__(
        self, chosen: NDArray[np.int64], random: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(places in ``chosen`` that have the view, the alternative drawn for each)."""
        base, top = self.base[chosen], self.top[chosen]
        point = base + random.random(len(chosen)) * (top - base)
        point = np.minimum(point, np.nextafter(top, base))  # it may have been rounded up to top
        owner = np.flatnonzero(top > base)
        return owner, np.searchsorted(self.cumulated, point[owner], side="right")


def _gathered(features: FeatureTable, owner: NDArray[np.int64], drawn: NDArray[np.int64]) -> Media:
    """The cached outputs of a frozen tower."""
    pooled = features.values[features.rows[drawn]].float()  # [M, P]
    return Media(
        owner=torch.from_numpy(owner),
        slot=torch.zeros(len(drawn), dtype=torch.int64),
        tokens=Tokens(pooled=pooled),
    )
