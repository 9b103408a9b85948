"""Both ways of resizing equal Pillow's own resize of the whole picture, cut afterwards."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from interlingua.data.image import to_pixels
from interlingua.data.resize import resized_part
from interlingua.towers.tower import ImagePreprocess

_PILLOW = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def drawn(width: int, height: int, *, seed: int = 0) -> Image.Image:
    """Edges, slopes and noise."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (height, width, 3))
    pixels[height // 4 :, width // 3 :] = np.arange(width - width // 3)[None, :, None] % 256
    pixels[: height // 2, : width // 5] = (255, 0, 60)
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("size", "whole", "start", "part"),
    [
        ((283, 400), (224, 317), (0, 46), (224, 224)),
        ((500, 333), (96, 64), (16, 0), (64, 64)),  # 5 times smaller: Pillow's way
        ((900, 60), (480, 32), (224, 0), (32, 32)),  # long: Pillow's way
        ((40, 30), (320, 240), (48, 8), (224, 224)),  # enlarged
        ((224, 224), (224, 224), (0, 0), (224, 224)),
        ((1, 7), (8, 56), (0, 24), (8, 8)),
        ((301, 299), (256, 256), (16, 16), (224, 224)),
    ],
)
def test_a_part_equals_pillow(
    interpolation: str,
    size: tuple[int, int],
    whole: tuple[int, int],
    start: tuple[int, int],
    part: tuple[int, int],
) -> None:
    image = drawn(*size)
    (left, top), (width, height) = start, part
    # reducing_gap is what makes large pictures cheap: the same there
    all_of_it = image.resize(whole, _PILLOW[interpolation], reducing_gap=2.0)
    wanted = np.asarray(all_of_it.crop((left, top, left + width, top + height)), dtype=np.int16)
    pixels = resized_part(image, whole, start, part, interpolation)
    assert pixels.shape == (3, height, width)
    assert pixels.dtype == torch.uint8
    found = pixels.permute(1, 2, 0).numpy().astype(np.int16)
    off = np.abs(found - wanted)
    # a part that Pillow shrinks first is shrunk in other steps than all of it
    by_torch = whole[0] * whole[1] <= 2 * width * height and size[0] < 4 * whole[0]
    assert off.max() <= (2 if by_torch else 32)
    assert off.mean() <= (0.05 if by_torch else 2)


def test_the_two_ways_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a picture's size decides is time alone."""
    image = drawn(440, 500)
    by_torch = resized_part(image, (112, 127), (0, 7), (112, 112), "bicubic").int()
    monkeypatch.setattr("interlingua.data.resize._MOST_EXTRA", 0.0)
    by_pillow = resized_part(image, (112, 127), (0, 7), (112, 112), "bicubic").int()
    difference = (by_torch - by_pillow).abs()
    assert difference.max() <= 2
    assert difference.float().mean() <= 0.01


def test_padding_stays_plain() -> None:
    preprocess = ImagePreprocess(size=32, fit="pad", background=(10, 20, 30))
    pixels = to_pixels(drawn(64, 16), preprocess)
    assert pixels.shape == (3, 32, 32)
    assert (pixels[:, :12].permute(1, 2, 0) == torch.tensor([10, 20, 30])).all()
    assert (pixels[:, 20:].permute(1, 2, 0) == torch.tensor([10, 20, 30])).all()
    inner = np.asarray(drawn(64, 16).resize((32, 8), Image.Resampling.BICUBIC), dtype=np.int16)
    assert np.abs(pixels[:, 12:20].permute(1, 2, 0).numpy().astype(np.int16) - inner).max() <= 2


def test_no_picture_is_changed() -> None:
    """What needs no resizing is a copy: the picture isn't written through it."""
    image = drawn(16, 16)
    before = np.array(image)
    resized_part(image, (16, 16), (0, 0), (16, 16), "bicubic").zero_()
    assert np.array_equal(np.array(image), before)
