"""Towers with their real weights: build on the meta device, read by layout, ready to use."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from interlingua.catalogue import hub
from interlingua.config import resolve, validate
from interlingua.errors import LayoutError
from interlingua.layouts.layout import Layout
from interlingua.layouts.model_layout import part_for
from interlingua.towers.tower import Tower

# settings that change what comes out but no shape, so that a wrong one would go unseen
_UNSEEN = ("num_heads", "activation", "norm_eps", "causal", "padding")


def build_tower(config: Tower.Config) -> Tower:
    """A tower with random weights, on the CPU; inside ``torch.device("meta")`` without any."""
    if torch.get_default_device().type == "meta":
        empty: Tower = config.build()
        return empty
    with torch.device("meta"):
        tower: Tower = config.build()
    tower.to_empty(device="cpu")
    tower.init_weights()
    return tower


def load_tower(name: str, weights: str | Path, *, layout: str = "", **options: Any) -> Tower:
    """A tower with its real weights, in evaluation mode, on the CPU in fp32.

    Args:
        name: from the table of towers.
        weights: an entry of the weights catalogue, fetched when it is not cached, the path of a
            file or folder, or ``hf:owner/name``. Of the checkpoint of a whole model (CLIP's, one
            of our own) the tower for the same kind of media is taken.
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
    path = _locate(weights)
    read_folder = getattr(tower, "read_folder", None)
    if read_folder is not None:  # a foreign model knows its own layout
        read_folder(path)
        return tower.eval()
    found = None if layout else part_for(path, tower.preprocess.kind)
    if found is None:
        chosen: Layout = resolve("layouts", layout or getattr(tower, "layout", ""))
        chosen.read(path, tower)
    else:
        chosen, part, theirs = found
        _require_same(config, theirs, str(path))
        chosen.read(path, tower, part)
    for key, tensor in (*tower.named_parameters(), *tower.named_buffers()):
        if tensor.is_meta:
            raise LayoutError(f"The weights left {key} empty.", where=str(weights))
    return tower.eval()


def _require_same(config: Tower.Config, theirs: Mapping[str, Any], where: str) -> None:
    """Refuse settings that no shape would give away and that give other numbers."""
    if theirs.get("name") != config.name:
        raise LayoutError(
            f"The folder has weights of a {theirs.get('name')}, the tower is a {config.name}.",
            where=where,
            next_step="Choose the tower that these weights are of.",
        )
    described = validate(type(config), theirs, where)
    for key in _UNSEEN:
        ours, stored = getattr(config, key, None), getattr(described, key, None)
        if ours != stored:
            raise LayoutError(
                f"The tower has {key}={ours!r}, its weights were made with {stored!r}.",
                where=where,
                next_step=f"Set {key}={stored}.",
            )


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
    if isinstance(weights, str) and hub.is_address(weights):
        return hub.download(weights)
    path = Path(weights)
    if isinstance(weights, Path) or path.exists():
        return path
    catalogue = importlib.import_module("interlingua.weights")
    return Path(catalogue.get(str(weights)))
