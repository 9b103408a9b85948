"""What the layouts of transformers share: names inside of an encoder, activations, tokenizers.

CLIP, SigLIP and SigLIP 2 name the tensors of their encoder layers alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interlingua.layouts.config_file import Fit, Section, read_json
from interlingua.layouts.model_layout import TokenizerNote
from interlingua.layouts.rule import Rule

GENERIC_TOKENIZER = "PreTrainedTokenizerFast"  # takes any tokenizer.json
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "quick_gelu": "quick_gelu",
}
ACTIVATION_NAMES = {
    "gelu": "gelu",
    "gelu_tanh": "gelu_pytorch_tanh",
    "quick_gelu": "quick_gelu",
}


def encoder_rules(ours: str, theirs: str) -> tuple[Rule, ...]:
    """Rules of the layers of one encoder.

    Args:
        ours: name of the tower.
        theirs: name of the encoder.
    """
    block, layer = f"{ours}.blocks.{{i}}", f"{theirs}.layers.{{i}}"
    attention = f"{layer}.self_attn"
    return (
        Rule(
            f"{block}.attention.qkv.{{p}}",
            (
                f"{attention}.q_proj.{{p}}",
                f"{attention}.k_proj.{{p}}",
                f"{attention}.v_proj.{{p}}",
            ),
        ),
        Rule(f"{block}.attention.out.{{p}}", f"{attention}.out_proj.{{p}}"),
        Rule(f"{block}.attention_norm.{{p}}", f"{layer}.layer_norm1.{{p}}"),
        Rule(f"{block}.feed_forward_norm.{{p}}", f"{layer}.layer_norm2.{{p}}"),
        Rule(f"{block}.feed_forward.up.{{p}}", f"{layer}.mlp.fc1.{{p}}"),
        Rule(f"{block}.feed_forward.down.{{p}}", f"{layer}.mlp.fc2.{{p}}"),
    )


def encoder_settings(section: Section, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a transformer tower that both kinds of towers have.

    Args:
        section: ``text_config`` or ``vision_config``.
        defaults: of its class, for keys that the file leaves out.
    """
    return {
        "width": section.number("hidden_size", defaults["hidden_size"]),
        "num_layers": section.number("num_hidden_layers", defaults["num_hidden_layers"]),
        "num_heads": section.number("num_attention_heads", defaults["num_attention_heads"]),
        "hidden_width": section.number("intermediate_size", defaults["intermediate_size"]),
        "activation": section.one_of("hidden_act", ACTIVATIONS, defaults["hidden_act"]),
        "norm_eps": section.real("layer_norm_eps", defaults["layer_norm_eps"]),
    }


def encoder_config(fit: Fit, path: str) -> dict[str, Any]:
    """The other way: what ``encoder_settings`` reads."""
    return {
        "hidden_size": fit.value(f"{path}.width"),
        "num_hidden_layers": fit.value(f"{path}.num_layers"),
        "num_attention_heads": fit.value(f"{path}.num_heads"),
        "intermediate_size": fit.value(f"{path}.hidden_width"),
        "hidden_act": ACTIVATION_NAMES.get(str(fit.value(f"{path}.activation")), "gelu"),
        "layer_norm_eps": fit.value(f"{path}.norm_eps"),
    }


def need_two_towers(fit: Fit, image: tuple[str, ...], text: str) -> None:
    """Note a model that is no dual encoder of such towers, called ``image`` and ``text``."""
    fit.need("name", "dual_encoder")
    fit.need("views", {"image": "image", "text": "text"})
    fit.need("towers.image.tower.name", *image)
    fit.need("towers.text.tower.name", text)
    for tower in ("image", "text"):
        fit.need(f"towers.{tower}.dropout", 0, 0.0)
    fit.check()  # the rest would only repeat it


def tokenizer_class(folder: Path) -> str:
    """What ``tokenizer_config.json`` calls its class; empty where it doesn't say."""
    if not (folder / "tokenizer_config.json").exists():
        return ""
    return read_json(folder / "tokenizer_config.json").text("tokenizer_class", "-").strip("-")


def tokenizer_file(note: TokenizerNote, kind: str, max_tokens: int, **ids: int) -> dict[str, Any]:
    """``tokenizer_config.json`` for a folder with ``tokenizer.json``.

    Args:
        note: of the tokenizer.
        kind: the class of tokenizers.
        max_tokens: where texts are cut.
        ids: by the name of a special token, its id.
    """
    tokens = {name: note.tokens[number] for name, number in ids.items() if number in note.tokens}
    return {"tokenizer_class": kind, "model_max_length": max_tokens, **tokens}
