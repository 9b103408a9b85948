"""EfficientNet as ``efficientnet_pytorch`` and ``efficientnet_lite_pytorch`` name it."""

from __future__ import annotations

from interlingua.layouts.layout import Layout
from interlingua.layouts.rule import Rule
from interlingua.layouts.safetensors_file import read_safetensors, write_safetensors

LAYOUT = Layout(
    name="efficientnet_lite",
    rules=(
        Rule("stem.conv.weight", "_conv_stem.weight"),
        Rule("stem.norm.{p}", "_bn0.{p}"),
        Rule("blocks.{i}.expand.conv.weight", "_blocks.{i}._expand_conv.weight"),
        Rule("blocks.{i}.expand.norm.{p}", "_blocks.{i}._bn0.{p}"),
        Rule("blocks.{i}.depthwise.conv.weight", "_blocks.{i}._depthwise_conv.weight"),
        Rule("blocks.{i}.depthwise.norm.{p}", "_blocks.{i}._bn1.{p}"),
        Rule("blocks.{i}.squeeze_excite.reduce.{p}", "_blocks.{i}._se_reduce.{p}"),
        Rule("blocks.{i}.squeeze_excite.expand.{p}", "_blocks.{i}._se_expand.{p}"),
        Rule("blocks.{i}.project.conv.weight", "_blocks.{i}._project_conv.weight"),
        Rule("blocks.{i}.project.norm.{p}", "_blocks.{i}._bn2.{p}"),
        Rule("head.conv.weight", "_conv_head.weight"),
        Rule("head.norm.{p}", "_bn1.{p}"),
        Rule("classifier.{p}", "_fc.{p}"),
    ),
    # only reached by a tower that was built without its classifier
    ignored={"_fc.*": "the tower has no classifier"},
    read_tensors=read_safetensors,
    write_tensors=write_safetensors,
)
