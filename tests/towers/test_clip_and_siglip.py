"""The towers of CLIP, SigLIP and SigLIP 2 against transformers, on small random weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from interlingua.towers.text_transformer import TextTransformer
from interlingua.towers.tower import Tower
from interlingua.towers.vit import ViT

transformers = pytest.importorskip("transformers")

Weights = dict[str, Tensor]
THEIRS = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3,
          "num_attention_heads": 4}  # fmt: skip
OURS: dict[str, Any] = {"width": 24, "hidden_width": 40, "num_layers": 3, "num_heads": 4}
SIGLIP_VISION = {**OURS, "image_size": 24, "patch_size": 8, "activation": "gelu_tanh",
                 "class_token": False, "pooling": "attention", "pre_norm": False,
                 "patch_bias": True, "norm_eps": 1e-6}  # fmt: skip
NORMS = {"pre_layrnorm.": "pre_norm.", "post_layernorm.": "norm.", "final_layer_norm.": "norm.",
         "head.layernorm.": "attention_pool.norm.",
         "head.mlp.fc1.": "attention_pool.feed_forward.up.",
         "head.mlp.fc2.": "attention_pool.feed_forward.down.",
         "head.attention.in_proj_": "attention_pool.qkv.",
         "head.attention.out_proj.": "attention_pool.out."}  # fmt: skip


def shaken(module: torch.nn.Module) -> Any:
    """Every parameter moved, so that no bias is zero and no norm is one."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return module.eval()


def ours_from(theirs: Weights) -> Weights:
    """Names and shapes of transformers as ours."""
    ours: Weights = {}
    layers = 1 + max(int(name.split(".")[2]) for name in theirs if name.startswith("encoder."))
    for number in range(layers):
        for kind in ("weight", "bias"):
            prefix, block = f"encoder.layers.{number}.", f"blocks.{number}."
            parts = [theirs[f"{prefix}self_attn.{part}_proj.{kind}"] for part in "qkv"]
            ours[f"{block}attention.qkv.{kind}"] = torch.cat(parts)
            for a, b in {"self_attn.out_proj": "attention.out", "layer_norm1": "attention_norm",
                         "layer_norm2": "feed_forward_norm", "mlp.fc1": "feed_forward.up",
                         "mlp.fc2": "feed_forward.down"}.items():  # fmt: skip
                ours[f"{block}{b}.{kind}"] = theirs[f"{prefix}{a}.{kind}"]
    for name, tensor in theirs.items():
        for a, b in NORMS.items():
            if name.startswith(a):
                ours[b + name.removeprefix(a)] = tensor
    ours["position_embedding"] = theirs["embeddings.position_embedding.weight"]
    if "embeddings.token_embedding.weight" in theirs:
        ours["token_embedding.weight"] = theirs["embeddings.token_embedding.weight"]
    if "embeddings.patch_embedding.weight" in theirs:
        ours["patch_embedding.weight"] = theirs["embeddings.patch_embedding.weight"].flatten(1)
    for a, b in {"embeddings.patch_embedding.bias": "patch_embedding.bias",
                 "embeddings.class_embedding": "class_token",
                 "head.probe": "attention_pool.probe"}.items():  # fmt: skip
        if a in theirs:
            ours[b] = theirs[a].reshape(-1)
    return ours


def loaded(tower: Tower, reference: torch.nn.Module) -> Any:
    tower.load_state_dict(ours_from(reference.state_dict()))
    return tower.eval()


