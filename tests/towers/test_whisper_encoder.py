"""The Whisper encoder against transformers: a small random model, and tiny.en on real clips."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from interlingua.data.loader import Chunk, decode
from interlingua.errors import ConfigError
from interlingua.sample import Audio
from interlingua.towers.pretrained import build_tower, load_tower
from interlingua.towers.whisper_encoder import WhisperEncoder

modeling = pytest.importorskip("transformers.models.whisper.modeling_whisper")

# ours to theirs, for tensors that have the same shape
NAMES = {
    "attention.out": "self_attn.out_proj",
    "attention_norm": "self_attn_layer_norm",
    "feed_forward.up": "fc1",
    "feed_forward.down": "fc2",
    "feed_forward_norm": "final_layer_norm",
}


def reference_of(tower: WhisperEncoder) -> torch.nn.Module:
    """transformers' encoder with our tensors; its names are filled strictly."""
    from transformers import WhisperConfig

    ours = tower.state_dict()
    theirs = {"embed_positions.weight": ours["positions"]}
    for p in ("weight", "bias"):
        for name, other in (("conv1", "conv1"), ("conv2", "conv2"), ("norm", "layer_norm")):
            theirs[f"{other}.{p}"] = ours[f"{name}.{p}"]
        for number in range(len(tower.blocks)):
            layer, block = f"layers.{number}", f"blocks.{number}"
            for name, other in NAMES.items():
                theirs[f"{layer}.{other}.{p}"] = ours[f"{block}.{name}.{p}"]
            parts = ours[f"{block}.attention.qkv.{p}"].chunk(3)
            for letter, part in zip("qkv", parts, strict=True):
                theirs[f"{layer}.self_attn.{letter}_proj.{p}"] = part
            if p == "bias":  # Whisper's keys have none
                assert theirs.pop(f"{layer}.self_attn.k_proj.bias").abs().max() == 0
    width, num_heads = tower.width, tower.blocks[0].attention.num_heads
    config = WhisperConfig(
        d_model=width, encoder_layers=len(tower.blocks), encoder_attention_heads=num_heads,
        encoder_ffn_dim=4 * width, num_mel_bins=tower.config.num_mels,
        max_source_positions=tower.config.max_tokens,
    )  # fmt: skip
    reference: torch.nn.Module = modeling.WhisperEncoder(config).eval()
    reference.load_state_dict(theirs, strict=True)
    return reference


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    """The largest error of a frame, relative to the frame's largest value."""
    return float(((ours - theirs).abs().amax(-1) / theirs.abs().amax(-1)).max())


def small(**options: Any) -> WhisperEncoder:
    config = WhisperEncoder.Config(
        width=24, num_heads=4, num_layers=3, num_mels=10, max_tokens=40, **options
    )
    tower = build_tower(config).eval()
    assert isinstance(tower, WhisperEncoder)
    return tower


def test_small_random_model_equals_transformers() -> None:
    tower = small()
    with torch.no_grad():
        for name, parameter in tower.named_parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
            if name.endswith("qkv.bias"):
                parameter[24:48] = 0
    frames = torch.randn(2, 10, 80)
    reference = reference_of(tower)
    with torch.inference_mode():
        theirs = reference(frames, output_hidden_states=True)
        ours = tower(frames, layers=range(4))
    assert ours.layers is not None
    assert relative_error(ours.states, theirs.last_hidden_state) < 1e-5
    for number in range(3):
        assert relative_error(ours.layers[number], theirs.hidden_states[number]) < 1e-5


def test_a_short_clip_is_the_start_of_the_original_with_fewer_positions() -> None:
    tower = small()
    frames = torch.randn(1, 10, 24)
    tokens = tower(frames)
    assert tokens.states.shape == (1, 12, 24)
    assert torch.allclose(tokens.time, 0.01 + 0.02 * torch.arange(12))
    with pytest.raises(ValueError, match="41 tokens, but 40 positions"):
        tower(torch.randn(1, 10, 82))


def test_pooling_takes_real_tokens_of_the_chosen_layers() -> None:
    tower = small(pooling="mean_std", pooled_layers=(1, -1))
    frames, mask = torch.randn(2, 10, 40), torch.ones(2, 40, dtype=torch.bool)
    mask[1, 30:] = False
    tokens = tower(frames, mask, layers=(1,))
    assert tokens.layers is not None and tokens.states is not None and tokens.pooled is not None
    real = [tokens.layers[1][1, :15], tokens.states[1, :15]]
    exact = torch.cat([x for s in real for x in (s.mean(0), s.std(0, correction=0))])
    assert torch.allclose(tokens.pooled[1], exact, atol=1e-4)
    assert tower.pooled_width == exact.shape[0]


def test_padding_is_looked_at_only_where_it_is_asked_for() -> None:
    frames, mask = torch.randn(1, 10, 40), torch.ones(1, 40, dtype=torch.bool)
    mask[:, 20:] = False
    changed = frames.clone()
    changed[:, :, 22:] += 1.0  # beyond what the last real token's convolutions see
    for attend_padding in (True, False):
        tower = small(attend_padding=attend_padding)
        first, second = tower(frames, mask).pooled, tower(changed, mask).pooled
        assert torch.allclose(first, second, atol=1e-6) == (not attend_padding)


def test_a_layer_to_pool_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match="pooled_layers"):
        small(pooled_layers=(4,))


@pytest.fixture(scope="module")
def tiny(real_weights: Callable[[str], Path]) -> WhisperEncoder:
    tower = load_tower("whisper_encoder", real_weights("whisper-tiny.en"))
    assert isinstance(tower, WhisperEncoder)
    return tower


@pytest.fixture(scope="module")
def clips(real_data: Callable[[str], object]) -> list[Audio]:
    from interlingua import data

    real_data("stamps")
    parts = [part for sample in data.open_source("stamps") for part in sample.all_parts()]
    sounds = [part for part in parts if isinstance(part, Audio)]
    return random.Random(0).sample(sounds, 20)


def chunks_of(tower: WhisperEncoder, clips: list[Audio], bucket_seconds: float) -> list[Chunk]:
    wanted = tower.preprocess.model_copy(update={"bucket_seconds": bucket_seconds})
    return list(decode(clips, wanted, batch_size=4))


@pytest.mark.slow
def test_tiny_en_equals_transformers_on_real_clips(
    tiny: WhisperEncoder, clips: list[Audio]
) -> None:
    reference = reference_of(tiny)
    with torch.inference_mode():
        for chunk in chunks_of(tiny, clips, bucket_seconds=30.0):
            theirs = reference(chunk.values).last_hidden_state
            assert relative_error(tiny(chunk.values).states, theirs) <= 1e-3


def test_tiny_en_frozen_on_real_clips(tiny: WhisperEncoder, clips: list[Audio]) -> None:
    quick, bf16 = (tiny.for_inference(p) for p in (torch.float32, torch.bfloat16))
    seen = 0
    with torch.inference_mode():
        for chunk in chunks_of(tiny, clips, bucket_seconds=2.0):
            exact = tiny(chunk.values, chunk.mask)
            assert relative_error(quick(chunk.values, chunk.mask).states, exact.states) <= 1e-3
            frozen = bf16(chunk.values, chunk.mask)
            cosine = torch.cosine_similarity(frozen.states, exact.states, dim=-1)[exact.mask]
            assert cosine.min() >= 0.999
            pooled = torch.cosine_similarity(frozen.pooled, exact.pooled, dim=-1)
            assert pooled.min() >= 0.9995
            seen += len(cosine)
    assert seen > 1000
