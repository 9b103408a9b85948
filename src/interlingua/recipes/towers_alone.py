"""One modality first: towers that learn alone, to be aligned afterwards.

Their towers have the settings that ``aligned`` has, so what ``weights export`` writes is loaded by
``interlingua train aligned model.towers.image.weights=FOLDER``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from interlingua.config import validate
from interlingua.recipes.drawings import (
    SMALL_VIT,
    WORD_PIECES,
    contrastive,
    one_stage,
    open_data,
)
from interlingua.train.recipe import Recipe

# the groups of Tux Paint's stamps with some ten things or more
STAMP_CLASSES = (
    "animals/birds", "animals/fish", "animals/insects", "animals/mammals", "animals/dinosaur",
    "clothes", "food/fruit", "food/vegetables", "food/dessert", "hobbies", "household",
    "household/tools", "household/dishes", "household/electronics", "medical", "military",
    "people", "plants", "plants/flowers", "plants/trees", "seasonal", "space", "sports",
    "town", "town/houses", "town/roadsigns", "town/flags", "vehicles",
)  # fmt: skip


def picture_classes(tiny: bool = False) -> Recipe:
    """A picture tower that learns the groups of the stamps.

    Source: the first step of two-tower models before captions were plenty, Krizhevsky et al. 2012
    (AlexNet) for training on classes; label smoothing, Szegedy et al. 2015 (arXiv 1512.00567).
    Cost: 300 steps of 128 pictures, about a minute on two cores.
    Expected: top-1 accuracy well above the commonest class; held-out loss in ``figures.json``.
    Command: ``interlingua train picture_classes``, then ``interlingua weights export
    runs/picture_classes --part towers.image --out picture-tower``
    """
    data = open_data(tiny)
    data["sources"] = data["sources"][:1]  # only the stamps have groups
    data["augment"]["flip"] = 0.5  # no captions: sides don't matter
    model = {"name": "classifier", "classes": STAMP_CLASSES, **_picture_tower(tiny)}
    stages = one_stage(tiny, steps=300, batch_size=128, learning_rate=1e-3)
    return _recipe(picture_classes, model, data, "classification", stages)


def picture_patches(tiny: bool = False) -> Recipe:
    """A picture tower that fills in missing patches.

    Source: Xie et al. 2022 (SimMIM, arXiv 2111.09886) with the target of He et al. 2021 (MAE,
    arXiv 2111.06377): 60 % of the patches are hidden, each is compared normalised.
    Cost: 400 steps of 256 pictures, about 2 minutes on two cores.
    Expected: a loss below 1, which is what answering zero gets on patches that are not plain.
    Command: ``interlingua train picture_patches``
    """
    data = open_data(tiny)
    data["augment"]["flip"] = 0.5  # no captions: sides don't matter
    model = {"name": "masked_pictures", "mask_share": 0.6, **_picture_tower(tiny)}
    stages = one_stage(
        tiny, steps=400, batch_size=256, learning_rate=1e-3, weight_decay=0.05, betas=[0.9, 0.95]
    )
    return _recipe(picture_patches, model, data, "masked_patches", stages)


def caption_words(tiny: bool = False) -> Recipe:
    """A text tower that guesses hidden words of captions.

    Source: Devlin et al. 2018 (BERT, arXiv 1810.04805), section 3.1: 15 % of the tokens, one of
    each text at least; 80 % hidden, 10 % another word, 10 % left.
    Cost: 400 steps of 256 texts, about a minute on two cores.
    Expected: at a minute in all no gain over aligning from scratch (docs/results.md);
    ``python -m benchmarks one_modality_first`` measures it.
    Command: ``interlingua train caption_words``
    """
    data = open_data(tiny, augment=False)
    model = {"name": "masked_words", **_text_tower(tiny)}
    stages = one_stage(tiny, steps=400, batch_size=256, learning_rate=1e-3, weight_decay=0.01)
    return _recipe(caption_words, model, data, "masked_words", stages)


def aligned(tiny: bool = False) -> Recipe:
    """Two towers that may have learned alone, aligned with each other: train the head, then all.

    Source: one modality first, then across: DeViSE (Frome et al. 2013), section 3, for a space
    between a picture tower and a text tower that each were trained before; the projections learn
    first, so that their random gradients don't undo the towers (Kumar et al. 2022, arXiv
    2202.10054, section 4). Without ``weights`` it aligns from scratch.
    Cost: 400 steps of 256 pairs, about 2 minutes on two cores.
    Expected: ``python -m benchmarks one_modality_first`` measures it against aligning from scratch.
    Command: ``interlingua train aligned model.towers.image.weights=picture-tower
    model.towers.text.weights=text-tower``
    """
    width = 32 if tiny else 256
    towers = {**_picture_tower(tiny)["towers"], **_text_tower(tiny)["towers"]}
    model = {"name": "dual_encoder", "width": width, "towers": towers}
    heads = [["projections.*", 1.0], ["log_scale", 1.0]]
    stages = [
        *one_stage(
            tiny, name="heads", trainable=heads, steps=40, batch_size=256, learning_rate=2e-3,
            schedule="constant",
        ),
        *one_stage(tiny, name="all", steps=360, batch_size=256, learning_rate=1e-3),
    ]  # fmt: skip
    return _recipe(aligned, model, open_data(tiny), "pairwise_contrastive", stages)


def _picture_tower(tiny: bool) -> dict[str, Any]:
    tower = dict(SMALL_VIT)
    if tiny:
        tower.update(width=32, num_layers=2, num_heads=2, hidden_width=64)
    return {"towers": {"image": {"tower": tower}}}


def _text_tower(tiny: bool) -> dict[str, Any]:
    tower = dict(WORD_PIECES)
    if tiny:
        tower.update(width=32, num_heads=2, hidden_width=64)
    return {"towers": {"text": {"tower": tower}}}


def _recipe(
    function: Callable[..., Recipe],
    model: dict[str, Any],
    data: dict[str, Any],
    objective: str,
    stages: list[dict[str, Any]],
) -> Recipe:
    recipe = {
        "name": function.__name__,
        "description": inspect.getdoc(function) or "",
        "model": model,
        "data": data,
        "objectives": {
            objective: {"objective": {"name": objective}},
        },
        "stages": stages,
    }
    if objective == "pairwise_contrastive":
        recipe["objectives"] = contrastive()
    return validate(Recipe, recipe, f"recipe {function.__name__}")
