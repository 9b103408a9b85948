"""CLIP as transformers' ``CLIPModel`` saves it; picture towers are ViTs.

Source: ``modeling_clip.py`` and ``configuration_clip.py`` of huggingface/transformers.
"""

from __future__ import annotations

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
    CLIP_DEFAULTS,
    FILE_NAME,
    read_preprocessor,
    write_preprocessor,
)
from interlingua.layouts.rule import PATCH_KERNEL, Rule
from interlingua.layouts.safetensors_file import read_safetensors, write_safetensors

IMAGE, TEXT = "towers.image.tower", "towers.text.tower"
# files say eos_token_id = 2 where they were made before transformers 4.24; the end token is then
# the last of the vocabulary, and the model pools at the highest id
OLD_END_ID = 2

_DEFAULTS = {
    "num_hidden_layers": 12,
    "hidden_act": "quick_gelu",
    "layer_norm_eps": 1e-5,
}
_IMAGE_DEFAULTS = {
    **_DEFAULTS, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072,
}  # fmt: skip
_TEXT_DEFAULTS = {
    **_DEFAULTS, "hidden_size": 512, "num_attention_heads": 8, "intermediate_size": 2048,
}  # fmt: skip

_TENSORS = Layout(
    name="hf_clip",
    rules=(
        Rule("log_scale", "logit_scale"),
        Rule("projections.image.weight", "visual_projection.weight"),
        Rule("projections.text.weight", "text_projection.weight"),
        Rule("towers.image.class_token", "vision_model.embeddings.class_embedding"),
        Rule(
            "towers.image.patch_embedding.weight",
            "vision_model.embeddings.patch_embedding.weight",
            PATCH_KERNEL,
        ),
        Rule(
            "towers.image.position_embedding", "vision_model.embeddings.position_embedding.weight"
        ),
        Rule("towers.image.pre_norm.{p}", "vision_model.pre_layrnorm.{p}"),
        *encoder_rules("towers.image", "vision_model.encoder"),
        Rule("towers.image.norm.{p}", "vision_model.post_layernorm.{p}"),
        Rule("towers.text.token_embedding.weight", "text_model.embeddings.token_embedding.weight"),
        Rule("towers.text.position_embedding", "text_model.embeddings.position_embedding.weight"),
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


def _describe(folder: Path) -> Plain:
    config = read_json(folder / HF)
    image, text = config.section("vision_config"), config.section("text_config")
    image.require({"num_channels": 3})
    size = image.number("image_size", 224)
    return {
        "name": "dual_encoder",
        "width": config.number("projection_dim", 512),
        "towers": {
            "image": {
                "tower": {
                    "name": "vit",
                    "patch_size": image.number("patch_size", 32),
                    **encoder_settings(image, _IMAGE_DEFAULTS),
                    **read_preprocessor(folder, size, CLIP_DEFAULTS),
                }
            },
            "text": {"tower": _describe_text(text, folder)},
        },
    }


def _describe_text(text: Section, folder: Path) -> Plain:
    vocabulary = text.number("vocab_size", 49_408)
    end_id = text.number("eos_token_id", 49_407)
    max_tokens = text.number("max_position_embeddings", 77)
    return {
        "name": "text_transformer",
        "vocabulary": vocabulary,
        **encoder_settings(text, _TEXT_DEFAULTS),
        "max_positions": max_tokens,
        "max_tokens": max_tokens,
        "end_id": vocabulary - 1 if end_id == OLD_END_ID else end_id,
        "tokenizer": tokenizer_in(folder),
        "clean": "clip",
    }


def _files(plain: Mapping[str, Any], note: TokenizerNote) -> dict[str, dict[str, Any]]:
    fit = Fit("hf_clip", plain)
    need_two_towers(fit, ("vit",), "text_transformer")
    fit.need("initial_bias", None)
    for tower in ("image", "text"):
        fit.need(f"towers.{tower}.projection", "linear")
        fit.need(f"towers.{tower}.bias", False)
    for key, value in {
        "class_token": True, "pooling": "class", "pre_norm": True, "patch_bias": False,
    }.items():  # fmt: skip
        fit.need(f"{IMAGE}.{key}", value)
    for key, value in {"causal": True, "pooling": "end", "pad_to_max": False}.items():
        fit.need(f"{TEXT}.{key}", value)
    end_id = fit.value(f"{TEXT}.end_id")
    if end_id == OLD_END_ID:
        fit.note(f"model.{TEXT}.end_id is 2, which the layout reads as the highest id of a text")
    preprocessor = write_preprocessor(fit, IMAGE, "CLIPImageProcessor", square=False)
    fit.check()
    width = fit.value("width")
    max_tokens = fit.value(f"{TEXT}.max_positions")
    ids = {"eos_token_id": end_id, "pad_token_id": note.pad_id}
    started = [number for number, token in note.tokens.items() if "start" in token]
    ids["bos_token_id"] = started[0] if started else 0
    text = {
        "model_type": "clip_text_model",
        **encoder_config(fit, TEXT),
        "vocab_size": fit.value(f"{TEXT}.vocabulary"),
        "max_position_embeddings": max_tokens,
        "projection_dim": width,
        **ids,
    }
    image = {
        "model_type": "clip_vision_model",
        **encoder_config(fit, IMAGE),
        "image_size": fit.value(f"{IMAGE}.image_size"),
        "patch_size": fit.value(f"{IMAGE}.patch_size"),
        "num_channels": 3,
        "projection_dim": width,
    }
    config = {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": width,
        "logit_scale_init_value": 2.6592,
        "text_config": text,
        "vision_config": image,
    }
    named = {key.removesuffix("_id"): number for key, number in ids.items()}
    return {
        HF: config,
        FILE_NAME: preprocessor,
        "tokenizer_config.json": tokenizer_file(
            note,
            "CLIPTokenizer" if note.is_clip else GENERIC_TOKENIZER,
            max_tokens,
            **named,
            unk_token=end_id,
        ),
    }


LAYOUT = ModelLayout(
    name="hf_clip", tensors=lambda plain, folder: _TENSORS, describe=_describe, files=_files
)
