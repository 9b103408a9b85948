"""One space of pictures, words, sounds and speech, from frozen towers and small heads."""

from __future__ import annotations

import inspect

from interlingua.config import validate
from interlingua.train.recipe import Recipe


def demo(tiny: bool = False) -> Recipe:
    """Pictures, words, sounds and spoken names in one space, on a laptop CPU.

    Source: ImageBind (Girdhar et al. 2023) for one space of many modalities, LiT (Zhai et al.
    2022) for locked towers, ConSE (Norouzi et al. 2014) for what a classifier knows by name.
    Towers: EfficientNet-Lite0, all-MiniLM-L6-v2, Whisper tiny.en. Data: Tux Paint stamps,
    Open Clip Art, OpenMoji.
    Cost: some minutes on two cores, most of it for running the frozen towers once.
    Expected: see the README (held-out text → picture R@10, with its interval).
    Command: ``interlingua train demo``, or ``make demo``.
    """
    towers = {
        "image": {
            "tower": {"name": "efficientnet", "variant": "lite0", "fit": "pad", "trim": True},
            "weights": "efficientnet-lite0",
            "head": {"dropout": 0.3},
        },
        "text": {"tower": {"name": "bert"}, "weights": "minilm", "head": {"dropout": 0.1}},
        "audio": {
            "tower": {"name": "whisper_encoder", "pooling": "mean_std"},
            "weights": "whisper-tiny.en",
            "head": {"dropout": 0.3},
        },
    }
    sources = [
        {"source": {"name": "stamps"}, "weight": 3.0},
        {"source": {"name": "openmoji"}, "weight": 2.0},
        {"source": {"name": "clipart"}, "weight": 1.0},
    ]
    if tiny:
        sources = sources[:1]
    recipe = {
        "name": "demo",
        "description": inspect.getdoc(demo) or "",
        "model": {
            "name": "shared_space",
            "towers": towers,
            "views": {"image": "image", "text": "text", "sound": "audio", "speech": "audio"},
            "named_classes": {},
        },
        "data": {
            "sources": sources,
            "split": {"source": "stamps", "held_out": 200, "unseen_languages": ["da"]},
        },
        "objectives": {"contrastive": {"objective": {"name": "pairwise_contrastive"}}},
        "stages": [
            {
                "name": "heads",
                "steps": 20 if tiny else 300,
                "batch_size": 1024,
                "learning_rate": 2e-3,
                "warmup_steps": 5 if tiny else 50,
                "weight_decay": 0.05,
                "checkpoint_every": 10 if tiny else 100,
            }
        ],
    }
    return validate(Recipe, recipe, "recipe demo")
