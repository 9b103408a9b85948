"""The names of ImageNet's classes, as texts that a language tower can read."""

from __future__ import annotations

import json
from pathlib import Path

from interlingua import weights
from interlingua.errors import DataError

FILE_NAME = "imagenet_names.json"


def class_texts(entry: str) -> list[list[str]]:
    """For each class its lemmas, and last the lemmas with WordNet's definition.

    Args:
        entry: a weights entry, or a folder, that holds ``imagenet_names.json``: a list with
            ``lemmas`` and ``definition`` of each class.

    Raises:
        FetchError: the entry can't be had.
        DataError: the file isn't there, or holds something else.
    """
    path = (Path(entry) if Path(entry).is_dir() else weights.get(entry)) / FILE_NAME
    try:
        classes = json.loads(path.read_text(encoding="utf-8"))
        return [
            [*one["lemmas"], f"{', '.join(one['lemmas'])}: {one['definition']}"] for one in classes
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            "The names of the classes can't be read.",
            where=str(path),
            next_step=f"Write {FILE_NAME} as a list of objects with lemmas and definition.",
        ) from error