def close(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1e-5 * max(1.0, theirs.abs().max().item())


@pytest.mark.parametrize(("theirs", "ours"), [("quick_gelu", "quick_gelu"), ("gelu", "gelu")])
def test_clips_vision_tower(theirs: str, ours: Any) -> None:
    config = transformers.CLIPVisionConfig(**THEIRS, image_size=32, patch_size=8, hidden_act=theirs)
    reference = shaken(transformers.CLIPVisionModel(config))
    tower = loaded(ViT(ViT.Config(**OURS, image_size=32, patch_size=8, activation=ours)), reference)
    pixels = torch.randn(3, 3, 32, 32)
    with torch.inference_mode():
        expected = reference(pixels, output_hidden_states=True)
        tokens = tower(pixels, layers=range(4))
    for number in range(4):
        close(tokens.layers[number], expected.hidden_states[number])
    close(tokens.pooled, expected.pooler_output)
    assert tokens.grid == (1, 4, 4)


def test_siglips_vision_tower() -> None:
    config = transformers.SiglipVisionConfig(**THEIRS, image_size=24, patch_size=8)
    reference = shaken(transformers.SiglipVisionModel(config))
    tower = loaded(ViT(ViT.Config(**SIGLIP_VISION)), reference)
    pixels = torch.randn(3, 3, 24, 24)
    with torch.inference_mode():
        expected, tokens = reference(pixels), tower(pixels)
    close(tokens.states, expected.last_hidden_state)
    close(tokens.pooled, expected.pooler_output)


@pytest.mark.parametrize("grid", [(3, 3), (2, 5), (4, 4), (1, 6)])
def test_siglip_2s_vision_tower_at_any_grid(grid: tuple[int, int]) -> None:
    config = transformers.Siglip2VisionConfig(**THEIRS, num_patches=9, patch_size=8)
    reference = shaken(transformers.Siglip2VisionModel(config))
    weights = dict(reference.state_dict())
    # its patches are in the order row, column, channel; ours in that of a convolution
    kernel = weights["embeddings.patch_embedding.weight"].view(24, 8, 8, 3).permute(0, 3, 1, 2)
    weights["embeddings.patch_embedding.weight"] = kernel
    tower = ViT(ViT.Config(**SIGLIP_VISION, position_interpolation="bilinear")).eval()
    tower.load_state_dict(ours_from(weights))
    rows, columns = grid
    pixels = torch.randn(2, 3, 8 * rows, 8 * columns)
    cut = pixels.view(2, 3, rows, 8, columns, 8).permute(0, 2, 4, 3, 5, 1)
    num_patches = rows * columns
    with torch.inference_mode():
        expected = reference(
            cut.reshape(2, num_patches, -1),
            pixel_attention_mask=torch.ones(2, num_patches, dtype=torch.long),
            spatial_shapes=torch.tensor([grid, grid]),
        )
        tokens = tower(pixels)
    close(tokens.states, expected.last_hidden_state)
    close(tokens.pooled, expected.pooler_output)
    assert tokens.grid == (1, rows, columns)


@pytest.mark.parametrize("padded_with_end", [False, True])
def test_clips_text_tower(padded_with_end: bool) -> None:
    config = transformers.CLIPTextConfig(
        **THEIRS, vocab_size=50, max_position_embeddings=20, bos_token_id=48, eos_token_id=49
    )
    reference = shaken(transformers.CLIPTextModel(config))
    options = {**OURS, "vocabulary": 50, "max_positions": 20, "max_tokens": 20, "end_id": 49}
    tower = loaded(TextTransformer(TextTransformer.Config(**options)), reference)
    ids = torch.randint(1, 48, (4, 20))
    mask = torch.zeros(4, 20, dtype=torch.bool)
    for row, length in enumerate((7, 3, 12, 1)):
        ids[row, length - 1] = 49
        ids[row, length:] = 49 if padded_with_end else 0
        mask[row, :length] = True
    with torch.inference_mode():
        expected = reference(ids, attention_mask=mask.long())
        tokens = tower(ids, mask)
    close(tokens.states[mask[:, :12]], expected.last_hidden_state[mask])
    close(tokens.pooled, expected.pooler_output)
    with torch.inference_mode():
        close(tower(ids).pooled, expected.pooler_output)


def test_siglips_text_tower() -> None:
    config = transformers.SiglipTextConfig(**THEIRS, vocab_size=50, max_position_embeddings=16)
    reference = shaken(transformers.SiglipTextModel(config))
    options = {**OURS, "vocabulary": 50, "max_positions": 16, "max_tokens": 16, "causal": False,
               "pooling": "last", "pad_to_max": True, "activation": "gelu_tanh",
               "norm_eps": 1e-6}  # fmt: skip
    tower = loaded(TextTransformer(TextTransformer.Config(**options)), reference)
    ids = torch.randint(0, 50, (4, 16))
    ids[1, 5:] = 1  # its padding
    mask = ids != 1
    with torch.inference_mode():
        expected = reference(ids)
        tokens = tower(ids, mask)  # the mask changes nothing: it was trained on padding
        close(tokens.states, expected.last_hidden_state)
        close(reference.head(tokens.pooled), expected.pooler_output)
