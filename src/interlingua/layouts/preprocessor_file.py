"""``preprocessor_config.json`` of transformers: how its image processors treat a picture.

Values go through ``(x * rescale_factor - offset - mean) / std``; a tower of ours takes
``(x / 255 - mean) / std``, so the factor and the offset go into our mean and deviation.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interlingua.layouts.config_file import Fit, Section, read_json

FILE_NAME = "preprocessor_config.json"
NEWER_FILE_NAME = "processor_config.json"  # newer processors put theirs in here
_RESAMPLING = {2: "bilinear", 3: "bicubic"}

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)

# what each class of processors does where its file is silent
CLIP_DEFAULTS: dict[str, Any] = {
    "size": {"shortest_edge": 224},
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "resample": 3,
    "image_mean": CLIP_MEAN,
    "image_std": CLIP_STD,
}
SIGLIP_DEFAULTS: dict[str, Any] = {
    "size": {"height": 224, "width": 224},
    "resample": 3,
    "image_mean": HALF,
    "image_std": HALF,
}
# as published for ALIGN: squash to 346, cut 289 out of the centre, -1 to 1
ALIGN_DEFAULTS: dict[str, Any] = {
    "size": {"height": 346, "width": 346},
    "do_center_crop": True,
    "crop_size": {"height": 289, "width": 289},
    "resample": 2,
    "rescale_factor": 1 / 127.5,
    "rescale_offset": True,
    "do_normalize": False,
    "include_top": False,
}


def read_preprocessor(folder: Path, image_size: int, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a picture tower that its preprocessing is made from.

    Args:
        folder: with the file; without it the ``defaults`` hold, at the tower's size.
        image_size: side in pixels that the tower takes.
        defaults: of the class of processors.

    Raises:
        LayoutError: the file is damaged, asks for what isn't supported, or gives another size.
    """
    section = _find(folder)
    if section is None:
        return _settings(Section(defaults, str(folder)), image_size)
    section = Section({**defaults, **section.values}, section.where)
    section.require({"do_resize": True, "do_rescale": True, "do_pad": False})
    side = _crop(section.values) or _square(section.values)
    if side and side != image_size:
        section.fail(
            f"The pictures are made {side} pixels wide, the tower takes {image_size}.",
            "Correct size and crop_size, or the image_size of config.json.",
        )
    return _settings(section, image_size)


def write_preprocessor(fit: Fit, path: str, processor: str, *, square: bool) -> dict[str, Any]:
    """The file for the picture tower whose settings stand at a path of the description.

    Args:
        fit: notes what the file can't express.
        path: of the tower's settings, dotted.
        processor: the class of processors.
        square: whether that class squashes to a square; else it resizes the shorter edge.
    """
    fit.need(f"{path}.fit", "squash" if square else "crop")
    fit.need(f"{path}.trim", False, None)
    size = fit.value(f"{path}.image_size")
    fraction = fit.value(f"{path}.crop_fraction")
    resized = round(size / fraction)
    values: dict[str, Any] = {
        "image_processor_type": processor,
        "do_resize": True,
        "size": {"height": resized, "width": resized} if square else {"shortest_edge": resized},
        "resample": {name: code for code, name in _RESAMPLING.items()}[
            fit.value(f"{path}.interpolation")
        ],
        "do_center_crop": not square or resized != size,
        "crop_size": {"height": size, "width": size},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(fit.value(f"{path}.mean")),
        "image_std": list(fit.value(f"{path}.std")),
        "do_convert_rgb": True,
    }
    return values


def _find(folder: Path) -> Section | None:
    if (folder / FILE_NAME).exists():
        return read_json(folder / FILE_NAME)
    if (folder / NEWER_FILE_NAME).exists():
        newer = read_json(folder / NEWER_FILE_NAME)
        if "image_processor" in newer:
            return newer.section("image_processor")
    return None


def _square(values: Mapping[str, Any]) -> int:
    """Side or shorter edge in pixels after resizing; 0 where it can't be told."""
    size = values.get("size")
    if isinstance(size, Mapping):
        height, width = size.get("height"), size.get("width")
        size = size.get("shortest_edge") or (height if height == width else 0)
    return size if isinstance(size, int) else 0


def _crop(values: Mapping[str, Any]) -> int:
    """Side in pixels after cutting the centre out; 0 where nothing is cut."""
    return _square({"size": values.get("crop_size")}) if values.get("do_center_crop") else 0


def _settings(section: Section, image_size: int) -> dict[str, Any]:
    size = section.values.get("size")
    squashed = isinstance(size, Mapping) and "height" in size
    resized = _square(section.values)
    side = _crop(section.values) or resized
    if not resized:
        section.fail(f"The size {size!r} is neither a square nor a shortest edge.")
    if not squashed and not section.flag("do_center_crop", default=False):
        section.fail("Pictures are not made square: do_center_crop is false.")
    code = section.number("resample", 3)
    if code not in _RESAMPLING:
        section.fail(
            f"The resampling filter {code} is not supported.",
            "Supported: 2 (bilinear) and 3 (bicubic).",
        )
    factor = 255 * section.real("rescale_factor", 1 / 255)
    offset = 1.0 if section.flag("rescale_offset", default=False) else 0.0
    mean, std = [0.0] * 3, [1.0] * 3
    if section.flag("do_normalize", default=True):
        mean = section.numbers("image_mean", HALF)
        std = section.numbers("image_std", HALF)
    if section.flag("include_top", default=False):  # EfficientNet divides once more
        again = section.numbers("image_std", HALF)
        std = [one * two for one, two in zip(std, again, strict=True)]
    if len(mean) != 3 or len(std) != 3 or 0 in std or not factor:
        section.fail("image_mean and image_std need three numbers each, none of these 0.")
    return {
        "image_size": image_size,
        "fit": "squash" if squashed else "crop",
        "crop_fraction": side / resized,
        "interpolation": _RESAMPLING[code],
        "mean": tuple(_plain((offset + one) / factor) for one in mean),
        "std": tuple(_plain(one / factor) for one in std),
    }


def _plain(value: float) -> float:
    """Without the noise of 255 * (1 / 255), so that what is written and read is equal."""
    return float(f"{value:.12g}")
