"""SigLIP: the sigmoid loss, which needs no large batch, on a laptop or in published sizes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from interlingua.config import validate
from interlingua.recipes.drawings import SMALL_VIT, WORD_PIECES, one_stage, open_data
from interlingua.train.recipe import Recipe

# width, layers, heads, hidden width of both towers, and the patch
SIZES = {
    "b16": (768, 12, 12, 3072, 16),
    "l16": (1024, 24, 16, 4096, 16),
    "so400m": (1152, 27, 16, 4304, 14),
}


def siglip(tiny: bool = False) -> Recipe:
    """A small SigLIP from scratch: a ViT of 64 pixels, a probe that pools it, the sigmoid loss.

    Source: Zhai et al. 2023 (arXiv 2303.15343), section 3: every pair of the batch is one yes-or-no
    question; scale begins at 10 and bias at -10, as most answers are no. Text is averaged
    over real WordPieces instead of padded to 64: captions here have ten.
    Cost: 500 steps of 256 pairs, some 4 minutes on two cores.
    Expected: no figure yet; ``clip`` is the recipe that is measured.
    Command: ``interlingua train siglip``
    """
    image = {**SMALL_VIT, "pooling": "attention", "activation": "gelu_tanh"}
    text = WORD_PIECES
    if tiny:
        small = {"width": 32, "num_heads": 2, "hidden_width": 64}
        image, text = {**image, **small, "num_layers": 2}, {**text, **small}
    stages = one_stage(
        tiny, steps=500, batch_size=256, learning_rate=1e-3, weight_decay=0.01, betas=[0.9, 0.95]
    )
    return _recipe(siglip, open_data(tiny), image, text, stages)


def siglip_b16(tiny: bool = False) -> Recipe:
    """SigLIP ViT-B/16 from scratch, as published; for GPUs, on your own pairs.

    Source: Zhai et al. 2023 (arXiv 2303.15343), section 4: batch 32,768, learning rate 1e-3, decay
    1e-4, second beta 0.95 (theirs is Adafactor, ours AdamW).
    Cost: as published, days on 32 TPU v4.
    Expected: published 76 % zero-shot on ImageNet at 224 pixels, with WebLI.
    Command: ``interlingua train siglip_b16 'data.sources=[{source: {name: manifest, path:
    pairs.csv}}]' data.split=null``
    """
    return _of_size(siglip_b16, "b16", tiny)


def siglip_l16(tiny: bool = False) -> Recipe:
    """SigLIP ViT-L/16 from scratch, as published; for many GPUs, on your own pairs.

    Source: Zhai et al. 2023 (arXiv 2303.15343), section 4. Weights and optimizer are split over
    the processes (``distributed: fsdp2``).
    Cost: as published, days on a hundred TPU v4 and more.
    Expected: published 80 % zero-shot on ImageNet at 256 pixels, with WebLI.
    Command: ``interlingua train siglip_l16 'data.sources=[...]' data.split=null``
    """
    return _of_size(siglip_l16, "l16", tiny, distributed="fsdp2")


def siglip_so400m(tiny: bool = False) -> Recipe:
    """SigLIP So400m/14 from scratch, as published; for many GPUs, on your own pairs.

    Source: Zhai et al. 2023 (arXiv 2303.15343), section 4; the shape is that of Alabdulmohsin et
    al. 2023 (arXiv 2305.13035). Weights and optimizer are split over the processes.
    Cost: as published, days on a hundred TPU v4 and more.
    Expected: published 82 % zero-shot on ImageNet at 224 pixels, with WebLI.
    Command: ``interlingua train siglip_so400m 'data.sources=[...]' data.split=null``
    """
    return _of_size(siglip_so400m, "so400m", tiny, distributed="fsdp2")


def _of_size(function: Callable[..., Recipe], size: str, tiny: bool, **settings: Any) -> Recipe:
    width, layers, heads, hidden, patch = SIZES[size]
    if tiny:
        width, layers, heads, hidden = 32, 2, 2, 64
    block = {
        "width": width,
        "num_layers": layers,
        "num_heads": heads,
        "hidden_width": hidden,
        "activation": "gelu_tanh",
        "norm_eps": 1e-6,
    }
    image = {
        "name": "vit",
        "image_size": 2 * patch if tiny else 16 * patch if size == "l16" else 224,
        "patch_size": patch,
        "class_token": False,
        "pooling": "attention",
        "pre_norm": False,
        "patch_bias": True,
        "fit": "squash",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        **block,
    }
    text = {
        "name": "text_transformer",
        "vocabulary": 32_000,
        "tokenizer": "hf:google/siglip-base-patch16-224",
        "clean": "siglip",
        "causal": False,
        "pooling": "last",
        "pad_to_max": True,
        "max_positions": 64,
        "max_tokens": 64,
        **block,
    }
    stages = one_stage(
        tiny, steps=280_000, batch_size=32_768, micro_batch=1024, learning_rate=1e-3,
        weight_decay=1e-4, betas=[0.9, 0.95], warmup_steps=10_000, checkpoint_every=1000,
    )  # fmt: skip
    return _recipe(function, open_data(tiny, augment=False), image, text, stages, **settings)


def _recipe(
    function: Callable[..., Recipe],
    data: dict[str, Any],
    image: dict[str, Any],
    text: dict[str, Any],
    stages: list[dict[str, Any]],
    **settings: Any,
) -> Recipe:
    recipe = {
        "name": function.__name__,
        "description": inspect.getdoc(function) or "",
        "model": {
            "name": "dual_encoder",
            "width": image["width"],  # the probe's output is in the space already
            "towers": {
                "image": {"tower": image, "projection": "none"},
                "text": {"tower": text, "bias": True},
            },
            "initial_scale": 10.0,
            "max_scale": 1000.0,  # no limit in the paper
            "initial_bias": -10.0,
        },
        "data": data,
        "objectives": {"sigmoid": {"objective": {"name": "sigmoid_contrastive"}}},
        "stages": stages,
        **settings,
    }
    return validate(Recipe, recipe, f"recipe {function.__name__}")
