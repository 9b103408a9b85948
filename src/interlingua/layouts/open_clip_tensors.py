"""The names of open_clip's tensors, which are those of OpenAI's CLIP too.

A ViT, a modified ResNet or timm's SigLIP tower under ``visual``; the text transformer at the top,
or under ``text`` where ``custom_text`` is set.

Source: ``model.py``, ``transformer.py`` and ``modified_resnet.py`` of mlfoundations/open_clip,
``vision_transformer.py`` and ``attention_pool.py`` of huggingface/pytorch-image-models.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from interlingua.layouts.layout import Layout
from interlingua.layouts.rule import (
    BATCH_OF_ONE,
    ONE_TOKEN,
    PATCH_KERNEL,
    TRANSPOSED,
    Change,
    Rule,
)
from interlingua.layouts.safetensors_file import read_safetensors, write_safetensors

FILE_NAME = "open_clip_model.safetensors"
# theirs [] or [1], by a setting; ours [], and written so
_SCALAR = Change(lambda value: value.reshape(()), lambda value: value)


def open_clip_tensors(tower: Mapping[str, Any], custom_text: bool, text_bias: bool) -> Layout:
    """The layout of one kind of model.

    Args:
        tower: the description of the picture tower.
        custom_text: whether the text tower's names begin with ``text``.
        text_bias: whether the text projection has a bias; it is then stored the other way round.
    """
    if tower["name"] == "modified_resnet":
        image = _resnet_rules(tower["depths"])
    elif tower["pooling"] == "attention":
        image = _TIMM_RULES
    else:
        image = _VIT_RULES
    return Layout(
        name="open_clip",
        rules=(
            Rule("log_scale", "logit_scale", _SCALAR),
            Rule("bias", "logit_bias", _SCALAR),
            *image,
            *_text_rules("text." if custom_text else "", text_bias),
        ),
        ignored={
            "attn_mask": "a triangle",
            "text.attn_mask": "a triangle",
            "input_resolution": "a setting",
            "context_length": "a setting",
            "vocab_size": "a setting",
        },
        read_tensors=functools.partial(_read, file_name=FILE_NAME),
        write_tensors=functools.partial(_write, file_name=FILE_NAME),
    )


def _read(path: Path, file_name: str) -> Mapping[str, Tensor]:
    return read_safetensors(path, file_name)


def _write(tensors: Mapping[str, Tensor], path: Path, file_name: str) -> None:
    write_safetensors(tensors, path, file_name)


def _block_rules(ours: str, theirs: str) -> tuple[Rule, ...]:
    block, layer = f"{ours}.blocks.{{i}}", f"{theirs}.resblocks.{{i}}"
    return (
        Rule(f"{block}.attention_norm.{{p}}", f"{layer}.ln_1.{{p}}"),
        Rule(f"{block}.attention.qkv.{{p}}", f"{layer}.attn.in_proj_{{p}}"),
        Rule(f"{block}.attention.out.{{p}}", f"{layer}.attn.out_proj.{{p}}"),
        Rule(f"{block}.feed_forward_norm.{{p}}", f"{layer}.ln_2.{{p}}"),
        Rule(f"{block}.feed_forward.up.{{p}}", f"{layer}.mlp.c_fc.{{p}}"),
        Rule(f"{block}.feed_forward.down.{{p}}", f"{layer}.mlp.c_proj.{{p}}"),
    )


def _text_rules(prefix: str, text_bias: bool) -> tuple[Rule, ...]:
    return (
        Rule("towers.text.token_embedding.weight", f"{prefix}token_embedding.weight"),
        Rule("towers.text.position_embedding", f"{prefix}positional_embedding"),
        *_block_rules("towers.text", f"{prefix}transformer"),
        Rule("towers.text.norm.{p}", f"{prefix}ln_final.{{p}}"),
        Rule("projections.text.{p}", f"{prefix}text_projection.{{p}}")
        if text_bias
        else Rule("projections.text.weight", f"{prefix}text_projection", TRANSPOSED),
    )


_VIT_RULES = (
    Rule("towers.image.class_token", "visual.class_embedding"),
    Rule("towers.image.patch_embedding.weight", "visual.conv1.weight", PATCH_KERNEL),
    Rule("towers.image.position_embedding", "visual.positional_embedding"),
    Rule("towers.image.pre_norm.{p}", "visual.ln_pre.{p}"),
    *_block_rules("towers.image", "visual.transformer"),
    Rule("towers.image.norm.{p}", "visual.ln_post.{p}"),
    Rule("projections.image.weight", "visual.proj", TRANSPOSED),
)

_TRUNK, _POOL = "visual.trunk", "visual.trunk.attn_pool"
_TIMM_RULES = (
    Rule("towers.image.patch_embedding.weight", f"{_TRUNK}.patch_embed.proj.weight", PATCH_KERNEL),
    Rule("towers.image.patch_embedding.bias", f"{_TRUNK}.patch_embed.proj.bias"),
    Rule("towers.image.position_embedding", f"{_TRUNK}.pos_embed", BATCH_OF_ONE),
    Rule("towers.image.blocks.{i}.attention_norm.{p}", f"{_TRUNK}.blocks.{{i}}.norm1.{{p}}"),
    Rule("towers.image.blocks.{i}.attention.qkv.{p}", f"{_TRUNK}.blocks.{{i}}.attn.qkv.{{p}}"),
    Rule("towers.image.blocks.{i}.attention.out.{p}", f"{_TRUNK}.blocks.{{i}}.attn.proj.{{p}}"),
    Rule("towers.image.blocks.{i}.feed_forward_norm.{p}", f"{_TRUNK}.blocks.{{i}}.norm2.{{p}}"),
    Rule("towers.image.blocks.{i}.feed_forward.up.{p}", f"{_TRUNK}.blocks.{{i}}.mlp.fc1.{{p}}"),
    Rule("towers.image.blocks.{i}.feed_forward.down.{p}", f"{_TRUNK}.blocks.{{i}}.mlp.fc2.{{p}}"),
    Rule("towers.image.norm.{p}", f"{_TRUNK}.norm.{{p}}"),
    Rule("towers.image.attention_pool.probe", f"{_POOL}.latent", ONE_TOKEN),
    Rule(
        "towers.image.attention_pool.qkv.{p}",
        (f"{_POOL}.q.{{p}}", f"{_POOL}.kv.{{p}}"),
        shares=(1, 2),
    ),
    Rule("towers.image.attention_pool.out.{p}", f"{_POOL}.proj.{{p}}"),
    Rule("towers.image.attention_pool.norm.{p}", f"{_POOL}.norm.{{p}}"),
    Rule("towers.image.attention_pool.feed_forward.up.{p}", f"{_POOL}.mlp.fc1.{{p}}"),
    Rule("towers.image.attention_pool.feed_forward.down.{p}", f"{_POOL}.mlp.fc2.{{p}}"),
)


def _resnet_rules(depths: tuple[int, ...]) -> tuple[Rule, ...]:
    """The stages are counted apart in the file, all their blocks in one row by us."""
    rules = []
    for number in range(3):
        stem = f"towers.image.stem.{number}"
        rules.append(Rule(f"{stem}.conv.weight", f"visual.conv{number + 1}.weight"))
        rules.append(Rule(f"{stem}.norm.{{p}}", f"visual.bn{number + 1}.{{p}}"))
    count = 0
    for stage, depth in enumerate(depths, start=1):
        for place in range(depth):
            block, layer = f"towers.image.blocks.{count}", f"visual.layer{stage}.{place}"
            for number, name in enumerate(("reduce", "spatial", "expand"), start=1):
                rules.append(Rule(f"{block}.{name}.conv.weight", f"{layer}.conv{number}.weight"))
                rules.append(Rule(f"{block}.{name}.norm.{{p}}", f"{layer}.bn{number}.{{p}}"))
            if place == 0:
                shortcut = f"{layer}.downsample"
                rules.append(Rule(f"{block}.shortcut.conv.weight", f"{shortcut}.0.weight"))
                rules.append(Rule(f"{block}.shortcut.norm.{{p}}", f"{shortcut}.1.{{p}}"))
            count += 1
    pool, theirs = "towers.image.attention_pool", "visual.attnpool"
    parts = tuple(f"{theirs}.{letter}_proj.{{p}}" for letter in "qkv")
    return (
        *rules,
        Rule(f"{pool}.position_embedding", f"{theirs}.positional_embedding"),
        Rule(f"{pool}.qkv.{{p}}", parts),
        Rule(f"{pool}.out.{{p}}", f"{theirs}.c_proj.{{p}}"),
    )
