"""Preprocessing as the files of transformers have it, and its pixels against the reference's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from interlingua.data.image import to_pixels
from interlingua.errors import LayoutError
from interlingua.layouts.preprocessor_file import (
    ALIGN_DEFAULTS,
    CLIP_DEFAULTS,
    SIGLIP_DEFAULTS,
    read_preprocessor,
)
from interlingua.towers.tower import ImagePreprocess

# as published for the first checkpoint of each
CLIP = {
    "crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 224,
}  # fmt: skip
SIGLIP = {
    "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5], "resample": 3, "rescale_factor": 0.00392156862745098,
    "size": {"height": 224, "width": 224},
}  # fmt: skip
ALIGN = {
    "crop_size": {"height": 289, "width": 289}, "do_center_crop": True, "do_normalize": False,
    "do_rescale": True, "do_resize": True, "include_top": False, "resample": 2,
    "rescale_factor": 0.00784313725490196, "rescale_offset": True,
    "size": {"height": 346, "width": 346},
}  # fmt: skip


def read(folder: Path, values: Any, size: int, defaults: dict[str, Any]) -> dict[str, Any]:
    (folder / "preprocessor_config.json").write_text(json.dumps(values))
    return read_preprocessor(folder, size, defaults)


def test_the_published_files_and_their_absence_mean_the_same(tmp_path: Path) -> None:
    for values, size, defaults in (
        (CLIP, 224, CLIP_DEFAULTS),
        (SIGLIP, 224, SIGLIP_DEFAULTS),
        (ALIGN, 289, ALIGN_DEFAULTS),
    ):
        absent = tmp_path / "absent"
        absent.mkdir(exist_ok=True)
        assert read(tmp_path, values, size, defaults) == read_preprocessor(absent, size, defaults)


def test_align_goes_from_minus_one_to_one(tmp_path: Path) -> None:
    found = read(tmp_path, ALIGN, 289, ALIGN_DEFAULTS)
    assert found["mean"] == found["std"] == (0.5, 0.5, 0.5)
    assert found["crop_fraction"] == pytest.approx(289 / 346)
    assert (found["fit"], found["interpolation"]) == ("squash", "bilinear")


def test_newer_processors_put_it_into_another_file(tmp_path: Path) -> None:
    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": SIGLIP}))
    assert read_preprocessor(tmp_path, 224, CLIP_DEFAULTS)["fit"] == "squash"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"resample": 0}, "filter 0 is not supported"),
        ({"do_resize": False}, "'do_resize' is False"),
        ({"size": {"height": 224, "width": 200}, "do_center_crop": False}, "neither a square"),
        ({"do_center_crop": False}, "not made square"),
        ({"size": 256, "crop_size": 256}, "256 pixels wide, the tower takes 224"),
        ({"image_std": [1, 1]}, "three numbers"),
        ({"image_std": [1, 0, 1]}, "three numbers"),
        ({"image_mean": "imagenet"}, "wrong type"),
    ],
)
def test_what_is_not_supported_is_named(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(LayoutError, match=complaint) as caught:
        read(tmp_path, {**CLIP, **change}, 224, CLIP_DEFAULTS)
    assert "preprocessor_config.json" in str(caught.value.where)


def picture(width: int, height: int) -> Image.Image:
    rows, columns = np.mgrid[0:height, 0:width]
    waves = np.stack(
        [
            127 + 120 * np.sin(columns / 17 + rows / 31),
            127 + 120 * np.cos(columns * rows / 4000),
            (columns * 255 / width + rows * 255 / height) / 2,
        ],
        axis=-1,
    )
    return Image.fromarray(waves.astype(np.uint8))


@pytest.mark.parametrize("size", [(600, 400), (400, 600), (231, 377), (224, 224), (150, 100)])
@pytest.mark.parametrize("name", ["siglip", "align", "clip"])
def test_pixels_equal_the_references(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.efficientnet.image_processing_pil_efficientnet import (
        EfficientNetImageProcessorPil,
    )
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    kind, values, side, defaults = {
        "clip": (CLIPImageProcessorPil, CLIP, 224, CLIP_DEFAULTS),
        "siglip": (SiglipImageProcessorPil, SIGLIP, 224, SIGLIP_DEFAULTS),
        "align": (EfficientNetImageProcessorPil, ALIGN, 289, ALIGN_DEFAULTS),
    }[name]
    found = read(tmp_path, values, side, defaults)
    preprocess = ImagePreprocess(size=found.pop("image_size"), **found)
    image = picture(*size)
    theirs = kind(**values)(image, return_tensors="np")["pixel_values"][0]
    pixels = to_pixels(image, preprocess).numpy() / 255
    mean, std = (np.array(one)[:, None, None] for one in (preprocess.mean, preprocess.std))
    off = np.abs((theirs * std + mean) - pixels) * 255
    # torch's kernel rounds its weights to fewer bits than Pillow's
    assert off.max() <= 2.01
    assert off.mean() <= 0.05
