"""The names of ImageNet's classes, as texts that a language tower can read."""

from __future__ import annotations

import json

from interlingua import weights


def class_texts(entry: str) -> list[list[str]]:
    """For each class its lemmas, and last the lemmas with WordNet's definition.

    Args:
        entry: a weights entry that holds ``imagenet_names.json``.

    Raises:
        FetchError: the entry can't be had.
    """
    path = weights.get(entry) / "imagenet_names.json"
    classes = json.loads(path.read_text(encoding="utf-8"))
    return [
        [*one["lemmas"], f"{', '.join(one['lemmas'])}: {one['definition']}"] for one in classes
    ]
