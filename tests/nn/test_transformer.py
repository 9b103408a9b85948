"""Our blocks against torch's own encoder layer with the same weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from interlingua.nn.attention import AttentionPattern
from interlingua.nn.transformer import (
    NormOrder,
    SelfAttention,
    TransformerBlock,
    init_transformer_weights,
)

WIDTH, HEADS, HIDDEN = 24, 4, 40


def torch_layer(block: TransformerBlock, norm: NormOrder) -> nn.TransformerEncoderLayer:
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, HIDDEN, dropout=0.0, activation="gelu", batch_first=True,
        norm_first=norm == "pre",
    )  # fmt: skip
    pairs = {
        "self_attn.in_proj_": "attention.qkv.",
        "self_attn.out_proj.": "attention.out.",
        "linear1.": "feed_forward.up.",
        "linear2.": "feed_forward.down.",
        "norm1.": "attention_norm.",
        "norm2.": "feed_forward_norm.",
    }
    ours = block.state_dict()
    layer.load_state_dict(
        {f"{a}{p}": ours[f"{b}{p}"] for a, b in pairs.items() for p in ("weight", "bias")}
    )
    return layer


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_block_equals_torchs_encoder_layer(norm: NormOrder) -> None:
    block = TransformerBlock(WIDTH, HEADS, HIDDEN, norm=norm)
    reference = torch_layer(block, norm)
    states = torch.randn(3, 7, WIDTH)
    real = torch.ones(3, 7, dtype=torch.bool)
    real[1, 4:] = False
    ours = block(states, AttentionPattern(key_mask=real))
    theirs = reference(states, src_key_padding_mask=~real)
    assert (ours - theirs)[real].abs().max() < 1e-5


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="5 heads do not divide a width of 24"):
        SelfAttention(WIDTH, 5)


def test_initial_weights() -> None:
    block = TransformerBlock(64, 4, 256)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.fill_(torch.nan)
    init_transformer_weights(block, std=0.02)
    assert block.feed_forward.up.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert block.attention.qkv.bias.abs().max() == 0
    assert torch.equal(block.attention_norm.weight, torch.ones(64))
