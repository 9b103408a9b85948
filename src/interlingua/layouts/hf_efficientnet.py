"""EfficientNet as transformers' ``EfficientNetModel`` saves it, without a classifier."""

from __future__ import annotations

from interlingua.layouts.layout import Layout
from interlingua.layouts.rule import Rule
from interlingua.layouts.safetensors_file import read_safetensors, write_safetensors

_BLOCK = "encoder.blocks.{i}"

EFFICIENTNET_RULES = (
    Rule("stem.conv.weight", "embeddings.convolution.weight"),
    Rule("stem.norm.{p}", "embeddings.batchnorm.{p}"),
    Rule("blocks.{i}.expand.conv.weight", f"{_BLOCK}.expansion.expand_conv.weight"),
    Rule("blocks.{i}.expand.norm.{p}", f"{_BLOCK}.expansion.expand_bn.{{p}}"),
    Rule("blocks.{i}.depthwise.conv.weight", f"{_BLOCK}.depthwise_conv.depthwise_conv.weight"),
    Rule("blocks.{i}.depthwise.norm.{p}", f"{_BLOCK}.depthwise_conv.depthwise_norm.{{p}}"),
    Rule("blocks.{i}.squeeze_excite.reduce.{p}", f"{_BLOCK}.squeeze_excite.reduce.{{p}}"),
    Rule("blocks.{i}.squeeze_excite.expand.{p}", f"{_BLOCK}.squeeze_excite.expand.{{p}}"),
    Rule("blocks.{i}.project.conv.weight", f"{_BLOCK}.projection.project_conv.weight"),
    Rule("blocks.{i}.project.norm.{p}", f"{_BLOCK}.projection.project_bn.{{p}}"),
    Rule("head.conv.weight", "encoder.top_conv.weight"),
    Rule("head.norm.{p}", "encoder.top_bn.{p}"),
)

LAYOUT = Layout(
    name="hf_efficientnet",
    rules=EFFICIENTNET_RULES,
    read_tensors=read_safetensors,
    write_tensors=write_safetensors,
)
