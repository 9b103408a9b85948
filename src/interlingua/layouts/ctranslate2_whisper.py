"""Whisper as CTranslate2 stores it (``model.bin``); the encoder is read, the decoder ignored."""

from __future__ import annotations

from interlingua.layouts.ctranslate2_file import read_ctranslate2, write_ctranslate2
from interlingua.layouts.layout import Layout
from interlingua.layouts.rule import Rule

_LAYER = "encoder/layer_{i}"
_NORM = ("weight", "gamma"), ("bias", "beta")


def _norm_rules(ours: str, theirs: str) -> tuple[Rule, ...]:
    return tuple(Rule(f"{ours}.{a}", f"{theirs}/layer_norm/{b}") for a, b in _NORM)


LAYOUT = Layout(
    name="ctranslate2_whisper",
    rules=(
        Rule("conv1.{p}", "encoder/conv1/{p}"),
        Rule("conv2.{p}", "encoder/conv2/{p}"),
        Rule("positions", "encoder/position_encodings/encodings"),
        *_norm_rules("norm", "encoder"),
        *_norm_rules("blocks.{i}.attention_norm", f"{_LAYER}/self_attention"),
        Rule("blocks.{i}.attention.qkv.{p}", f"{_LAYER}/self_attention/linear_0/{{p}}"),
        Rule("blocks.{i}.attention.out.{p}", f"{_LAYER}/self_attention/linear_1/{{p}}"),
        *_norm_rules("blocks.{i}.feed_forward_norm", f"{_LAYER}/ffn"),
        Rule("blocks.{i}.feed_forward.up.{p}", f"{_LAYER}/ffn/linear_0/{{p}}"),
        Rule("blocks.{i}.feed_forward.down.{p}", f"{_LAYER}/ffn/linear_1/{{p}}"),
    ),
    ignored={
        "decoder/*": "the decoder writes text; the tower only listens",
        "encoder/num_heads": "a setting of the tower",
    },
    read_tensors=read_ctranslate2,
    write_tensors=write_ctranslate2,
)
