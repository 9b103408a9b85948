"""ALIGN: EfficientNet and BERT from scratch on noisy pairs, with its filters as data steps."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from interlingua.config import validate
from interlingua.recipes.drawings import DRAWN, contrastive, one_stage, open_data
from interlingua.train.recipe import Recipe


def align(tiny: bool = False) -> Recipe:
    """A small ALIGN from scratch: half an EfficientNet-B0, two blocks of BERT, raw noisy titles.

    Source: Jia et al. 2021 (arXiv 2102.05918): sections 3 (filters instead of curation) and 4. Clip
    art's titles come as they are; filters take what is shared by many, boilerplate and
    repetition. Names here are one word, so ALIGN's limit of three words is left out.
    Cost: 500 steps of 256 pairs, some 6 minutes on two cores.
    Expected: no figure yet; what filtering gains is measured by ``python -m benchmarks noise``.
    Command: ``interlingua train align``
    """
    image = {
        "name": "efficientnet", "variant": "b0", "width_multiplier": 0.5, "depth_multiplier": 0.5,
        "image_size": 64, "num_classes": 0, **DRAWN,
    }  # fmt: skip
    text = {
        "name": "bert", "width": 256, "num_layers": 2, "num_heads": 4, "hidden_width": 1024,
        "max_positions": 64, "max_tokens": 64, "pooling": "cls", "unit_length": False,
    }  # fmt: skip
    if tiny:
        image.update(width_multiplier=0.25, depth_multiplier=0.3, image_size=32)
        text.update(width=32, num_heads=2, hidden_width=64)
    data = open_data(tiny)
    for use in data["sources"]:
        if use["source"]["name"] == "clipart":
            use["source"]["titles"] = "raw"
    filters = [{"name": "shared_text"}, {"name": "boilerplate"}, {"name": "repeated_words"}]
    return _recipe(
        align,
        image,
        text,
        width=32 if tiny else 256,
        data={**data, "filters": filters},
        stages=one_stage(tiny, steps=500, batch_size=256, learning_rate=1e-3, schedule="linear"),
    )


def align_b7(tiny: bool = False) -> Recipe:
    """ALIGN with EfficientNet-B7 and BERT-base from scratch; for many GPUs, on your own pairs.

    Source: Jia et al. 2021 (arXiv 2102.05918): batch 16,384, learning rate 1e-3 falling in a line
    after 10,000 steps, 1.2 million steps, decay 1e-5, crops to 289 pixels (section 4.2; theirs is
    LAMB and label smoothing, ours AdamW without). Filters are those of section 3.
    Cost: as published, 1.2 million steps on 1,024 TPU v3 cores.
    Expected: published 76.4 % zero-shot on ImageNet, with EfficientNet-L2 and BERT-large.
    Command: ``interlingua train align_b7 'data.sources=[{source: {name: manifest, path:
    pairs.csv}}]' data.split=null``
    """
    image: dict[str, Any] = {
        "name": "efficientnet", "variant": "b7", "image_size": 289, "num_classes": 0,
        "head": False, "drop_connect": 0.2,
    }  # fmt: skip
    text: dict[str, Any] = {
        "name": "bert", "width": 768, "num_layers": 12, "num_heads": 12, "hidden_width": 3072,
        "max_tokens": 64, "pooling": "cls", "unit_length": False,
    }  # fmt: skip
    width = 640  # B7's last block
    if tiny:
        image.update(width_multiplier=0.25, depth_multiplier=0.3, image_size=33)
        text.update(width=32, num_layers=2, num_heads=2, hidden_width=64)
        width = 80
    # the test data's near-duplicates go by component, before any filter
    filters = [
        {"name": "size"}, {"name": "exact_duplicates"}, {"name": "shared_text"},
        {"name": "text_length", "min_words": 1 if tiny else 3}, {"name": "boilerplate"},
    ]  # fmt: skip
    data = {**open_data(tiny), "filters": filters, "augment": {"crop_area": [0.7, 1.0], "flip": 0}}
    stages = one_stage(
        tiny, steps=1_200_000, batch_size=16_384, micro_batch=256, learning_rate=1e-3,
        weight_decay=1e-5, warmup_steps=10_000, schedule="linear", checkpoint_every=1000,
    )  # fmt: skip
    return _recipe(
        align_b7, image, text, width=width, data=data, stages=stages, projection="none",
        distributed="fsdp2",
    )  # fmt: skip


def _recipe(
    function: Callable[..., Recipe],
    image: dict[str, Any],
    text: dict[str, Any],
    *,
    width: int,
    data: dict[str, Any],
    stages: list[dict[str, Any]],
    projection: str = "linear",
    **settings: Any,
) -> Recipe:
    recipe = {
        "name": function.__name__,
        "description": inspect.getdoc(function) or "",
        "model": {
            "name": "dual_encoder",
            "width": width,
            "towers": {
                "image": {"tower": image, "projection": projection},
                "text": {"tower": text, "bias": True},  # "a fully connected layer on top of BERT"
            },
        },
        "data": data,
        "objectives": contrastive(),
        "stages": stages,
        **settings,
    }
    return validate(Recipe, recipe, f"recipe {function.__name__}")
