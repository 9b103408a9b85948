"""Initial weights of a pre-norm transformer that hold its signal at one size whatever its depth.

Source: Radford et al. 2021 (CLIP, arXiv 2103.00020), section 2.5, and its published code: what
writes to the residual stream is scaled by the number of times that it is written to.
"""

from __future__ import annotations

from torch import nn

from interlingua.nn.transformer import TransformerBlock


def init_blocks(blocks: nn.ModuleList) -> None:
    """Normal weights by width and depth, zero biases, LayerNorms at one and zero, in place."""
    for block in blocks:
        assert isinstance(block, TransformerBlock)
        width = block.attention.qkv.in_features
        written = (2 * len(blocks)) ** -0.5
        stds = {
            block.attention.qkv: width**-0.5,
            block.attention.out: width**-0.5 * written,
            block.feed_forward.up: (2 * width) ** -0.5,
            block.feed_forward.down: width**-0.5 * written,
        }
        for linear, std in stds.items():
            nn.init.normal_(linear.weight, std=std)
            nn.init.zeros_(linear.bias)
        for norm in (block.attention_norm, block.feed_forward_norm):
            norm.reset_parameters()
