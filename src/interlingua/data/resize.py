"""Resizing with antialiasing, in one of two ways that agree.

torch's kernel for bytes does what Pillow's does (a difference of one or two of 255 in one value of
a thousand) in less than half the time. Pillow's takes a part of a picture with edges between pixels
and shrinks a picture that is several times too large by whole numbers first; it serves where that
saves more.
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

_RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
_GAP = 2.0  # how much larger than wanted a picture stays after being shrunk by a whole number
_MOST_EXTRA = 2.0  # of resized pixels, for each one that is kept


def resized_part(
    image: Image.Image,
    whole: tuple[int, int],
    start: tuple[int, int],
    size: tuple[int, int],
    interpolation: str,
) -> Tensor:
    """A part of the picture as it would be after resizing all of it.

    Args:
        image: RGB.
        whole: width and height of all of it, resized.
        start: column and row where the part begins in that.
        size: width and height of the part.
        interpolation: ``bilinear`` or ``bicubic``.

    Returns:
        [3, height, width] uint8, a view of channels-last memory.
    """
    extra = whole[0] * whole[1] / (size[0] * size[1])
    shrinks = min(image.width / whole[0], image.height / whole[1])
    if extra > _MOST_EXTRA or shrinks >= 2 * _GAP:
        return torch.from_numpy(_by_pillow(image, whole, start, size, interpolation)).permute(
            2, 0, 1
        )
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    if (image.width, image.height) != whole:
        pixels = functional.interpolate(
            pixels[None], size=(whole[1], whole[0]), mode=interpolation, antialias=True
        )[0]
    left, top = start
    return pixels[:, top : top + size[1], left : left + size[0]]


def _by_pillow(
    image: Image.Image,
    whole: tuple[int, int],
    start: tuple[int, int],
    size: tuple[int, int],
    interpolation: str,
) -> np.ndarray:
    """[height, width, 3]: only what is wanted is made, so 1 x 16,000 pixels need no more memory."""
    across, down = image.width / whole[0], image.height / whole[1]
    left, top = start
    box = (left * across, top * down, (left + size[0]) * across, (top + size[1]) * down)
    return np.array(image.resize(size, _RESAMPLING[interpolation], box=box, reducing_gap=_GAP))
