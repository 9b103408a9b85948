"""Early fusion and cross-attention against torch's own layers; what attention costs in each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from interlingua.errors import ConfigError
from interlingua.fusion.bottleneck import Bottleneck
from interlingua.fusion.cross_attention import CrossAttentionFusion
from interlingua.fusion.early import EarlyFusion
from interlingua.nn.transformer import TransformerBlock
from interlingua.tokens import Tokens

TokensOf = Callable[..., dict[str, Tokens]]
WidthsOf = Callable[[int], dict[str, int]]

WIDTH, HEADS, HIDDEN = 8, 2, 12
SMALL: dict[str, Any] = {
    "width": WIDTH, "num_heads": HEADS, "hidden_width": HIDDEN, "dropout": 0.0,
}  # fmt: skip


def make(kind: type[Any], widths: dict[str, int], **settings: Any) -> Any:
    """With biases as training may make them: what is missing must not speak through those."""
    fusion = kind(kind.Config(**SMALL, **settings), widths, 4)
    for name, parameter in fusion.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, std=0.3)
    return fusion.eval()


def torch_layer(block: TransformerBlock) -> nn.TransformerEncoderLayer:
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, HIDDEN, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
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


def test_early_fusion_is_torchs_encoder_over_all_tokens(
    tokens_of: TokensOf, widths: WidthsOf
) -> None:
    fusion, tokens = make(EarlyFusion, widths(3)), tokens_of(3, lacking={"b": [1], "a": [2]})
    rows, masks = [fusion.class_token.expand(6, 1, -1)], [torch.ones(6, 1, dtype=torch.bool)]
    for name, one in tokens.items():
        stream = fusion.streams[name]
        weight, bias = stream.norm.weight, stream.norm.bias
        normed = nn.functional.layer_norm(one.states, weight.shape, weight, bias)
        rows.append(stream.project(normed) + fusion.kinds[name])
        masks.append(one.mask)
    states, mask = torch.cat(rows, dim=1), torch.cat(masks, dim=1)
    for block in fusion.blocks:
        states = torch_layer(block)(states, src_key_padding_mask=~mask)
    joined = fusion(tokens)
    assert torch.equal(joined.mask, mask)
    assert (joined.states - states)[mask].abs().max() < 1e-5
    assert (joined.pooled - fusion.norm(states[:, 0])).abs().max() < 1e-5


def test_early_fusion_needs_a_block() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        EarlyFusion.Config(num_layers=0)


def alone(fusion: CrossAttentionFusion, tokens: dict[str, Tokens], row: int) -> dict[str, Tensor]:
    """The real tokens of one sample behind their own blocks; what it lacks is not there."""
    return {
        name: fusion.streams[name](
            Tokens(one.states[row, one.mask[row]][None], one.mask[row, one.mask[row]][None])
        )[0]
        for name, one in tokens.items()
        if one.mask[row].any()
    }


def asked(fusion: CrossAttentionFusion, states: dict[str, Tensor], layer: int) -> dict[str, Tensor]:
    """LXMERT's layer, written out for one sample."""
    new = {}
    for name in fusion.asking:
        if name not in states:
            continue
        block, own = fusion.blocks[name][layer], states[name]
        others = [one for other, one in states.items() if other != name]
        if others:
            memory = block.memory_norm(torch.cat(others, dim=1))
            own = own + block.cross_attention(block.cross_norm(own), memory)
        own = own + block.attention(block.attention_norm(own))
        new[name] = own + block.feed_forward(block.feed_forward_norm(own))
    return new


LACKING = {"b": [1], "c": [1, 2]}  # 1 has a alone


def test_both_ways_each_asks_all_others(tokens_of: TokensOf, widths: WidthsOf) -> None:
    fusion = make(CrossAttentionFusion, widths(3), num_layers=3, fusion_layers=2)
    tokens = tokens_of(3, lacking=LACKING)
    found = fusion(tokens).pooled
    for row in range(6):
        states = alone(fusion, tokens, row)
        for layer in range(2):
            states = asked(fusion, states, layer)
        vectors = [fusion.pools[name].norm(one.mean(1)) for name, one in states.items()]
        assert torch.allclose(found[row], torch.cat(vectors).mean(0), atol=1e-5)


def test_one_way_a_single_one_asks(tokens_of: TokensOf, widths: WidthsOf) -> None:
    fusion = make(CrossAttentionFusion, widths(3), direction="one_way", asking="b")
    tokens = tokens_of(3, lacking={"a": [0], "b": [1], "c": [0]})
    found = fusion(tokens)
    assert list(fusion.blocks) == list(fusion.pools) == ["b"]
    assert found.states.shape[:2] == tokens["b"].mask.shape
    for row in range(6):
        states = alone(fusion, tokens, row)
        states.setdefault("b", fusion.stand_in.token[None, None])
        vector = fusion.pools["b"].norm(asked(fusion, states, 0)["b"].mean(1))
        assert torch.allclose(found.pooled[row], vector[0], atol=1e-5)


def test_one_modality_has_its_own_blocks_all_the_way(tokens_of: TokensOf, widths: WidthsOf) -> None:
    for direction in ("both", "one_way"):
        fusion = make(CrossAttentionFusion, widths(1), direction=direction)
        assert len(fusion.streams["a"].blocks) == 2 and fusion.stand_in is None
        tokens = tokens_of(1)
        states, mask = fusion.streams["a"](tokens["a"])
        assert torch.equal(fusion(tokens).pooled, fusion.pools["a"](states, mask))


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="more than the 2 layers"):
        CrossAttentionFusion.Config(fusion_layers=3)
    with pytest.raises(ValueError, match="both ways, all ask"):
        CrossAttentionFusion.Config(asking="a")
    with pytest.raises(ConfigError, match=r"(?s)no modality 'txet' .*'text'.*image, text"):
        make(CrossAttentionFusion, {"image": 4, "text": 4}, direction="one_way", asking="txet")


def flops(kind: type[Any], length: int) -> int:
    fusion = make(kind, {"a": 8, "b": 8})
    mask = torch.ones(2, length, dtype=torch.bool)
    tokens = {name: Tokens(torch.randn(2, length, 8), mask) for name in "ab"}
    # the counter knows the products of the plain kernel only
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        fusion(tokens)
    return int(counter.get_total_flops())


def test_long_rows_cost_less_through_a_bottleneck() -> None:
    for length, early, cross in ((64, 0.9, 0.95), (512, 0.6, 0.8)):
        through = flops(Bottleneck, length)
        assert through < early * flops(EarlyFusion, length)
        assert through < cross * flops(CrossAttentionFusion, length)
