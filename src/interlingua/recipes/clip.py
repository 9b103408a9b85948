"""CLIP: two towers from scratch, on a laptop or in the sizes of the paper."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from interlingua.config import validate
from interlingua.recipes.drawings import (
    DRAWN,
    SMALL_VIT,
    WORD_PIECES,
    contrastive,
    one_stage,
    open_data,
)
from interlingua.train.recipe import Recipe

# width, layers, heads of the picture tower, its patch; width, layers, heads of the text tower;
# width of the space; the paper's learning rate (tables 19 and 20)
SIZES = {
    "b32": ((768, 12, 12, 32), (512, 12, 8), 512, 5e-4),
    "b16": ((768, 12, 12, 16), (512, 12, 8), 512, 5e-4),
    "l14": ((1024, 24, 16, 14), (768, 12, 12), 768, 4e-4),
}


def clip(tiny: bool = False) -> Recipe:
    """A small CLIP from scratch: a ResNet of 64 pixels and words, minutes on two cores.

    Source: Radford et al. 2021 (arXiv 2103.00020): its modified ResNet with attention pooling, one
    stage of one block each, and InfoNCE with a learned temperature. The text tower is one block
    over WordPieces, both ways and averaged: with 10,000 captions CLIP's causal twelve learn them
    by heart. Data: Tux Paint stamps, OpenMoji, Open Clip Art.
    Cost: 400 steps of 256 pairs, some 2 minutes on two cores; pictures are decoded once.
    Expected: held-out text → picture R@10 at three times chance or more (``python -m benchmarks
    from_scratch`` measures it, with controls). No pretrained weights: far below ``demo``.
    Command: ``interlingua train clip``
    """
    image = {
        "name": "modified_resnet",
        "image_size": 64,
        "depths": [1, 1, 1, 1],
        "channels": 12,
        "num_heads": 8,
        "output_width": 256,
        **DRAWN,
    }
    if tiny:
        image.update(image_size=32, channels=4, num_heads=4, output_width=32)
    return _recipe(
        clip,
        tiny,
        image=image,
        text=_tiny_text(WORD_PIECES) if tiny else WORD_PIECES,
        width=32 if tiny else 256,
        projection="none",
        stages=one_stage(tiny, steps=400, batch_size=256, learning_rate=2e-3),
    )


def clip_small_first(tiny: bool = False) -> Recipe:
    """A small ViT from small pictures to larger ones, with patch dropout and averaged weights.

    Source: FLIP (Li et al. 2023, arXiv 2212.00794) for patch dropout and a short tuning without
    it; RECLIP (Li et al. 2023, arXiv 2304.06028) and CLIPA (Li et al. 2023, arXiv 2305.07017) for
    small pictures first; averaged weights as in Polyak & Juditsky 1992.
    Cost: most steps run at 32 pixels with half of the patches, an eighth of a full step's patches.
    Expected: no figure yet; the stages are what this recipe shows.
    Command: ``interlingua train clip_small_first``
    """
    image = {**SMALL_VIT, "patch_size": 8, "width": 192, "num_heads": 3, "hidden_width": 768}
    if tiny:
        image.update(width=32, num_layers=2, num_heads=2, hidden_width=64)
    small = {"image_size": 32, "patch_dropout": 0.5}
    stages = [
        *one_stage(
            tiny, name="small", steps=600, batch_size=256, learning_rate=1e-3,
            model={"image": small}, final_fraction=0.3,
        ),
        *one_stage(
            tiny, name="large", steps=150, batch_size=256, learning_rate=3e-4, ema=0.98,
        ),
    ]  # fmt: skip
    return _recipe(
        clip_small_first,
        tiny,
        image=image,
        text=_tiny_text(WORD_PIECES) if tiny else WORD_PIECES,
        width=32 if tiny else 256,
        stages=stages,
    )


def clip_b32(tiny: bool = False) -> Recipe:
    """CLIP ViT-B/32 from scratch, as published; for GPUs, on your own pairs.

    Source: Radford et al. 2021 (arXiv 2103.00020), table 18 (batch 32,768, 32 epochs of 400
    million pairs, betas 0.9 and 0.98, epsilon 1e-6, decay 0.2) and table 20 (learning rate 5e-4).
    Cost: as published, some days on a hundred GPUs. Set ``stages.train.steps`` and ``batch_size``
    to your data: 32 epochs of 12 million pairs are 23,400 steps of 16,384.
    Expected: published 63.2 % zero-shot on ImageNet, with WIT-400M.
    Command: ``interlingua train clip_b32 'data.sources=[{source: {name: manifest, path:
    pairs.csv}}]' data.split=null``
    """
    return _of_size(clip_b32, "b32", tiny)


def clip_b16(tiny: bool = False) -> Recipe:
    """CLIP ViT-B/16 from scratch, as published; for GPUs, on your own pairs.

    Source: Radford et al. 2021 (arXiv 2103.00020), tables 18 and 20. The stage ``cheap`` that is
    the first nine tenths drops half of the patches (FLIP, Li et al. 2023, arXiv 2212.00794,
    section 3); the last tenth sees them all.
    Cost: as published about three times ViT-B/32's; with half of the patches about half of that.
    Expected: published 68.6 % zero-shot on ImageNet, with WIT-400M and without dropping patches.
    Command: ``interlingua train clip_b16 'data.sources=[...]' data.split=null``
    """
    return _of_size(clip_b16, "b16", tiny, cheap=0.5)


def clip_l14(tiny: bool = False) -> Recipe:
    """CLIP ViT-L/14 from scratch, as published; for many GPUs, on your own pairs.

    Source: Radford et al. 2021 (arXiv 2103.00020), tables 18 and 20 (learning rate 4e-4). Weights
    and optimizer are split over the processes (``distributed: fsdp2``). Half of the patches are
    dropped in the first nine tenths (FLIP, Li et al. 2023, arXiv 2212.00794, section 3).
    Cost: as published, 12 days on 256 V100.
    Expected: published 75.3 % zero-shot on ImageNet, with WIT-400M and without dropping patches.
    Command: ``interlingua train clip_l14 'data.sources=[...]' data.split=null``
    """
    return _of_size(clip_l14, "l14", tiny, cheap=0.5, distributed="fsdp2")


def _of_size(
    function: Callable[..., Recipe], size: str, tiny: bool, cheap: float = 0.0, **settings: Any
) -> Recipe:
    (width, layers, heads, patch), (text_width, text_layers, text_heads), space, rate = SIZES[size]
    image = {
        "name": "vit",
        "patch_size": patch,
        "width": width,
        "num_layers": layers,
        "num_heads": heads,
        "hidden_width": 4 * width,
    }
    text = {
        "name": "text_transformer",
        "tokenizer": "clip-bpe",
        "width": text_width,
        "num_layers": text_layers,
        "num_heads": text_heads,
        "hidden_width": 4 * text_width,
    }
    if tiny:
        small = {"width": 32, "num_layers": 2, "num_heads": 2, "hidden_width": 64}
        image = {**image, **small, "image_size": 2 * patch}
        text = {**text, **small}
    steps = 390_000
    options = {
        "batch_size": 32_768,
        "micro_batch": 1024,
        "learning_rate": rate,
        "weight_decay": 0.2,
        "epsilon": 1e-6,
        "checkpoint_every": 1000,
        "warmup_steps": 2000,
    }
    stages = one_stage(tiny, **{**options, "steps": steps})
    if cheap:
        dropped = {"image": {"patch_dropout": cheap}}
        first = {"name": "cheap", "steps": steps * 9 // 10, "model": dropped}
        # the line of the rate goes on: the last tenth begins where the first part ends
        last = {"steps": steps // 10, "learning_rate": rate / 10, "warmup_steps": 0}
        stages = [
            *one_stage(tiny, **{**options, **first, "final_fraction": 0.1}),
            *one_stage(tiny, **{**options, **last}),
        ]
    return _recipe(
        function, tiny, image=image, text=text, width=32 if tiny else space, stages=stages,
        augment={"crop_area": [0.9, 1.0]}, **settings,
    )  # fmt: skip


def _recipe(
    function: Callable[..., Recipe],
    tiny: bool,
    *,
    image: dict[str, Any],
    text: dict[str, Any],
    width: int,
    stages: list[dict[str, Any]],
    projection: str = "linear",
    augment: dict[str, Any] | None = None,
    **settings: Any,
) -> Recipe:
    data = open_data(tiny)
    recipe = {
        "name": function.__name__,
        "description": inspect.getdoc(function) or "",
        "model": {
            "name": "dual_encoder",
            "width": width,
            "towers": {
                "image": {"tower": image, "projection": projection},
                "text": {"tower": text},
            },
        },
        "data": data if augment is None else {**data, "augment": augment},
        "objectives": contrastive(),
        "stages": stages,
        **settings,
    }
    return validate(Recipe, recipe, f"recipe {function.__name__}")


def _tiny_text(text: dict[str, Any]) -> dict[str, Any]:
    return {**text, "width": 32, "num_heads": 2, "hidden_width": 64}
