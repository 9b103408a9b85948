"""Position encodings: fixed sinusoids, and learned positions of a grid at another size.

Shape legend: N positions, D width.

Sources: fixed sinusoids, Vaswani et al. 2017 (arXiv 1706.03762), section 3.5, in the order of
Whisper (Radford et al. 2022, arXiv 2212.04356): all sines, then all cosines; learned positions
resampled to another grid, Dosovitskiy et al. 2020 (arXiv 2010.11929), section 3.2.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Interpolation = Literal["bicubic", "bilinear"]


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


def resample_positions(
    positions: Tensor, grid: tuple[int, int], num_prefix: int, mode: Interpolation = "bicubic"
) -> Tensor:
    """Learned positions of a square grid for a grid of another size, with antialiasing.

    Args:
        positions: [num_prefix + S * S, D], row by row.
        grid: rows and columns that are wanted.
        num_prefix: positions before the grid (of a class token), which stay as they are.
        mode: CLIP's and open_clip's is ``bicubic``, SigLIP 2's ``bilinear``.

    Returns:
        [num_prefix + rows * columns, D], in the dtype of ``positions``; the same tensor where the
        grid is the one that they were learned on.
    """
    side = math.isqrt(positions.shape[0] - num_prefix)
    if grid == (side, side):
        return positions
    prefix, learned = positions[:num_prefix], positions[num_prefix:]
    square = learned.float().T.unflatten(1, (side, side))[None]  # [1, D, S, S]
    wanted = functional.interpolate(square, size=grid, mode=mode, antialias=True)
    return torch.cat([prefix, wanted[0].flatten(1).T.to(positions.dtype)])
