"""Augmentation of whole batches: pictures as uint8 tensors, texts as token ids.

Everything random comes from the generator of the batch, so a run that is resumed sees the same
changed pictures. A batch costs one resampling and one product with a 3 x 3 matrix per picture:
brightness, contrast, saturation, hue and grey are all linear in the colours.

Shape legend: M pictures, S side that was decoded, T side that the tower takes.

Sources: random resized crop, Szegedy et al. 2014 (arXiv 1409.4842), section 6; colour jitter and
grey, Chen et al. 2020 (SimCLR, arXiv 2002.05709), appendix A; word dropout, Iyyer et al. 2015
(Deep Averaging Networks, ACL P15-1162), section 3.1, here of tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from interlingua.config import Config

if TYPE_CHECKING:  # recipes hold the settings, and are listed without loading torch
    from torch import Tensor

GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
TO_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


class Augment(Config):
    """How a batch is changed, for towers that are trained; all of it off by default.

    Attributes:
        crop_area: the least and the largest share of a picture's area that a crop keeps; CLIP
            itself was trained with (0.9, 1), classifiers with (0.08, 1).
        crop_ratio: width / height of a crop, before it is cut to the picture.
        flip: chance of a mirrored picture. Mind that captions name sides.
        brightness, contrast, saturation: the factor is drawn from 1 - x to 1 + x.
        hue: the turn of the colours is drawn from -x to x, where 1 is once around.
        colour_chance: of these four, together.
        grey: chance of a picture without colour.
        token_dropout: chance of each token to be left out; the first and the last stay, and so
            does one of those between.
    """

    crop_area: tuple[float, float] = (1.0, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = Field(default=0.0, ge=0, le=1)
    brightness: float = Field(default=0.0, ge=0, le=1)
    contrast: float = Field(default=0.0, ge=0, le=1)
    saturation: float = Field(default=0.0, ge=0, le=1)
    hue: float = Field(default=0.0, ge=0, le=0.5)
    colour_chance: float = Field(default=1.0, ge=0, le=1)
    grey: float = Field(default=0.0, ge=0, le=1)
    token_dropout: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _ranges(self) -> Augment:
        if not 0 < self.crop_area[0] <= self.crop_area[1] <= 1:
            raise ValueError("crop_area is the least and the largest share, within 0 to 1")
        if not 0 < self.crop_ratio[0] <= self.crop_ratio[1]:
            raise ValueError("crop_ratio is the least and the largest width / height, above 0")
        return self

    @property
    def crops(self) -> bool:
        """Whether pictures are cropped."""
        return self.crop_area != (1.0, 1.0)

    @property
    def colours(self) -> bool:
        """Whether colours are changed."""
        return max(self.brightness, self.contrast, self.saturation, self.hue, self.grey) > 0

    def decoded_size(self, size: int) -> int:
        """The side to decode for a tower that takes ``size``: a crop of mean area is not enlarged.

        A crop is then scaled by little, so that resampling by four neighbours is sharp enough.
        """
        return math.ceil(size / math.sqrt(sum(self.crop_area) / 2))


def augment_pictures(
    pictures: Tensor, settings: Augment, size: int, random: np.random.Generator
) -> Tensor:
    """Crop, flip and recolour a batch.

    Args:
        pictures: [M, 3, S, S] uint8.
        settings: what is done.
        size: T.
        random: draws the same numbers whatever is switched on.

    Returns:
        [M, 3, T, T] uint8; the pictures themselves where nothing is to be done.
    """
    import torch

    draws = torch.from_numpy(random.random((len(pictures), 11)).astype(np.float32))
    is_moved = settings.crops or settings.flip > 0 or pictures.shape[-1] != size
    if not is_moved and not settings.colours:
        return pictures
    values = pictures.to(torch.float32, memory_format=torch.contiguous_format)
    if is_moved:
        values = _resample(values, settings, size, draws[:, :5])
    if settings.colours:
        matrix, shift = _colour_change(values.mean((2, 3)), settings, draws[:, 5:])
        values = torch.baddbmm(shift[:, :, None], matrix, values.flatten(2)).view_as(values)
    return values.round_().clamp_(0, 255).to(torch.uint8)


def _resample(values: Tensor, settings: Augment, size: int, draws: Tensor) -> Tensor:
    """[M, 3, S, S] to [M, 3, T, T]: a box of each picture, mirrored perhaps."""
    import torch
    from torch.nn import functional

    least, largest = settings.crop_area
    area = least + draws[:, 0] * (largest - least)  # [M]
    narrow, wide = (math.log(ratio) for ratio in settings.crop_ratio)
    ratio = torch.exp(narrow + draws[:, 1] * (wide - narrow)) if settings.crops else 1.0
    width = torch.sqrt(area * ratio).clamp_(max=1)
    height = torch.sqrt(area / ratio).clamp_(max=1)
    mirror = torch.where(draws[:, 4] < settings.flip, -1.0, 1.0)
    box = torch.zeros(len(values), 2, 3)  # the map from [-1, 1] of the result to that of the source
    box[:, 0, 0], box[:, 1, 1] = width * mirror, height
    box[:, 0, 2] = (2 * draws[:, 2] - 1) * (1 - width)
    box[:, 1, 2] = (2 * draws[:, 3] - 1) * (1 - height)
    grid = functional.affine_grid(box, [len(values), 3, size, size], align_corners=False)
    return functional.grid_sample(values, grid, padding_mode="border", align_corners=False)


def _colour_change(mean: Tensor, settings: Augment, draws: Tensor) -> tuple[Tensor, Tensor]:
    """[M, 3, 3] and [M, 3]: what every pixel is multiplied by, and what is added to it.

    Args:
        mean: [M, 3] of each picture's pixels; contrast leaves the mean brightness as it is.
        settings: what is done.
        draws: [M, 6] in 0..1.
    """
    import torch

    signed = 2 * draws - 1
    grey = torch.tensor(GREY).expand(3, 3)  # [3, 3], every row the weights of brightness
    one = torch.eye(3)
    changed = (draws[:, 4] < settings.colour_chance).float()
    brightness, contrast, saturation = (
        1 + changed * signed[:, number] * strength
        for number, strength in enumerate(
            (settings.brightness, settings.contrast, settings.saturation)
        )
    )
    matrix = brightness[:, None, None] * one
    middle = (mean * brightness[:, None]) @ torch.tensor(GREY)  # [M]
    shift = ((1 - contrast) * middle)[:, None].expand(-1, 3)
    matrix = contrast[:, None, None] * matrix
    if settings.hue:
        turn = _hue_turn(2 * math.pi * settings.hue * changed * signed[:, 3])
        matrix, shift = turn @ matrix, (turn @ shift[:, :, None])[:, :, 0]
    saturation = torch.where(draws[:, 5] < settings.grey, 0.0, saturation)[:, None, None]
    mixed = saturation * one + (1 - saturation) * grey  # [M, 3, 3]
    return mixed @ matrix, (mixed @ shift[:, :, None])[:, :, 0]


def _hue_turn(angle: Tensor) -> Tensor:
    """[M] radians to [M, 3, 3]: a turn of the colours around the grey axis, in YIQ."""
    import torch

    to_yiq = torch.tensor(TO_YIQ)
    turn = torch.zeros(len(angle), 3, 3)
    turn[:, 0, 0] = 1
    turn[:, 1, 1] = turn[:, 2, 2] = torch.cos(angle)
    turn[:, 1, 2], turn[:, 2, 1] = -torch.sin(angle), torch.sin(angle)
    turned: Tensor = torch.linalg.inv(to_yiq) @ turn @ to_yiq
    return turned


def drop_tokens(
    rows: Sequence[NDArray[np.int32]], share: float, random: np.random.Generator
) -> list[NDArray[np.int32]]:
    """Texts with some of their tokens left out.

    Args:
        rows: token ids of each text; the first and the last are the model's own marks.
        share: chance of each of the others.
        random: draws one number for each token.

    Returns:
        The ids that stay, in order; at least one of those between stays.
    """
    lengths = [len(row) for row in rows]
    draws = np.split(random.random(sum(lengths)), np.cumsum(lengths)[:-1])
    kept = []
    for row, drawn in zip(rows, draws, strict=True):
        stays = drawn >= share
        stays[[0, -1]] = True
        if len(row) > 2:
            stays[1 + int(np.argmax(drawn[1:-1]))] = True
        kept.append(row[stays])
    return kept
