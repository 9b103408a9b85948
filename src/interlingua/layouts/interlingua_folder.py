"""Our own layout: ``model.json`` with the settings, ``model.safetensors`` with our names.

It holds any model, and any tower of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interlingua.layouts.config_file import read_json
from interlingua.layouts.layout import Layout
from interlingua.layouts.model_layout import OURS, ModelLayout, Plain, TokenizerNote
from interlingua.layouts.rule import Rule
from interlingua.layouts.safetensors_file import read_safetensors, write_safetensors

FORMAT_VERSION = 1
BESIDE = "."  # a tokenizer in the folder itself, wherever that is moved to

_TENSORS = Layout(
    name="interlingua",
    rules=(Rule("{rest}", "{rest}"),),
    read_tensors=read_safetensors,
    write_tensors=write_safetensors,
)


def _describe(folder: Path) -> Plain:
    file = read_json(folder / OURS)
    version = file.number("format_version")
    if version != FORMAT_VERSION:
        file.fail(
            f"The folder has format version {version}; this release reads {FORMAT_VERSION}.",
            "Install the release that wrote it, or a newer one.",
        )
    return dict(_beside_to(file.section("config").values, folder))


def _beside_to(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The settings with each tokenizer's place made whole."""
    whole: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            whole[key] = _beside_to(value, folder)
        elif key == "tokenizer" and value == BESIDE:
            whole[key] = str(folder)
        else:
            whole[key] = value
    return whole


def _files(plain: Mapping[str, Any], note: TokenizerNote) -> dict[str, dict[str, Any]]:
    return {OURS: {"format_version": FORMAT_VERSION, "config": dict(plain)}}


LAYOUT = ModelLayout(
    name="interlingua", tensors=lambda plain, folder: _TENSORS, describe=_describe, files=_files
)
