"""ALIGN as transformers' ``AlignModel`` saves it: EfficientNet and BERT.

Texts are projected, pictures are not: the last map's channels are the space.

Source: ``modeling_align.py`` and ``configuration_align.py`` of huggingface/transformers; Jia et
al. 2021 (arXiv 2102.05918), section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interlingua.layouts.config_file import Fit, Section, read_json
from interlingua.layouts.hf_bert import BERT_IGNORED, BERT_RULES
from interlingua.layouts.hf_efficientnet import EFFICIENTNET_RULES
from interlingua.layouts.hf_parts import need_two_towers, tokenizer_file
from interlingua.layouts.layout import Layout
from interlingua.layouts.model_layout import (
    HF,
    ModelLayout,
    Plain,
    TokenizerNote,
    tokenizer_in,
)
from interlingua.layouts.preprocessor_file import (
    ALIGN_DEFAULTS,
    FILE_NAME,
    read_preprocessor,
    write_preprocessor,
)
from interlingua.layouts.rule import TEMPERATURE, Rule, prefixed
from interlingua.layouts.safetensors_file import read_safetensors, write_safetensors

IMAGE, TEXT = "towers.image.tower", "towers.text.tower"
# the published processor's; positions would allow 512
MAX_TOKENS = 64

# table 1 of EfficientNet, which every variant scales
_STAGES = {
    "kernel_sizes": [3, 3, 5, 3, 5, 5, 3],
    "in_channels": [32, 16, 24, 40, 80, 112, 192],
    "out_channels": [16, 24, 40, 80, 112, 192, 320],
    "strides": [1, 2, 2, 2, 1, 2, 1],
    "num_block_repeats": [1, 2, 2, 3, 3, 4, 1],
    "expand_ratios": [1, 6, 6, 6, 6, 6, 6],
    "squeeze_expansion_ratio": 0.25,
    "depth_divisor": 8,
    "hidden_act": "swish",
    "pooling_type": "mean",
    "num_channels": 3,
}

_TENSORS = Layout(
    name="hf_align",
    rules=(
        Rule("log_scale", "temperature", TEMPERATURE),
        Rule("projections.text.{p}", "text_projection.{p}"),
        *prefixed("towers.text.", BERT_RULES, "text_model."),
        *(
            rule
            for rule in prefixed("towers.image.", EFFICIENTNET_RULES, "vision_model.")
            if ".head." not in rule.ours
        ),
    ),
    ignored={f"text_model.{name}": reason for name, reason in BERT_IGNORED.items()},
    read_tensors=read_safetensors,
    write_tensors=write_safetensors,
)


def _describe(folder: Path) -> Plain:
    config = read_json(folder / HF)
    image, text = config.section("vision_config"), config.section("text_config")
    image.require(_STAGES)
    size = image.number("image_size", 600)
    return {
        "name": "dual_encoder",
        "width": config.number("projection_dim", 640),
        "initial_scale": 1 / config.real("temperature_init_value", 1.0),
        "max_scale": 1000.0,
        "towers": {
            "image": {
                "projection": "none",
                "tower": {
                    "name": "efficientnet",
                    "variant": "b7",
                    "width_multiplier": image.real("width_coefficient", 2.0),
                    "depth_multiplier": image.real("depth_coefficient", 3.1),
                    "num_classes": 0,
                    "head": False,
                    "padding": "hf",
                    "depthwise_padding": tuple(
                        int(number) for number in image.numbers("depthwise_padding", ())
                    ),
                    "norm_eps": image.real("batch_norm_eps", 1e-3),
                    "drop_connect": image.real("drop_connect_rate", 0.2),
                    **read_preprocessor(folder, size, ALIGN_DEFAULTS),
                },
            },
            "text": {"bias": True, "tower": _describe_text(text, folder)},
        },
    }


def _describe_text(text: Section, folder: Path) -> Plain:
    text.require({"hidden_act": "gelu", "position_embedding_type": "absolute"})
    max_positions = text.number("max_position_embeddings", 512)
    return {
        "name": "bert",
        "vocabulary": text.number("vocab_size", 30_522),
        "width": text.number("hidden_size", 768),
        "num_layers": text.number("num_hidden_layers", 12),
        "num_heads": text.number("num_attention_heads", 12),
        "hidden_width": text.number("intermediate_size", 3072),
        "max_positions": max_positions,
        "num_segments": text.number("type_vocab_size", 2),
        "norm_eps": text.real("layer_norm_eps", 1e-12),
        "pooling": "cls",
        "unit_length": False,
        "tokenizer": tokenizer_in(folder),
        "max_tokens": min(MAX_TOKENS, max_positions),
    }


def _files(plain: Mapping[str, Any], note: TokenizerNote) -> dict[str, dict[str, Any]]:
    fit = Fit("hf_align", plain)
    need_two_towers(fit, ("efficientnet",), "bert")
    fit.need("initial_bias", None)
    fit.need("towers.image.projection", "none")
    fit.need("towers.text.projection", "linear")
    fit.need("towers.text.bias", True)
    for key, value in {"head": False, "num_classes": 0, "padding": "hf"}.items():
        fit.need(f"{IMAGE}.{key}", value)
    if str(fit.value(f"{IMAGE}.variant")).startswith("lite"):
        fit.note(f"model.{IMAGE}.variant is a lite one, the layout has squeeze-excite and swish")
    fit.need(f"{TEXT}.pooling", "cls")
    fit.need(f"{TEXT}.unit_length", False)
    for key in ("width_multiplier", "depth_multiplier", "image_size", "crop_fraction"):
        if not fit.value(f"{IMAGE}.{key}"):
            fit.note(f"model.{IMAGE}.{key} is 0, the layout has a number")
    for key in ("mean", "std"):
        if fit.value(f"{IMAGE}.{key}") is None:
            fit.note(f"model.{IMAGE}.{key} is None, the layout has three numbers")
    fit.check()
    square = fit.value(f"{IMAGE}.fit") == "squash"
    preprocessor = write_preprocessor(fit, IMAGE, "EfficientNetImageProcessor", square=square)
    if not square:
        fit.note(f"model.{IMAGE}.fit is {fit.value(f'{IMAGE}.fit')!r}, the layout has 'squash'")
    fit.check()
    return {
        HF: _config(fit, note),
        FILE_NAME: {**preprocessor, "rescale_offset": False, "include_top": False},
        "tokenizer_config.json": tokenizer_file(
            note, "BertTokenizer", fit.value(f"{TEXT}.max_tokens"), pad_token=note.pad_id
        ),
    }


def _config(fit: Fit, note: TokenizerNote) -> dict[str, Any]:
    width = fit.value("width")
    text = {
        "model_type": "align_text_model",
        "vocab_size": fit.value(f"{TEXT}.vocabulary"),
        "hidden_size": fit.value(f"{TEXT}.width"),
        "num_hidden_layers": fit.value(f"{TEXT}.num_layers"),
        "num_attention_heads": fit.value(f"{TEXT}.num_heads"),
        "intermediate_size": fit.value(f"{TEXT}.hidden_width"),
        "hidden_act": "gelu",
        "max_position_embeddings": fit.value(f"{TEXT}.max_positions"),
        "type_vocab_size": fit.value(f"{TEXT}.num_segments"),
        "layer_norm_eps": fit.value(f"{TEXT}.norm_eps"),
        "pad_token_id": note.pad_id,
    }
    image = {
        "model_type": "align_vision_model",
        **_STAGES,
        "image_size": fit.value(f"{IMAGE}.image_size"),
        "width_coefficient": fit.value(f"{IMAGE}.width_multiplier"),
        "depth_coefficient": fit.value(f"{IMAGE}.depth_multiplier"),
        "depthwise_padding": list(fit.value(f"{IMAGE}.depthwise_padding")),
        "batch_norm_eps": fit.value(f"{IMAGE}.norm_eps"),
        "drop_connect_rate": fit.value(f"{IMAGE}.drop_connect"),
        "hidden_dim": width,
    }
    return {
        "architectures": ["AlignModel"],
        "model_type": "align",
        "projection_dim": width,
        "temperature_init_value": 1 / fit.value("initial_scale"),
        "text_config": text,
        "vision_config": image,
    }


LAYOUT = ModelLayout(
    name="hf_align", tensors=lambda plain, folder: _TENSORS, describe=_describe, files=_files
)
