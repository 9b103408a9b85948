"""Batches: samples as tensors, with missing, several and interleaved media as the normal case.

Shape legend: B samples, M media of one view in the batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

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


@dataclass(slots=True)
class Batch:
    """B samples.

    Attributes:
        keys: the B sample keys.
        media: by view name (``image``, ``text``, ``sound``, ``speech``).
        component: [B] int64, samples that show or name the same thing share it.
        text_id: [B] int64, equal for equal texts; -1 where a sample has none.
    """

    keys: list[str]
    media: dict[str, Media] = field(default_factory=dict)
    component: Tensor | None = None
    text_id: Tensor | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return Batch(
            keys=self.keys,
            media={view: media.to(device) for view, media in self.media.items()},
            component=None if self.component is None else self.component.to(device),
            text_id=None if self.text_id is None else self.text_id.to(device),
        )
