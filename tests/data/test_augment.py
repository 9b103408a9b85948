"""Augmentation changes what it should, by the batch's own generator and nothing else."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from interlingua.config import validate
from interlingua.data.augment import GREY, Augment, augment_pictures, drop_tokens
from interlingua.errors import ConfigError

EVERYTHING = Augment(
    crop_area=(0.4, 0.9), flip=0.5, brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1, grey=0.3
)


def pictures(count: int = 6, side: int = 24, channels_last: bool = False) -> Tensor:
    """Smooth ones, so that a resampled point is near what it was taken from."""
    steps = torch.linspace(20, 220, side)
    rows, columns = steps[:, None].expand(side, side), steps[None].expand(side, side)
    base = torch.stack([rows, columns, (rows + columns) / 2])
    values = torch.stack([base.roll(number, 0) for number in range(count)]).round().to(torch.uint8)
    return values.to(memory_format=torch.channels_last) if channels_last else values


def changed(settings: Augment, values: Tensor, seed: int = 0, size: int = 0) -> Tensor:
    random = np.random.default_rng(seed)
    return augment_pictures(values, settings, size or values.shape[-1], random)


def test_switched_off_it_gives_the_pictures_themselves() -> None:
    values = pictures()
    assert changed(Augment(), values) is values


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_same_generator_gives_the_same_pictures(channels_last: bool) -> None:
    values = pictures(channels_last=channels_last)
    before = values.clone()
    first = changed(EVERYTHING, values, size=16)
    assert first.dtype == torch.uint8 and first.shape == (6, 3, 16, 16)
    torch.rand(5)  # torch's own generator plays no part
    assert torch.equal(first, changed(EVERYTHING, values, size=16))
    assert not torch.equal(first, changed(EVERYTHING, values, seed=1, size=16))
    assert torch.equal(values, before)


def test_each_switch_leaves_the_numbers_of_the_others_alone() -> None:
    """Switching the colours on doesn't move the crops: a change of one setting is one change."""
    values = pictures()
    box = Augment(crop_area=(0.3, 0.6))
    plain = changed(box, values)
    coloured = changed(box.model_copy(update={"grey": 1.0}), values).float()
    grey = (plain.float() * torch.tensor(GREY)[:, None, None]).sum(1)
    assert (coloured - grey[:, None]).abs().max() <= 1  # rounding


def test_a_flip_is_a_mirror() -> None:
    values = pictures()
    assert torch.equal(changed(Augment(flip=1.0), values), values.flip(3))
    some = changed(Augment(flip=0.5), values)
    mirrored = [torch.equal(one, two.flip(2)) for one, two in zip(some, values, strict=True)]
    assert 0 < sum(mirrored) < 6


def test_a_crop_is_a_box_of_the_picture_of_the_wanted_area_and_shape() -> None:
    """The gradients of a smooth picture tell which box was taken."""
    side, size, count = 64, 32, 200
    steps = torch.arange(side) * 4.0  # a pixel is 4 brighter than its neighbour
    rows, columns = steps[:, None].expand(side, side), steps[None].expand(side, side)
    values = torch.stack([rows, columns, rows]).to(torch.uint8).expand(count, -1, -1, -1)
    found = changed(Augment(crop_area=(0.25, 0.5)), values, size=size).float()
    pixels = (size - 1) * 4 * side / size  # first to last pixel of a crop that is the whole picture
    height = (found[:, 0, -1, 16] - found[:, 0, 0, 16]) / pixels
    width = (found[:, 1, 16, -1] - found[:, 1, 16, 0]) / pixels
    area, ratio = height * width, width / height
    assert 0.24 < float(area.min()) < 0.27 and 0.46 < float(area.max()) < 0.52
    assert 0.74 < float(ratio.min()) < 0.85 and 1.2 < float(ratio.max()) < 1.36
    assert len({round(float(value)) for value in found[:, 0, 0, 0]}) > 20  # not always one corner


def test_brightness_contrast_and_saturation_are_what_they_say() -> None:
    values = pictures()
    flat = values.float()
    weights = torch.tensor(GREY)[:, None, None]

    darker = changed(Augment(brightness=0.3), values).float()
    factor = darker.mean((1, 2, 3)) / flat.mean((1, 2, 3))
    assert factor.min() > 0.69 and factor.max() < 1.31 and factor.std() > 0.05

    contrast = changed(Augment(contrast=0.3), values).float()
    grey, grey_before = (contrast * weights).sum(1), (flat * weights).sum(1)
    assert torch.allclose(grey.mean((1, 2)), grey_before.mean((1, 2)), atol=2)
    assert not torch.allclose(grey.std((1, 2)), grey_before.std((1, 2)), rtol=0.02)

    saturated = changed(Augment(saturation=0.5), values).float()
    kept = (saturated * weights).sum(1)
    inside = ((saturated > 0) & (saturated < 255)).all(1)  # cut values change the brightness
    assert (kept - grey_before)[inside].abs().max() < 1.5

    turned = changed(Augment(hue=0.5), values).float()
    inside = ((turned > 0) & (turned < 255)).all(1)
    assert inside.any() and ((turned * weights).sum(1) - grey_before)[inside].abs().max() < 2.5
    assert (turned - flat).abs().mean() > 5

    grey_only = changed(Augment(grey=1.0), values)
    assert torch.equal(grey_only[:, 0], grey_only[:, 1])
    assert torch.equal(grey_only[:, 0], grey_only[:, 2])


def test_colour_chance_leaves_pictures_as_they_are() -> None:
    values = pictures(60)
    found = changed(Augment(brightness=0.9, colour_chance=0.5), values)
    same = [torch.equal(one, two) for one, two in zip(found, values, strict=True)]
    assert 15 < sum(same) < 45


def test_a_larger_side_is_decoded_only_for_crops() -> None:
    assert Augment().decoded_size(64) == 64
    assert Augment(crop_area=(0.5, 1.0)).decoded_size(64) == math.ceil(64 / math.sqrt(0.75))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"crop_area": [0.5, 1.2]}, "within 0 to 1"),
        ({"crop_area": [0.9, 0.5]}, "within 0 to 1"),
        ({"crop_ratio": [0, 1]}, "above 0"),
        ({"flip": 1.5}, "flip"),
        ({"hew": 0.1}, "did you mean 'hue'"),
    ],
)
def test_wrong_settings_are_named(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        validate(Augment, setting, "augment")


def test_dropped_tokens_leave_the_marks_and_one_between() -> None:
    rows = [np.arange(number + 2, dtype=np.int32) for number in (1, 0, 30, 400)]
    kept = drop_tokens(rows, 0.5, np.random.default_rng(0))
    for before, after in zip(rows, kept, strict=True):
        assert after[0] == before[0] and after[-1] == before[-1]
        assert (np.diff(after) > 0).all() and set(after) <= set(before)
    assert kept[0].tolist() == rows[0].tolist() and kept[1].tolist() == rows[1].tolist()
    assert 150 < len(kept[3]) < 250
    almost_all = drop_tokens(rows, 0.999, np.random.default_rng(0))
    assert [len(row) for row in almost_all][:3] == [3, 2, 3]
    again = drop_tokens(rows, 0.5, np.random.default_rng(0))
    assert all(np.array_equal(one, two) for one, two in zip(kept, again, strict=True))


def test_a_text_of_one_token_stays() -> None:
    row = np.array([7], np.int32)
    assert drop_tokens([row], 0.9, np.random.default_rng(0))[0].tolist() == [7]
