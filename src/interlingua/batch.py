"""Batches: samples as tensors, with missing, several and interleaved media as the normal case.

Shape legend: B samples, M media of one view in the batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from interlingua.tokens import Tokens


@dataclass(slots=True)
class Media:
    """All media of one view in a batch.

    Attributes:
        owner: [M] which sample each belongs to.
        slot: [M] where in that sample it stands.
        values: [M, ...] what a tower takes (pixels, log-mel frames, token ids).
        mask: [M, N] True = real, where ``values`` are padded.
        tokens: a frozen tower's output, when it was cached; ``values`` is None then.
    """

    owner: Tensor
    slot: Tensor
    values: Tensor | None = None
    mask: Tensor | None = None
    tokens: Tokens | None = None

    def __len__(self) -> int:
        return int(self.owner.shape[0])

    def to(self, device: torch.device | str) -> Media:
        """The same media on another device."""
        return replace(
            self,
            owner=self.owner.to(device, non_blocking=True),
            slot=self.slot.to(device, non_blocking=True),
            values=None if self.values is None else self.values.to(device, non_blocking=True),
            mask=None if self.mask is None else self.mask.to(device, non_blocking=True),
            tokens=None if self.tokens is None else self.tokens.to(device),
        )

    def stand_in(self) -> Media:
        """One media of zeros, nobody's, where there are none: for a tower that must run."""
        one: dict[str, Any] = {
            name: None if value is None else value.new_zeros(1, *value.shape[1:])
            for name, value in (("owner", self.owner), ("slot", self.slot), ("values", self.values))
        }
        mask = None if self.mask is None else self.mask.new_ones(1, *self.mask.shape[1:])
        tokens = self.tokens
        if tokens is not None and tokens.pooled is not None:
            tokens = Tokens(pooled=tokens.pooled.new_zeros(1, *tokens.pooled.shape[1:]))
        return replace(self, **one, mask=mask, tokens=tokens)

    def select(self, start: int, stop: int) -> Media:
        """What belongs to the samples from ``start`` to ``stop``, which count from 0 again."""
        rows = ((self.owner >= start) & (self.owner < stop)).nonzero().squeeze(1)
        return Media(
            owner=self.owner[rows] - start,
            slot=self.slot[rows],
            values=None if self.values is None else self.values[rows],
            mask=None if self.mask is None else self.mask[rows],
            tokens=None if self.tokens is None else _rows(self.tokens, rows),
        )


@dataclass(slots=True)
class Batch:
    """B samples.

    Attributes:
        keys: the B sample keys.
        media: by view name (``image``, ``text``, ``sound``, ``speech``).
        component: [B] int64, samples that show or name the same thing share it.
        text_id: [B] int64, equal for equal texts; -1 where a sample has none.
        labels: [B] int64 numbers of classes, -1 where a sample is of none of them.
    """

    keys: list[str]
    media: dict[str, Media] = field(default_factory=dict)
    component: Tensor | None = None
    text_id: Tensor | None = None
    labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return Batch(
            keys=self.keys,
            media={view: media.to(device) for view, media in self.media.items()},
            component=None if self.component is None else self.component.to(device),
            text_id=None if self.text_id is None else self.text_id.to(device),
            labels=None if self.labels is None else self.labels.to(device),
        )

    def select(self, samples: slice) -> Batch:
        """Some of the samples, one after another; views that none of them has stay, empty.

        Raises:
            ValueError: a slice with another step than 1.
        """
        start, stop, step = samples.indices(len(self))
        if step != 1:
            raise ValueError(f"samples of a batch are selected with step 1, not {step}")
        return Batch(
            keys=self.keys[start:stop],
            media={view: media.select(start, stop) for view, media in self.media.items()},
            component=None if self.component is None else self.component[start:stop],
            text_id=None if self.text_id is None else self.text_id[start:stop],
            labels=None if self.labels is None else self.labels[start:stop],
        )


def _rows(tokens: Tokens, rows: Tensor) -> Tokens:
    """Some of the media's tokens; grid and time are the same for all of them."""
    layers = tokens.layers
    return replace(
        tokens,
        states=None if tokens.states is None else tokens.states[rows],
        mask=None if tokens.mask is None else tokens.mask[rows],
        pooled=None if tokens.pooled is None else tokens.pooled[rows],
        layers=None if layers is None else {key: layer[rows] for key, layer in layers.items()},
    )
