"""Cross-attention against torch's own multi-head attention and decoder layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from interlingua.nn.attention import AttentionPattern
from interlingua.nn.cross_attention import CrossAttention, CrossAttentionBlock
from interlingua.nn.scaled_init import init_blocks

WIDTH, HEADS, HIDDEN = 24, 4, 40


def torch_attention(ours: CrossAttention, memory_width: int) -> nn.MultiheadAttention:
    theirs = nn.MultiheadAttention(
        WIDTH, HEADS, kdim=memory_width, vdim=memory_width, batch_first=True
    )
    key, value = ours.key_value.weight.chunk(2)
    copied = {
        "in_proj_bias": torch.cat([ours.query.bias, ours.key_value.bias]),
        "out_proj.weight": ours.out.weight,
        "out_proj.bias": ours.out.bias,
    }
    if memory_width == WIDTH:
        copied["in_proj_weight"] = torch.cat([ours.query.weight, key, value])
    else:
        copied |= {
            "q_proj_weight": ours.query.weight,
            "k_proj_weight": key,
            "v_proj_weight": value,
        }
    theirs.load_state_dict(copied)
    return theirs


def rows(memory_width: int = WIDTH) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    real = torch.ones(3, 5, dtype=torch.bool)
    real[1, 2:] = False
    return torch.randn(3, 7, WIDTH), torch.randn(3, 5, memory_width), real


@pytest.mark.parametrize("memory_width", [WIDTH, 10])
def test_attention_equals_torchs(memory_width: int) -> None:
    ours = CrossAttention(WIDTH, HEADS, 0 if memory_width == WIDTH else memory_width)
    nn.init.normal_(ours.query.bias)
    nn.init.normal_(ours.key_value.bias)
    nn.init.normal_(ours.out.bias)
    theirs = torch_attention(ours, memory_width)
    states, memory, real = rows(memory_width)
    full, _ = theirs(states, memory, memory)
    assert (ours(states, memory) - full).abs().max() < 1e-6
    masked, _ = theirs(states, memory, memory, key_padding_mask=~real)
    assert (ours(states, memory, AttentionPattern(key_mask=real)) - masked).abs().max() < 1e-6


def test_block_equals_torchs_decoder_layer() -> None:
    block = CrossAttentionBlock(WIDTH, HEADS, HIDDEN).double()
    layer = nn.TransformerDecoderLayer(
        WIDTH, HEADS, HIDDEN, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).double()
    ours = block.state_dict()
    pairs = {
        "self_attn.in_proj_": "attention.qkv.",
        "self_attn.out_proj.": "attention.out.",
        "multihead_attn.out_proj.": "cross_attention.out.",
        "linear1.": "feed_forward.up.",
        "linear2.": "feed_forward.down.",
        "norm1.": "attention_norm.",
        "norm2.": "cross_norm.",
        "norm3.": "feed_forward_norm.",
    }
    copied = {f"{a}{p}": ours[f"{b}{p}"] for a, b in pairs.items() for p in ("weight", "bias")}
    for part in ("weight", "bias"):
        both = [ours[f"cross_attention.{name}.{part}"] for name in ("query", "key_value")]
        copied[f"multihead_attn.in_proj_{part}"] = torch.cat(both)
    layer.load_state_dict(copied)
    states, memory, real = rows()
    states, memory = states.double(), memory.double()
    own = torch.ones(3, 7, dtype=torch.bool)
    own[2, 4:] = False
    found = block(states, memory, AttentionPattern(key_mask=own), AttentionPattern(key_mask=real))
    wanted = layer(
        states,
        block.memory_norm(memory),  # theirs is normalised by the encoder, if at all
        tgt_key_padding_mask=~own,
        memory_key_padding_mask=~real,
    )
    assert (found - wanted)[own].abs().max() < 1e-10


@pytest.mark.parametrize("place", ["after", "none"])
def test_order_of_the_sublayers(place: str) -> None:
    block = CrossAttentionBlock(WIDTH, HEADS, HIDDEN, memory_width=10, self_attention=place)  # type: ignore[arg-type]
    states, memory, _ = rows(10)
    wanted = states + block.cross_attention(block.cross_norm(states), block.memory_norm(memory))
    if place == "after":
        wanted = wanted + block.attention(block.attention_norm(wanted))
    else:
        assert not any(name.startswith("attention") for name, _ in block.named_parameters())
    wanted = wanted + block.feed_forward(block.feed_forward_norm(wanted))
    assert torch.equal(block(states, memory), wanted)


def test_a_sample_with_nothing_to_ask_reads_nothing() -> None:
    attention = CrossAttention(WIDTH, HEADS)
    nn.init.normal_(attention.out.bias)
    states, memory, real = rows()
    real[2] = False
    states.requires_grad_()
    read = attention(states, memory, AttentionPattern(key_mask=real))
    assert not read[2].any() and read[:2].abs().amax((1, 2)).min() > 0
    read.square().sum().backward()
    assert states.grad is not None and states.grad.isfinite().all() and not states.grad[2].any()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in attention.parameters())


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="5 heads do not divide a width of 24"):
        CrossAttention(WIDTH, 5)


def test_initial_weights_go_by_the_inputs_and_by_how_much_is_written() -> None:
    blocks = nn.ModuleList(
        CrossAttentionBlock(64, 4, 128, memory_width=256, self_attention="after") for _ in range(2)
    )
    with torch.no_grad():
        for parameter in blocks.parameters():
            parameter.fill_(torch.nan)
    init_blocks(blocks)
    block = blocks[1]
    written = (3 * 2) ** -0.5  # three sublayers, two blocks
    stds = {
        block.attention.qkv: 64**-0.5,
        block.attention.out: 64**-0.5 * written,
        block.cross_attention.query: 64**-0.5,
        block.cross_attention.key_value: 256**-0.5,
        block.cross_attention.out: 64**-0.5 * written,
        block.feed_forward.up: 128**-0.5,
        block.feed_forward.down: 64**-0.5 * written,
    }
    for linear, std in stds.items():
        assert linear.weight.std().item() == pytest.approx(std, rel=0.08)
        assert not linear.bias.any()
    for name in ("cross_norm", "memory_norm", "attention_norm", "feed_forward_norm"):
        norm = getattr(block, name)
        assert (norm.weight == 1).all() and not norm.bias.any()
