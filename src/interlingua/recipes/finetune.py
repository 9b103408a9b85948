"""Fine-tuning a loaded dual encoder on a small set, without losing what it knew."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

from interlingua.config import validate
from interlingua.train.recipe import Recipe

BATCH_SIZE = 32
DECAY = 0.75  # of the learning rate from one block to the one below it
CHECKPOINTS = 4  # to choose among
NAME = "finetune"
LAYERED = ("bert", "text_transformer", "vit")  # towers with blocks.0, blocks.1 ...


def finetune(tiny: bool = False) -> Recipe:
    """A loaded CLIP goes on with its own loss on a folder of pictures with classes or captions.

    Source: Goyal et al. 2023 (FLYP, arXiv:2212.00638): the loss of pretraining, names in prompts;
    Dong et al. 2022 (arXiv:2212.06138): a lower learning rate the deeper a block lies; Wortsman
    et al. 2022 (WiSE-FT, arXiv:2109.01903): weights between the two models.
    Data: a folder of your own; `interlingua finetune MODEL --data FOLDER` fills it in, with the
    settings of the loaded model, and afterwards chooses the checkpoint and the way back to
    the start by held-out pictures.
    Cost: ten epochs of 1,000 pictures with ViT-B/32 take some minutes on two cores.
    Expected: on held-out pictures no worse than the model was before.
    Command: ``interlingua finetune MODEL --data FOLDER``.
    """
    size = {"width": 64, "num_layers": 2, "num_heads": 2, "hidden_width": 128} if tiny else {}
    image = {"name": "vit", "patch_size": 32, "image_size": 64 if tiny else 224, **size}
    text = {"name": "text_transformer", **size}
    model = {
        "name": "dual_encoder",
        "width": 64 if tiny else 512,
        "towers": {"image": {"tower": image}, "text": {"tower": text}},
    }
    plain = describe(
        model,
        "" if tiny else "hf:openai/clip-vit-base-patch32",
        {"name": "image_folder", "path": "pictures", "templates": ["a photo of a {}."]},
        source_name="pictures",
        num_samples=1000,
        held_out=200,
        epochs=1 if tiny else 10,
    )
    return validate(Recipe, plain, "recipe finetune")


def describe(
    model: Mapping[str, Any],
    start_from: str,
    source: Mapping[str, Any],
    *,
    source_name: str,
    num_samples: int,
    held_out: int,
    views: Sequence[str] = ("image", "text"),
    epochs: float = 10,
    batch_size: int = BATCH_SIZE,
    learning_rate: float = 1e-5,
    seed: int = 0,
) -> dict[str, Any]:
    """The recipe as plain data.

    Args:
        model: settings of the loaded model.
        start_from: its address.
        source: settings of the data.
        source_name: what the source calls itself.
        num_samples: that it has.
        held_out: of them.
        views: that a held-out sample has.
        epochs, batch_size, learning_rate, seed: of training.
    """
    trained = max(2, num_samples - held_out)
    batch_size = min(batch_size, trained)
    steps = max(CHECKPOINTS, math.ceil(epochs * trained / batch_size))
    sigmoid = model.get("initial_bias") is not None
    return {
        "name": NAME,
        "description": inspect.getdoc(finetune) or "",
        "seed": seed,
        "model": dict(model),
        "start_from": start_from,
        "data": {
            "sources": [{"source": dict(source)}],
            "split": {
                "source": source_name,
                "held_out": held_out,
                "views": list(views),
                "seed": seed,
            },
            "augment": {"crop_area": [0.6, 1.0]},
        },
        "objectives": {
            "contrastive": {
                "objective": {"name": "sigmoid_contrastive" if sigmoid else "pairwise_contrastive"}
            }
        },
        "stages": [
            {
                "name": "finetune",
                "trainable": layer_rates(model.get("towers", {})),
                "steps": steps,
                "batch_size": batch_size,
                "learning_rate": learning_rate,
                "warmup_steps": steps // 10,
                "weight_decay": 0.1,
                "checkpoint_every": max(1, steps // CHECKPOINTS),
            }
        ],
        "keep_checkpoints": CHECKPOINTS + 2,  # those, the remainder's, and the chosen one
    }


def layer_rates(towers: Mapping[str, Any], decay: float = DECAY) -> list[tuple[str, float]]:
    """Learning rate multipliers by name: 1 at the top, less the deeper a block lies.

    Frozen towers have no parameters in the model; towers without numbered blocks have one rate.
    """
    rates: list[tuple[str, float]] = []
    for name, use in towers.items():
        if use.get("frozen") or use["tower"]["name"] not in LAYERED:
            continue
        layers = int(use["tower"].get("num_layers", 12))
        for block in range(layers):
            rates.append((f"towers.{name}.blocks.{block}.*", round(decay ** (layers - block), 6)))
        rates.append((f"towers.{name}.*embedding*", round(decay ** (layers + 1), 6)))
    return [*rates, ("*", 1.0)]
