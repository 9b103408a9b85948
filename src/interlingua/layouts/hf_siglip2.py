"""SigLIP 2 with native shapes (NaFlex) as transformers' ``Siglip2Model`` saves it.

Its picture tower takes as many patches as its processor cuts. Here it takes squares, on the grid
its positions are learned on, where both give the same; other sizes are resampled as it does.

SigLIP 2 of one fixed size is published as ``siglip``.

Source: ``modeling_siglip2.py`` of huggingface/transformers; Tschannen et al. 2025
(arXiv 2502.14786), section 2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interlingua.layouts.config_file import Fit, read_json
from interlingua.layouts.hf_siglip import IMAGE, describe_siglip, siglip_files, siglip_tensors
from interlingua.layouts.model_layout import HF, ModelLayout, Plain, TokenizerNote
from interlingua.layouts.preprocessor_file import SIGLIP_DEFAULTS, read_preprocessor
from interlingua.layouts.rule import PATCH_PIXELS


def _describe(folder: Path) -> Plain:
    vision = read_json(folder / HF).section("vision_config")
    patch, num_patches = vision.number("patch_size", 16), vision.number("num_patches", 256)
    side = math.isqrt(num_patches)
    if side * side != num_patches:
        vision.fail(f"Positions of {num_patches} patches are no square grid.")
    size = side * patch
    defaults = {**SIGLIP_DEFAULTS, "resample": 2, "size": {"height": size, "width": size}}
    image = {
        "patch_size": patch,
        "position_interpolation": "bilinear",
        **read_preprocessor(folder, size, defaults),
    }
    return describe_siglip(folder, image)


def _files(plain: Mapping[str, Any], note: TokenizerNote) -> dict[str, dict[str, Any]]:
    fit = Fit("hf_siglip2", plain)
    fit.need(f"{IMAGE}.fit", "squash")
    fit.need(f"{IMAGE}.crop_fraction", 1, 1.0)
    fit.need(f"{IMAGE}.position_interpolation", "bilinear")
    fit.check()
    patch = fit.value(f"{IMAGE}.patch_size")
    num_patches = (fit.value(f"{IMAGE}.image_size") // patch) ** 2
    preprocessor = {
        "image_processor_type": "Siglip2ImageProcessor",
        "do_resize": True,
        "resample": 2 if fit.value(f"{IMAGE}.interpolation") == "bilinear" else 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(fit.value(f"{IMAGE}.mean")),
        "image_std": list(fit.value(f"{IMAGE}.std")),
        "patch_size": patch,
        "max_num_patches": num_patches,
    }
    vision = {"patch_size": patch, "num_patches": num_patches}
    return siglip_files(fit, note, vision, preprocessor)


_TENSORS = siglip_tensors("hf_siglip2", PATCH_PIXELS)
LAYOUT = ModelLayout(
    name="hf_siglip2", tensors=lambda plain, folder: _TENSORS, describe=_describe, files=_files
)
