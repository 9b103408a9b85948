"""Tokens: what every encoder gives.

Shape legend: B batch, N tokens, D width, P pooled width.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(slots=True)
class Tokens:
    """The output of an encoder.

    Attributes:
        states: [B, N, D]; None where only the pooled vectors are kept (a feature cache).
        mask: [B, N] bool, True = real.
        pooled: [B, P].
        grid: (t, h, w) of the tokens, for pictures and video.
        time: [N] seconds of each token, for sound.
        layers: the states of the requested layers, by layer number.
    """

    states: Tensor | None = None
    mask: Tensor | None = None
    pooled: Tensor | None = None
    grid: tuple[int, int, int] | None = None
    time: Tensor | None = None
    layers: dict[int, Tensor] | None = None

    def to(self, device: torch.device | str) -> Tokens:
        """The same tokens on another device."""
        moved = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Tensor):
                value = value.to(device, non_blocking=True)
            elif isinstance(value, dict):
                value = {key: state.to(device) for key, state in value.items()}
            moved[item.name] = value
        return Tokens(**moved)
