"""Pixels as convolutions take them: normalised, in channels-last order.

Shape legend: M pictures, H height, W width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def normalize_pixels(
    values: Tensor, mean: Sequence[float], std: Sequence[float], dtype: torch.dtype
) -> Tensor:
    """uint8 [M, 3, H, W] to about zero mean and unit deviation; floats are normalised already.

    Args:
        values: uint8, or float that only changes its dtype.
        mean, std: one number for each channel, of values in 0..1.
        dtype: of the result; the arithmetic is in fp32.
    """
    if values.dtype != torch.uint8:
        return values.to(dtype, memory_format=torch.channels_last)
    scale = torch.tensor(std, device=values.device)[:, None, None] * 255
    shift = torch.tensor(mean, device=values.device)[:, None, None] * 255
    pixels = values.to(torch.float32, memory_format=torch.channels_last)
    return pixels.sub_(shift).div_(scale).to(dtype)
