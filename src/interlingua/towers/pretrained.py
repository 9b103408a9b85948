"""Towers with their real weights: build on the meta device, read by layout, ready to use."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from typing import Any

import torch

from interlingua.config import resolve, validate
from interlingua.errors import LayoutError
from interlingua.layouts.layout import Layout
from interlingua.towers.tower import Tower


def build_tower(config: Tower.Config) -> Tower:
    """A tower with random weights, on the CPU."""
    with torch.device("meta"):
        tower: Tower = config.build()
    tower.to_empty(device="cpu")
    tower.init_weights()
    return tower


def load_tower(name: str, weights: str | Path, *, layout: str = "", **options: Any) -> Tower:
    """A tower with its real weights, in evaluation mode, on the CPU in fp32.

    Args:
        name: from the table of towers.
        weights: an entry of the weights catalogue, fetched when it is not cached, or the path
            of a file or folder.
        layout: from the table of layouts; the tower's usual one where it is not given.
        options: the tower's settings.

    Raises:
        ConfigError: an unknown tower, layout or setting.
        FetchError: the weights can't be had.
        LayoutError: they don't fit the settings.
    """
    config = validate(resolve("towers", name).Config, {"name": name, **options}, f"tower {name}")
    return load_weights(config, weights, layout=layout)


def load_weights(config: Tower.Config, weights: str | Path, *, layout: str = "") -> Tower:
    """``load_tower`` for a description that is complete already."""
    with torch.device("meta"):
        tower: Tower = config.build()
    chosen: Layout = resolve("layouts", layout or getattr(tower, "layout", ""))
    chosen.read(_locate(weights), tower)
    for key, tensor in (*tower.named_parameters(), *tower.named_buffers()):
        if tensor.is_meta:
            raise LayoutError(f"The weights left {key} empty.", where=str(weights))
    return tower.eval()


def fingerprint(tower: Tower) -> str:
    """SHA-256 in hex of a tower's class, format version, settings and all its values.

    Equal for equal outputs: cached features are stored under it.
    """
    digest = hashlib.sha256()
    config = getattr(tower, "config", None)
    kind = f"{type(tower).__module__}.{type(tower).__name__}/{tower.format_version}"
    digest.update(f"{kind}\n{config.model_dump_json() if config else ''}\n".encode())
    for key, tensor in sorted(tower.state_dict().items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _locate(weights: str | Path) -> Path:
    path = Path(weights)
    if isinstance(weights, Path) or path.exists():
        return path
    catalogue = importlib.import_module("interlingua.weights")
    return Path(catalogue.get(str(weights)))
