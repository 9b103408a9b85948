"""SigLIP as transformers' ``SiglipModel`` saves it; SigLIP 2 of one fixed size is the same.

SigLIP was trained on padded texts and looks at the padding, so every text is filled up.

Source: ``modeling_siglip.py`` and ``configuration_siglip.py`` of huggingface/transformers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interlingua.layouts.config_file import Fit, Section, read_json
from interlingua.layouts.hf_parts import (
    GENERIC_TOKENIZER,
    encoder_config,
    encoder_rules,
    encoder_settings,
    need_two_towers,
    tokenizer_class,
    tokenizer_file,
)
from interlingua.layouts.layout import Layout
from interlingua.layouts.model_layout import (
    HF,
    ModelLayout,
    Plain,
    TokenizerNote,
    tokenizer_in,
)
from interlingua.layouts.preprocessor_file import (
    FILE_NAME,
    SIGLIP_DEFAULTS,
    read_preprocessor,
    write_preprocessor,
)
from interlingua.layouts.rule import ONE_NUMBER, ONE_TOKEN, PATCH_KERNEL, Change, Rule
from interlingua.layouts.safetensors_file import read_safetensors, write_safetensors

IMAGE, TEXT = "towers.image.tower", "towers.text.tower"
ENCODER_DEFAULTS = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-6,
}


def siglip_tensors(name: str, patches: Change) -> Layout:
    """The names of SigLIP's tensors.

    Args:
        name: of the layout.
        patches: how the weights of the patch embedding are turned into ours.
    """
    vision, head = "vision_model", "vision_model.head"
    return Layout(
        name=name,
        rules=(
            Rule("log_scale", "logit_scale", ONE_NUMBER),
            Rule("bias", "logit_bias", ONE_NUMBER),
            Rule("projections.text.{p}", "text_model.head.{p}"),
            Rule(
                "towers.image.patch_embedding.weight",
                f"{vision}.embeddings.patch_embedding.weight",
                patches,
            ),
            Rule("towers.image.patch_embedding.bias", f"{vision}.embeddings.patch_embedding.bias"),
            Rule(
                "towers.image.position_embedding", f"{vision}.embeddings.position_embedding.weight"
            ),
            *encoder_rules("towers.image", f"{vision}.encoder"),
            Rule("towers.image.norm.{p}", f"{vision}.post_layernorm.{{p}}"),
            Rule("towers.image.attention_pool.probe", f"{head}.probe", ONE_TOKEN),
            Rule("towers.image.attention_pool.qkv.{p}", f"{head}.attention.in_proj_{{p}}"),
            Rule("towers.image.attention_pool.out.{p}", f"{head}.attention.out_proj.{{p}}"),
            Rule("towers.image.attention_pool.norm.{p}", f"{head}.layernorm.{{p}}"),
            Rule("towers.image.attention_pool.feed_forward.up.{p}", f"{head}.mlp.fc1.{{p}}"),
            Rule("towers.image.attention_pool.feed_forward.down.{p}", f"{head}.mlp.fc2.{{p}}"),
            Rule(
                "towers.text.token_embedding.weight",
                "text_model.embeddings.token_embedding.weight",
            ),
            Rule(
                "towers.text.position_embedding", "text_model.embeddings.position_embedding.weight"
            ),
            *encoder_rules("towers.text", "text_model.encoder"),
            Rule("towers.text.norm.{p}", "text_model.final_layer_norm.{p}"),
        ),
        ignored={
            "text_model.embeddings.position_ids": "a count from zero",
            "vision_model.embeddings.position_ids": "a count from zero",
        },
        read_tensors=read_safetensors,
        write_tensors=write_safetensors,
    )


def describe_siglip(folder: Path, image: Mapping[str, Any]) -> Plain:
    """The description of a folder.

    Args:
        folder: with ``config.json``.
        image: the settings of the picture tower that the versions don't share.
    """
    config = read_json(folder / HF)
    vision, text = config.section("vision_config"), config.section("text_config")
    vision.require({"num_channels": 3, "vision_use_head": True})
    settings = encoder_settings(text, ENCODER_DEFAULTS)
    width = encoder_settings(vision, ENCODER_DEFAULTS)["width"]
    if text.number("projection_size", settings["width"]) != width:
        text.fail(f"Texts come to another width than pictures, which have {width} numbers.")
    return {
        "name": "dual_encoder",
        "width": width,
        "initial_bias": -10.0,
        "max_scale": 1000.0,  # SigLIP's own grows beyond CLIP's limit of 100
        "initial_scale": 10.0,
        "towers": {
            "image": {
                "projection": "none",
                "tower": {
                    "name": "vit",
                    "class_token": False,
                    "pooling": "attention",
                    "pre_norm": False,
                    "patch_bias": True,
                    **encoder_settings(vision, ENCODER_DEFAULTS),
                    **image,
                },
            },
            "text": {"bias": True, "tower": _describe_text(text, folder, settings)},
        },
    }


def _describe_text(text: Section, folder: Path, settings: Plain) -> Plain:
    max_tokens = text.number("max_position_embeddings", 64)
    # SigLIP's tokenizer drops punctuation; that of SigLIP 2 (Gemma's) only lowers case
    lower_only = tokenizer_class(folder).startswith(("Gemma", "Siglip2"))
    return {
        "name": "text_transformer",
        "vocabulary": text.number("vocab_size", 32_000),
        **settings,
        "max_positions": max_tokens,
        "max_tokens": max_tokens,
        "causal": False,
        "pooling": "last",
        "pad_to_max": True,
        "tokenizer": tokenizer_in(folder),
        "clean": "lower" if lower_only else "siglip",
    }


def siglip_files(
    fit: Fit, note: TokenizerNote, vision: Mapping[str, Any], preprocessor: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """The files of a folder.

    Args:
        fit: of the description.
        note: of the tokenizer.
        vision: of ``vision_config``, what the versions don't share.
        preprocessor: of ``preprocessor_config.json``.
    """
    need_siglip(fit)
    fit.check()
    kind = "siglip" if fit.layout == "hf_siglip" else "siglip2"
    max_tokens = fit.value(f"{TEXT}.max_positions")
    text = {
        "model_type": f"{kind}_text_model",
        **encoder_config(fit, TEXT),
        "vocab_size": fit.value(f"{TEXT}.vocabulary"),
        "max_position_embeddings": max_tokens,
        "projection_size": fit.value("width"),
        "pad_token_id": note.pad_id,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    image = {
        "model_type": f"{kind}_vision_model",
        **encoder_config(fit, IMAGE),
        "num_channels": 3,
        "vision_use_head": True,
        **vision,
    }
    config = {
        "architectures": [f"{kind.capitalize()}Model"],
        "model_type": kind,
        "text_config": text,
        "vision_config": image,
    }
    lower = fit.value(f"{TEXT}.clean") == "lower"
    return {
        HF: config,
        FILE_NAME: dict(preprocessor),
        "tokenizer_config.json": tokenizer_file(
            note,
            "Siglip2Tokenizer" if lower else GENERIC_TOKENIZER,
            max_tokens,
            pad_token=note.pad_id,
        ),
    }


def need_siglip(fit: Fit) -> None:
    """Note each setting that SigLIP doesn't have."""
    need_two_towers(fit, ("vit",), "text_transformer")
    if fit.value("initial_bias") is None:
        fit.note("model.initial_bias is None, the layout has a bias")
    fit.need("towers.image.projection", "none")
    fit.need("towers.text.projection", "linear")
    fit.need("towers.text.bias", True)
    for key, value in {
        "class_token": False, "pooling": "attention", "pre_norm": False, "patch_bias": True,
    }.items():  # fmt: skip
        fit.need(f"{IMAGE}.{key}", value)
    for key, value in {"causal": False, "pooling": "last", "pad_to_max": True}.items():
        fit.need(f"{TEXT}.{key}", value)
    fit.need(f"{TEXT}.max_tokens", fit.value(f"{TEXT}.max_positions"))


