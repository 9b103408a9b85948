"""Floating point operations of CLIP, counted from its shapes; a multiply and an add are two.

Products of matrices only: norms, activations and softmax are under 1 %. What is counted is the
least work that gives the exact result: both towers pool one token, so the last block is counted
for one token, and a text is counted without padding. (Counted whole, CLIP's ViT-B/32 takes 8.8
GFLOP a picture instead of 8.1.) The backward pass of a product is two products of the same size, so
a training step is three forward passes.

Source: Kaplan et al. 2020 (arXiv 2001.08361), section 2.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BACKWARD_AND_FORWARD = 3


def transformer(num_tokens: int, width: int, layers: int, hidden: int | None = None) -> float:
    """One sequence through all blocks."""
    hidden = hidden or 4 * width
    products = 2 * num_tokens * (4 * width * width + 2 * width * hidden)
    attention = 4 * num_tokens * num_tokens * width
    return layers * (products + attention)


def pooled(num_tokens: int, width: int, layers: int, hidden: int | None = None) -> float:
    """As ``transformer`` where one token's state is all that is wanted of the last block."""
    one = transformer(num_tokens, width, 1, hidden)
    return (layers - 1 + 1 / num_tokens) * one


def picture(config: Mapping[str, Any], image_size: int | None = None) -> float:
    """One picture through the image tower."""
    vision, out = config["vision_cfg"], config["embed_dim"]
    width, patch = vision["width"], vision["patch_size"]
    patches = ((image_size or vision["image_size"]) // patch) ** 2
    total = pooled(patches + 1, width, vision["layers"])
    return float(total + 2 * patches * 3 * patch * patch * width + 2 * width * out)


def text(config: Mapping[str, Any], num_tokens: int) -> float:
    """One text of so many tokens through the text tower."""
    words, out = config["text_cfg"], config["embed_dim"]
    return float(pooled(num_tokens, words["width"], words["layers"]) + 2 * words["width"] * out)
