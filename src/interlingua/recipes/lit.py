"""Locked picture towers: LiT, and the classic CNN + GRU."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from interlingua.config import validate
from interlingua.recipes.drawings import WORD_PIECES, contrastive, one_stage, open_data
from interlingua.train.recipe import Recipe


def lit(tiny: bool = False) -> Recipe:
    """LiT: a pretrained picture tower that stays as it is, a text tower that learns to read for it.

    Source: Zhai et al. 2022 (arXiv 2111.07991), section 3.2, "Lu": locked picture tower,
    unlocked text tower from scratch, with their optional linear head on the picture side.
    EfficientNet-Lite0 runs once over every picture; then a step costs the text tower alone.
    Cost: 600 steps of 512 pairs, about 2 minutes on two cores after the pictures were seen once.
    Expected: no figure yet; ``demo`` is its neighbour with a pretrained text tower.
    Command: ``interlingua train lit``
    """
    text = dict(WORD_PIECES)
    if tiny:
        text.update(width=32, num_heads=2, hidden_width=64)
    stages = one_stage(tiny, steps=600, batch_size=512, learning_rate=1e-3)
    return _recipe(lit, tiny, text, 32 if tiny else 256, stages)


def cnn_gru(tiny: bool = False) -> Recipe:
    """The classic: a convolutional network that was trained to classify, a GRU that reads words.

    Source: Faghri et al. 2018 (VSE++, arXiv 1707.05612), section 3: picture features of a
    pretrained network, a linear layer; 300-wide words, a GRU, its last state. Its loss was the
    hardest negative's margin; here it is InfoNCE over the batch, which came after it.
    Cost: 600 steps of 256 pairs, about 3 minutes on two cores after the pictures were seen once.
    Expected: no figure yet; it is the baseline that Transformers are compared with.
    Command: ``interlingua train cnn_gru``
    """
    text: dict[str, Any] = {"name": "gru_text", "embedding_width": 300, "width": 512}
    if tiny:
        text.update(embedding_width=32, width=32)
    stages = one_stage(
        tiny, steps=600, batch_size=256, learning_rate=1e-3, clip_norm=2.0, weight_decay=0.01
    )
    return _recipe(cnn_gru, tiny, text, 32 if tiny else 512, stages)


def _recipe(
    function: Callable[..., Recipe],
    tiny: bool,
    text: dict[str, Any],
    width: int,
    stages: list[dict[str, Any]],
) -> Recipe:
    image = {"name": "efficientnet", "variant": "lite0", "fit": "pad", "trim": True}
    recipe = {
        "name": function.__name__,
        "description": inspect.getdoc(function) or "",
        "model": {
            "name": "dual_encoder",
            "width": width,
            "towers": {
                "image": {
                    "tower": image,
                    "weights": "efficientnet-lite0",
                    "frozen": True,
                    "dropout": 0.3,
                },
                "text": {"tower": text},
            },
        },
        "data": {**open_data(tiny, augment=False), "augment": {"token_dropout": 0.1}},
        "objectives": contrastive(),
        "stages": stages,
    }
    return validate(Recipe, recipe, f"recipe {function.__name__}")
