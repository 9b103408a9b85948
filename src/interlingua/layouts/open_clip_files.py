"""``open_clip_config.json``, made from the description of a model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from interlingua.layouts.config_file import Fit
from interlingua.layouts.hf_parts import need_two_towers
from interlingua.layouts.hf_siglip import need_siglip
from interlingua.layouts.model_layout import OPEN_CLIP, TokenizerNote
from interlingua.layouts.timm_siglip import timm_name

IMAGE, TEXT = "towers.image.tower", "towers.text.tower"


def open_clip_files(plain: Mapping[str, Any], note: TokenizerNote) -> dict[str, dict[str, Any]]:
    """The files of a folder.

    Raises:
        LayoutError: lists the settings that open_clip's configuration can't express.
    """
    fit = Fit("open_clip", plain)
    need_two_towers(fit, ("vit", "modified_resnet"), "text_transformer")
    siglip = fit.value(f"{IMAGE}.pooling") == "attention"
    if siglip:
        need_siglip(fit)
        vision = _timm_config(fit)
    elif fit.value(f"{IMAGE}.name") == "vit":
        vision = _vit_config(fit)
    else:
        vision = _resnet_config(fit)
    text = _text_config(fit, note, siglip)
    _check_preprocess(fit)
    model = {"embed_dim": fit.value("width"), "vision_cfg": vision, "text_cfg": text}
    if fit.value(f"{TEXT}.activation") == "quick_gelu":
        model["quick_gelu"] = True
    if siglip:
        model["custom_text"] = True
    if fit.value("initial_bias") is not None:
        model["init_logit_bias"] = fit.value("initial_bias")
    fit.check()
    preprocess = {
        "mean": list(fit.value(f"{IMAGE}.mean")),
        "std": list(fit.value(f"{IMAGE}.std")),
        "interpolation": fit.value(f"{IMAGE}.interpolation"),
        "resize_mode": "squash" if fit.value(f"{IMAGE}.fit") == "squash" else "shortest",
    }
    return {OPEN_CLIP: {"model_cfg": model, "preprocess_cfg": preprocess}}


def _check_preprocess(fit: Fit) -> None:
    fit.need(f"{IMAGE}.fit", "crop", "squash")
    if not math.isclose(fit.value(f"{IMAGE}.crop_fraction"), 1):
        fit.note(f"model.{IMAGE}.crop_fraction is not 1")


def _timm_config(fit: Fit) -> dict[str, Any]:
    name = timm_name(fit.value(IMAGE))
    if not name:
        fit.note(f"timm has no SigLIP tower of the sizes of model.{IMAGE}")
    return {
        "image_size": fit.value(f"{IMAGE}.image_size"),
        "timm_model_name": name,
        "timm_model_pretrained": False,
        "timm_pool": "map",
        "timm_proj": "none",
    }


def _vit_config(fit: Fit) -> dict[str, Any]:
    fit.need("towers.image.projection", "linear")
    fit.need("towers.image.bias", False)
    fit.need(f"{IMAGE}.class_token", True)
    fit.need(f"{IMAGE}.patch_bias", False)
    width = fit.value(f"{IMAGE}.width")
    return {
        "image_size": fit.value(f"{IMAGE}.image_size"),
        "layers": fit.value(f"{IMAGE}.num_layers"),
        "width": width,
        "head_width": width // fit.value(f"{IMAGE}.num_heads"),
        "patch_size": fit.value(f"{IMAGE}.patch_size"),
        "pool_type": "avg" if fit.value(f"{IMAGE}.pooling") == "mean" else "tok",
        "no_ln_pre": not fit.value(f"{IMAGE}.pre_norm"),
        **_block_config(fit, IMAGE),
    }


def _resnet_config(fit: Fit) -> dict[str, Any]:
    fit.need("towers.image.projection", "none")
    channels = fit.value(f"{IMAGE}.channels")
    return {
        "image_size": fit.value(f"{IMAGE}.image_size"),
        "layers": list(fit.value(f"{IMAGE}.depths")),
        "width": channels,
        "head_width": channels * 32 // fit.value(f"{IMAGE}.num_heads"),
        "patch_size": None,
    }


def _text_config(fit: Fit, note: TokenizerNote, siglip: bool) -> dict[str, Any]:
    fit.need("towers.text.projection", "linear")
    vocabulary, end_id = fit.value(f"{TEXT}.vocabulary"), fit.value(f"{TEXT}.end_id")
    text = {
        "context_length": fit.value(f"{TEXT}.max_positions"),
        "vocab_size": vocabulary,
        "width": fit.value(f"{TEXT}.width"),
        "heads": fit.value(f"{TEXT}.num_heads"),
        "layers": fit.value(f"{TEXT}.num_layers"),
        **_block_config(fit, TEXT),
    }
    if fit.value("towers.text.bias"):
        text["proj_bias"] = True
    if siglip:
        clean = "canonicalize" if fit.value(f"{TEXT}.clean") == "siglip" else "lower"
        named = {"hf_tokenizer_name": ".", "tokenizer_kwargs": {"clean": clean}}
        return {**text, "no_causal_mask": True, "pool_type": "last", **named}
    fit.need(f"{TEXT}.pooling", "end")
    fit.need(f"{TEXT}.causal", True)
    fit.need(f"{TEXT}.pad_to_max", False)
    if end_id != vocabulary - 1:
        text |= {"pool_type": "eos", "eos_id": end_id}
    if not note.is_clip:
        clean = "lower" if fit.value(f"{TEXT}.clean") == "clip" else "whitespace"
        text |= {"hf_tokenizer_name": ".", "tokenizer_kwargs": {"clean": clean}}
    return text


def _block_config(fit: Fit, tower: str) -> dict[str, Any]:
    """What the two kinds of transformer have alike, without what is open_clip's default."""
    width, hidden = fit.value(f"{tower}.width"), fit.value(f"{tower}.hidden_width")
    values: dict[str, Any] = {}
    if hidden != 4 * width:
        ratio = round(hidden / width, 4)
        values["mlp_ratio"] = ratio if int(width * ratio) == hidden else (hidden + 0.5) / width
    if fit.value(f"{tower}.norm_eps") != 1e-5:
        values["norm_kwargs"] = {"eps": fit.value(f"{tower}.norm_eps")}
    activation = fit.value(f"{tower}.activation")
    if activation == "gelu_tanh":
        values["act_kwargs"] = {"approximate": "tanh"}
    quick = fit.value(f"{TEXT}.activation") == "quick_gelu"
    if quick != (activation == "quick_gelu"):
        fit.note("the towers' activations differ, open_clip has one quick_gelu for both")
    return values
