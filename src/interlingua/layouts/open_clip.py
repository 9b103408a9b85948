"""open_clip's folder: ``open_clip_config.json`` and ``open_clip_model.safetensors``.

Supported are its CLIP models with a ViT or a modified ResNet and its own text transformer, and
its SigLIP models, whose picture tower is timm's.

Source: ``model.py``, ``factory.py`` and ``model_configs/`` of mlfoundations/open_clip.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interlingua.layouts.config_file import Section, read_json
from interlingua.layouts.layout import Layout
from interlingua.layouts.model_layout import OPEN_CLIP, ModelLayout, Plain, tokenizer_in
from interlingua.layouts.open_clip_files import open_clip_files
from interlingua.layouts.open_clip_tensors import open_clip_tensors
from interlingua.layouts.preprocessor_file import CLIP_MEAN, CLIP_STD
from interlingua.layouts.timm_siglip import describe_timm

DEFAULT_TOKENIZER = "clip-bpe"
CLIP_VOCABULARY = 49_408
_RESNET_HEADS = 32  # heads times their width over the stem's channels

_VISION_KEYS = (
    "image_size", "layers", "width", "head_width", "mlp_ratio", "patch_size", "patch_dropout",
    "no_ln_pre", "pool_type", "pos_embed_type", "act_kwargs", "norm_kwargs", "timm_model_name",
    "timm_model_pretrained", "timm_pool", "timm_proj", "timm_drop", "timm_drop_path",
    "attn_pooler_queries", "attn_pooler_heads",
)  # fmt: skip
_TEXT_KEYS = (
    "context_length", "vocab_size", "hf_tokenizer_name", "tokenizer_kwargs", "width", "heads",
    "layers", "mlp_ratio", "pad_id", "eos_id", "no_causal_mask", "pool_type", "proj_bias",
    "proj_type", "act_kwargs", "norm_kwargs",
)  # fmt: skip
_MODEL_KEYS = (
    "embed_dim", "vision_cfg", "text_cfg", "quick_gelu", "custom_text", "init_logit_scale",
    "init_logit_bias", "nonscalar_logit_scale", "output_dict", "cast_dtype",
)  # fmt: skip


def _describe(folder: Path) -> Plain:
    config = read_json(folder / OPEN_CLIP)
    model = config.section("model_cfg")
    vision, text = model.section("vision_cfg"), model.section("text_cfg")
    if "hf_model_name" in text:
        text.fail(
            f"The text tower {text.values['hf_model_name']!r} is not supported.",
            "Supported: open_clip's own text transformer.",
        )
    for section, keys in ((model, _MODEL_KEYS), (vision, _VISION_KEYS), (text, _TEXT_KEYS)):
        section.known_keys(keys)
    width = model.number("embed_dim")
    quick = model.flag("quick_gelu", default=False)
    image = _describe_image(vision, width, quick)
    image["tower"].update(_describe_preprocess(config))
    has_bias = "init_logit_bias" in model
    described = {
        "name": "dual_encoder",
        "width": width,
        "towers": {
            "image": image,
            "text": {
                "bias": text.flag("proj_bias", default=False),
                "tower": _describe_text(text, quick, folder),
            },
        },
    }
    if has_bias:
        described |= {"initial_bias": model.real("init_logit_bias"), "max_scale": 1000.0}
    return described


def _describe_image(vision: Section, width: int, quick: bool) -> Plain:
    if "timm_model_name" in vision:
        return {"projection": "none", "tower": describe_timm(vision, width)}
    size = vision.number("image_size", 224)
    if isinstance(vision.values.get("layers"), list):
        channels = vision.number("width", 64)
        return {
            "projection": "none",
            "tower": {
                "name": "modified_resnet",
                "image_size": size,
                "depths": tuple(int(depth) for depth in vision.numbers("layers")),
                "channels": channels,
                "num_heads": channels * _RESNET_HEADS // vision.number("head_width", 64),
                "output_width": width,
            },
        }
    vision.require({"pos_embed_type": "learnable"})
    inner = vision.number("width", 768)
    return {
        "tower": {
            "name": "vit",
            "image_size": size,
            "patch_size": vision.number("patch_size", 16),
            "width": inner,
            "num_layers": vision.number("layers", 12),
            "num_heads": inner // vision.number("head_width", 64),
            "hidden_width": int(inner * vision.real("mlp_ratio", 4.0)),
            "activation": _activation(vision, quick),
            "norm_eps": _norm_eps(vision),
            "pre_norm": not vision.flag("no_ln_pre", default=False),
            "pooling": vision.one_of("pool_type", {"tok": "class", "avg": "mean"}, "tok"),
        }
    }


def _describe_text(text: Section, quick: bool, folder: Path) -> Plain:
    text.require({"proj_type": "linear"})
    width = text.number("width", 512)
    vocabulary = text.number("vocab_size", CLIP_VOCABULARY)
    max_tokens = text.number("context_length", 77)
    pools = {"argmax": "end", "eos": "end", "last": "last"}
    pooling = text.one_of("pool_type", pools, "argmax")
    highest = text.text("pool_type", "argmax") == "argmax"
    end_id = vocabulary - 1 if highest else text.number("eos_id", 2)
    causal = not text.flag("no_causal_mask", default=False)
    cleans = {"canonicalize": "siglip", "lower": "clip", "whitespace": "none"}
    clean = "clip"
    if "hf_tokenizer_name" in text:
        kwargs = text.section("tokenizer_kwargs") if "tokenizer_kwargs" in text else text
        clean = kwargs.one_of("clean", cleans, "whitespace")
    described = {
        "name": "text_transformer",
        "vocabulary": vocabulary,
        "width": width,
        "num_layers": text.number("layers", 12),
        "num_heads": text.number("heads", 8),
        "hidden_width": int(width * text.real("mlp_ratio", 4.0)),
        "activation": _activation(text, quick),
        "norm_eps": _norm_eps(text),
        "max_positions": max_tokens,
        "max_tokens": max_tokens,
        "causal": causal,
        "pooling": pooling,
        "pad_to_max": pooling == "last",
        "tokenizer": _tokenizer(text, folder),
        "clean": clean,
    }
    return described | ({"end_id": end_id} if pooling == "end" else {})


def _tokenizer(text: Section, folder: Path) -> str:
    is_default = text.number("vocab_size", CLIP_VOCABULARY) == CLIP_VOCABULARY
    if not tokenizer_in(folder) and is_default and "hf_tokenizer_name" not in text:
        return DEFAULT_TOKENIZER
    return tokenizer_in(folder)


def _activation(section: Section, quick: bool) -> str:
    if "act_kwargs" in section:
        section.section("act_kwargs").require({"approximate": "tanh"})
        return "gelu_tanh"
    return "quick_gelu" if quick else "gelu"


def _norm_eps(section: Section) -> float:
    return section.section("norm_kwargs").real("eps", 1e-5) if "norm_kwargs" in section else 1e-5


def _describe_preprocess(config: Section) -> Plain:
    given = config.section("preprocess_cfg") if "preprocess_cfg" in config else Section({}, "")
    modes = {"shortest": "crop", "squash": "squash"}
    filters = {"bicubic": "bicubic", "bilinear": "bilinear"}
    return {
        "fit": given.one_of("resize_mode", modes, "shortest"),
        "crop_fraction": 1.0,
        "interpolation": given.one_of("interpolation", filters, "bicubic"),
        "mean": tuple(given.numbers("mean", CLIP_MEAN)),
        "std": tuple(given.numbers("std", CLIP_STD)),
    }


def _tensors(plain: Mapping[str, Any], folder: Path) -> Layout:
    model = read_json(folder / OPEN_CLIP).section("model_cfg")
    towers = plain["towers"]
    return open_clip_tensors(
        {"pooling": "class", **towers["image"]["tower"]},
        custom_text=model.flag("custom_text", default=False),
        text_bias=bool(towers["text"].get("bias", False)),
    )


LAYOUT = ModelLayout(name="open_clip", tensors=_tensors, describe=_describe, files=open_clip_files)
