"""What the classes of a picture tower are called, as vectors of the language tower."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from interlingua.errors import ConfigError
from interlingua.sample import Part, Text
from interlingua.train.feature_fill import FeatureTable
from interlingua.weights.class_names import class_texts

Features = Callable[[str, list[Part], str], FeatureTable]


def learn_names(model: Any, features: Features) -> None:
    """Give a model with named classes the vectors of its class names.

    Args:
        model: with ``named_classes`` and ``frozen_towers``.
        features: (tower, parts, what is shown of it) -> what that frozen tower gives.

    Raises:
        ConfigError: there are more or fewer names than classes.
    """
    named = model.named_classes
    config = model.config.named_classes
    texts = class_texts(config.names)
    if len(texts) != len(named.class_bias):
        raise ConfigError(
            f"{config.names!r} names {len(texts)} classes, the tower "
            f"{config.picture_tower!r} knows {len(named.class_bias)}.",
            where="model.named_classes.names",
            next_step="Give the names that this tower was trained with.",
        )
    flat: list[Part] = [Text(text, "en") for one in texts for text in one]
    table = features(config.text_tower, flat, "class names")
    vectors = nn.functional.normalize(table.values[table.rows].float(), dim=1)
    means, start = [], 0
    for one in texts:  # lemmas first, the definition last; both halves count the same
        rows = vectors[start : start + len(one)]
        lemmas = nn.functional.normalize(rows[:-1].mean(0), dim=0)
        means.append(lemmas + rows[-1])
        start += len(one)
    picture_tower = model.frozen_towers.load(config.picture_tower)
    named.learn(picture_tower.classifier, torch.stack(means))
