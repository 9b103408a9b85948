"""Stamps in small, with the tiny towers of ``tiny_recipe``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

FRENCH = "chien chat hibou vache poule cochon renard souris fourmi abeille voiture fourgon autobus"


@pytest.fixture
def stamps(world: Any, tmp_path: Path, tiny_recipe: Any) -> Path:
    """24 stamps of three groups, eight each, and one of a group that is too small."""
    root = tmp_path / "stamps"
    groups = ("animals/pets", "animals/farm", "town", "household")
    for number, name in enumerate(tiny_recipe.NAMES):
        group = groups[min(number // 4, 1)] if number < 8 else groups[2 + (number >= 16)]
        group = "sports" if name == "star" else group
        folder = root / group
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(world.things / f"{name}.png", folder / f"{name}.png")
        shutil.copy(world.things / f"{name}_fr.wav", folder / f"{name}_desc_fr.wav")
        french = (FRENCH.split() + [f"{name}re" for name in tiny_recipe.NAMES[13:]])[number]
        (folder / f"{name}.txt").write_text(f"{name}\nfr.utf8={french}\n", "utf-8")
    return root


@pytest.fixture
def settings(world: Any, stamps: Path) -> dict[str, Any]:
    """Of both tasks: small towers, small groups, few tokens."""
    return {
        "root": stamps,
        "least": 5,
        "picture": world.tower("image"),
        "speech": world.tower("audio", pooling="mean"),
        "pooling": {"grid": 1, "seconds": 1.0, "spans": 4, "words": 5},
        "folds": 3,
    }