def _describe(folder: Path) -> Plain:
    vision = read_json(folder / HF).section("vision_config")
    size, patch = vision.number("image_size", 224), vision.number("patch_size", 16)
    preprocess = read_preprocessor(folder, size, SIGLIP_DEFAULTS)
    whole = size // patch * patch  # a convolution leaves out what a patch doesn't fill
    if whole != size:
        preprocess = {**preprocess, "image_size": whole}
    return describe_siglip(folder, {"patch_size": patch, **preprocess})


def _files(plain: Mapping[str, Any], note: TokenizerNote) -> dict[str, dict[str, Any]]:
    fit = Fit("hf_siglip", plain)
    need_siglip(fit)
    preprocessor = write_preprocessor(fit, IMAGE, "SiglipImageProcessor", square=True)
    if not math.isclose(fit.value(f"{IMAGE}.crop_fraction"), 1):
        fit.note(f"model.{IMAGE}.crop_fraction is not 1")
    vision = {key: fit.value(f"{IMAGE}.{key}") for key in ("image_size", "patch_size")}
    return siglip_files(fit, note, vision, preprocessor)


_TENSORS = siglip_tensors("hf_siglip", PATCH_KERNEL)
LAYOUT = ModelLayout(
    name="hf_siglip", tensors=lambda plain, folder: _TENSORS, describe=_describe, files=_files
)
