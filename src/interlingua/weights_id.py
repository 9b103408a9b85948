"""The name of a model's weights: equal where vectors can be compared."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from interlingua import durable
from interlingua.config import to_plain
from interlingua.data.text import tokenizer_path


def weights_id(model: nn.Module) -> str:
    """SHA-256 of a model's class, settings, format versions and every value of its state.

    Frozen towers stay outside of the state: a catalogue entry is named by its pinned name, a file
    by its bytes. Does not depend on device or precision.
    """
    digest = hashlib.sha256()
    config = getattr(model, "config", None)
    versions = [
        f"{type(part).__qualname__}/{part.format_version}"
        for part in model.modules()
        if hasattr(part, "format_version")
    ]
    settings = None if config is None else _by_content(to_plain(config))
    named = [type(model).__qualname__, settings, versions, _frozen_towers(model)]
    digest.update(json.dumps(named, sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(memoryview(values.numpy()))
    return digest.hexdigest()


def _by_content(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with a tokenizer that lies in a folder named by its bytes, not by its place."""
    named = dict(settings)
    for key, value in settings.items():
        if isinstance(value, dict):
            named[key] = _by_content(value)
        elif key == "tokenizer" and value and Path(value).exists():
            named[key] = durable.file_sha256(tokenizer_path(value))
    return named


def _frozen_towers(model: nn.Module) -> list[list[str]]:
    frozen = getattr(model, "frozen_towers", None)
    named: list[list[str]] = []
    if frozen is None:
        return named
    for name, (_, weights) in sorted(frozen.sources.items()):
        tower, path = frozen.shape(name), Path(weights)
        files = [path] if path.is_file() else sorted(path.glob("*.safetensors"))
        digests = [durable.file_sha256(file) for file in files]
        named.append([name, f"{type(tower).__qualname__}/{tower.format_version}", *digests])
    return named
