"""Tiny random models of transformers, one or more for each of its layouts, and what they make.

Sizes are odd on purpose: pictures of 30 pixels in patches of 6, 2 and 3 heads, hidden layers that
are no multiple of the width.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

transformers = pytest.importorskip("transformers")

VOCABULARY, LENGTH, END = 60, 12, 59


@dataclass
class Outputs:
    """Features before their length is taken away, and the logits [pictures, texts]."""

    image: Tensor
    text: Tensor
    logits: Tensor


@dataclass
class Inputs:
    """Normalised pixels [M, 3, S, S], ids [M, N] and their mask."""

    pixels: Tensor
    ids: Tensor
    mask: Tensor


def tiny_text(**more: Any) -> dict[str, Any]:
    return {
        "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "vocab_size": VOCABULARY, "intermediate_size": 40, "max_position_embeddings": LENGTH,
        "bos_token_id": 58, "eos_token_id": END, "pad_token_id": 1, **more,
    }  # fmt: skip


def tiny_vision(**more: Any) -> dict[str, Any]:
    return {
        "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3,
        "intermediate_size": 36, "patch_size": 6, **more,
    }  # fmt: skip


def _clip(text: dict[str, Any], vision: dict[str, Any]) -> nn.Module:
    config = transformers.CLIPConfig(
        text_config=tiny_text(**text),
        vision_config=tiny_vision(image_size=30, **vision),
        projection_dim=10,
    )
    return transformers.CLIPModel(config)


def _siglip(**vision: Any) -> nn.Module:
    config = transformers.SiglipConfig(
        text_config=tiny_text(hidden_size=24, num_attention_heads=3, projection_size=24),
        vision_config=tiny_vision(**vision),
    )
    return transformers.SiglipModel(config)


def _siglip2() -> nn.Module:
    config = transformers.Siglip2Config(
        text_config=tiny_text(hidden_size=24, num_attention_heads=3, projection_size=24),
        vision_config=tiny_vision(num_patches=25),
    )
    return transformers.Siglip2Model(config)


def _align(size: int, depth: float, padding: tuple[int, ...]) -> nn.Module:
    config = transformers.AlignConfig(
        text_config=tiny_text(),
        vision_config={
            "image_size": size, "width_coefficient": 0.25, "depth_coefficient": depth,
            "hidden_dim": 80, "depthwise_padding": list(padding),
        },
        projection_dim=80,
        temperature_init_value=0.3,
    )  # fmt: skip
    return transformers.AlignModel(config)


MODELS = {
    "clip_quick_gelu": lambda: _clip({}, {}),
    "clip_gelu": lambda: _clip({"hidden_act": "gelu"}, {"hidden_act": "gelu"}),
    "clip_mixed_old_end": lambda: _clip(
        {"eos_token_id": 2, "layer_norm_eps": 1e-3}, {"hidden_act": "gelu_pytorch_tanh"}
    ),
    "siglip": lambda: _siglip(image_size=30),
    "siglip_odd": lambda: _siglip(image_size=32),  # two pixels that no patch takes
    "siglip2": _siglip2,
    "align": lambda: _align(65, 0.4, (3,)),
    "align_even": lambda: _align(64, 0.1, ()),
}


def reference(name: str) -> nn.Module:
    """A model with biases, norms and running averages that are not zeros and ones."""
    torch.manual_seed(0)
    model = MODELS[name]().eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if key not in ("temperature",):
                parameter.add_(torch.randn_like(parameter) * 0.1)
        for key, buffer in model.named_buffers():
            if key.endswith("running_var"):
                buffer.copy_(torch.rand_like(buffer) + 0.5)
            elif key.endswith("running_mean"):
                buffer.copy_(torch.randn_like(buffer) * 0.1)
    return model


def inputs(name: str, seed: int = 1) -> Inputs:
    generator = torch.Generator().manual_seed(seed)
    side = {"siglip_odd": 32, "align": 65, "align_even": 64}.get(name, 30)
    pixels = torch.randn(3, 3, side, side, generator=generator)
    ids = torch.randint(3, 50, (4, LENGTH), generator=generator)
    lengths = torch.tensor([3, LENGTH, 7, 2])
    mask = torch.arange(LENGTH) < lengths[:, None]
    ids[torch.arange(4), lengths - 1] = END
    return Inputs(pixels, ids.masked_fill(~mask, 1), mask)


def run_reference(model: nn.Module, given: Inputs) -> Outputs:
    """The reference's own features and logits; SigLIP is given its padding as text."""
    kind = model.config.model_type
    with torch.inference_mode():
        text: dict[str, Any] = {"input_ids": given.ids}
        if not kind.startswith("siglip"):
            text["attention_mask"] = given.mask.long()
        image: dict[str, Any] = {"pixel_values": given.pixels}
        if kind == "siglip2":
            image = _as_patches(given.pixels, 6)
        image_features = _vectors(model.get_image_features(**image))
        text_features = _vectors(model.get_text_features(**text))
        logits = model(**image, **text).logits_per_image
    return Outputs(image_features, text_features, logits)


def run_ours(model: nn.Module, given: Inputs) -> Outputs:
    """The same of a ``DualEncoder``."""
    towers, projections = model.towers, model.projections
    with torch.inference_mode():
        side = towers["image"].preprocess.size
        image = projections["image"](towers["image"](given.pixels[..., :side, :side]).pooled)
        text = projections["text"](towers["text"](given.ids, given.mask).pooled)
        cosine = functional.normalize(image) @ functional.normalize(text).T
        logits = cosine * model.log_scale.exp()
        if model.bias is not None:
            logits = logits + model.bias
    return Outputs(image, text, logits)


def difference(one: Outputs, two: Outputs) -> float:
    """The largest of all features and logits."""
    pairs = zip(vars(one).values(), vars(two).values(), strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


def save(model: nn.Module, folder: Path) -> Path:
    """In the reference's own layout."""
    model.save_pretrained(folder)
    return folder


def _vectors(found: Any) -> Tensor:
    return found if isinstance(found, Tensor) else found.pooler_output


def _as_patches(pixels: Tensor, patch: int) -> dict[str, Tensor]:
    count, _, height, width = pixels.shape
    cut = pixels.unfold(2, patch, patch).unfold(3, patch, patch)  # [M, 3, h, w, P, P]
    values = cut.permute(0, 2, 3, 4, 5, 1).reshape(count, -1, 3 * patch * patch)
    shape = torch.tensor([[height // patch, width // patch]]).expand(count, -1)
    mask = torch.ones(values.shape[:2], dtype=torch.int64)
    return {"pixel_values": values, "spatial_shapes": shape, "pixel_attention_mask": mask}
