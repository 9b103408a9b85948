"""Initial weights of a pre-norm transformer that hold its signal at one size whatever its depth.

Source: Radford et al. 2021 (CLIP, arXiv 2103.00020), section 2.5, and its published code: what
writes to the residual stream is scaled by the number of times that it is written to.
"""

from __future__ import annotations

from torch import nn

from interlingua.nn.cross_attention import CrossAttention, CrossAttentionBlock
from interlingua.nn.transformer import SelfAttention, TransformerBlock


def init_blocks(blocks: nn.ModuleList) -> None:
    """Normal weights by width and depth, zero biases, LayerNorms at one and zero, in place."""
    for block in blocks:
        assert isinstance(block, TransformerBlock | CrossAttentionBlock)
        width = block.feed_forward.up.in_features
        attentions = [part for part in block.modules() if isinstance(part, SelfAttention)]
        crossed = [part for part in block.modules() if isinstance(part, CrossAttention)]
        written = ((len(attentions) + len(crossed) + 1) * len(blocks)) ** -0.5
        stds: dict[nn.Linear, float] = {}
        for attention in attentions:
            stds[attention.qkv] = width**-0.5
            stds[attention.out] = width**-0.5 * written
        for cross in crossed:
            stds[cross.query] = width**-0.5
            stds[cross.key_value] = cross.key_value.in_features**-0.5
            stds[cross.out] = width**-0.5 * written
        stds[block.feed_forward.up] = (2 * width) ** -0.5
        stds[block.feed_forward.down] = width**-0.5 * written
        for linear, std in stds.items():
            nn.init.normal_(linear.weight, std=std)
            nn.init.zeros_(linear.bias)
        for part in block.modules():
            if isinstance(part, nn.LayerNorm):
                part.reset_parameters()
