"""What the recipes of this folder share: the open data, and the towers that fit a laptop."""

from __future__ import annotations

from typing import Any

# 256 wide and one block: with 10,000 captions a deeper one only learns them by heart
WORD_PIECES: dict[str, Any] = {
    "name": "text_transformer",
    "vocabulary": 30_522,
    "tokenizer": "minilm",
    "clean": "none",
    "width": 256,
    "num_layers": 1,
    "num_heads": 4,
    "hidden_width": 512,
    "activation": "gelu",
    "causal": False,
    "pooling": "mean",
    "max_positions": 20,
    "max_tokens": 20,
}
DRAWN: dict[str, Any] = {"fit": "pad", "trim": True, "interpolation": "bilinear"}
SMALL_VIT: dict[str, Any] = {
    "name": "vit",
    "image_size": 64,
    "patch_size": 16,
    "width": 128,
    "num_layers": 4,
    "num_heads": 2,
    "hidden_width": 512,
    "activation": "gelu",
    "class_token": False,
    "pooling": "mean",
    "pre_norm": False,
    "patch_bias": True,
    **DRAWN,
}


def open_data(tiny: bool, *, held_out: int = 300, augment: bool = True) -> dict[str, Any]:
    """Tux Paint stamps, OpenMoji and Open Clip Art, with stamps held out by component.

    Args:
        tiny: the stamps alone, 100 of them held out.
        held_out: how many stamps.
        augment: crop, and change colours a little.
    """
    sources = [
        {"source": {"name": "stamps"}, "weight": 3.0},
        {"source": {"name": "openmoji"}, "weight": 2.0},
        {"source": {"name": "clipart"}, "weight": 1.0},
    ]
    changes = {
        "crop_area": [0.5, 1.0],
        "brightness": 0.2,
        "contrast": 0.2,
        "saturation": 0.2,
        "colour_chance": 0.5,
    }
    return {
        "sources": sources[:1] if tiny else sources,
        "split": {"source": "stamps", "held_out": 100 if tiny else held_out},
        "augment": changes if augment else {},
    }


def one_stage(tiny: bool, **options: Any) -> list[dict[str, Any]]:
    """A stage with a twentieth of it warm-up; ten small steps where it is tiny."""
    stage = {"name": "train", "weight_decay": 0.1, **options}
    if tiny:
        stage.update(steps=10, batch_size=32, micro_batch=0, log_every=1)
    stage.setdefault("warmup_steps", max(1, stage["steps"] // 20))
    if tiny:
        stage["warmup_steps"] = 2
    return [stage]


def contrastive() -> dict[str, Any]:
    """InfoNCE, for ``Recipe.objectives``."""
    return {"contrastive": {"objective": {"name": "pairwise_contrastive"}}}
