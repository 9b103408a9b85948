"""Position encodings.

Source: fixed sinusoids, Vaswani et al. 2017 (arXiv 1706.03762), section 3.5, in the order of
Whisper (Radford et al. 2022, arXiv 2212.04356): all sines, then all cosines.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sinusoids(length: int, width: int, max_timescale: float = 10_000.0) -> Tensor:
    """Fixed position vectors.

    Args:
        length: number of positions.
        width: of each vector, even.
        max_timescale: the longest wavelength, divided by 2 pi.

    Returns:
        float32 [length, width].

    Raises:
        ValueError: an odd width.
    """
    if width % 2:
        raise ValueError(f"sinusoids need an even width, not {width}")
    step = math.log(max_timescale) / max(width // 2 - 1, 1)
    frequencies = torch.exp(-step * torch.arange(width // 2))  # [width / 2]
    angles = torch.arange(length)[:, None] * frequencies  # [length, width / 2]
    return torch.cat([angles.sin(), angles.cos()], dim=1)
