"""Interlingua: text, pictures, sound and speech in one space.

    import interlingua as il

    space = il.load("runs/demo")
    vectors = space.embed(texts=["a dog", "a red car"])
    index = il.Index.open("indexes/clipart")
    hits = index.search(space.query(text="a dog"), k=5, kinds=["image"])

Names are imported when they are first used: ``import interlingua`` alone loads no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interlingua.data import open_source as open_source
    from interlingua.errors import InterlinguaError as InterlinguaError
    from interlingua.index.build import build_index as build_index
    from interlingua.index.record import Hit as Hit
    from interlingua.index.record import Record as Record
    from interlingua.index.table import Index as Index
    from interlingua.sample import Audio as Audio
    from interlingua.sample import Image as Image
    from interlingua.sample import Label as Label
    from interlingua.sample import Meta as Meta
    from interlingua.sample import OneOf as OneOf
    from interlingua.sample import Sample as Sample
    from interlingua.sample import Text as Text
    from interlingua.space import Space as Space
    from interlingua.space import load as load

__version__ = "0.1.0"

_HOME = {
    "Audio": "interlingua.sample",
    "Hit": "interlingua.index.record",
    "Image": "interlingua.sample",
    "Index": "interlingua.index.table",
    "InterlinguaError": "interlingua.errors",
    "Label": "interlingua.sample",
    "Meta": "interlingua.sample",
    "OneOf": "interlingua.sample",
    "Record": "interlingua.index.record",
    "Sample": "interlingua.sample",
    "Space": "interlingua.space",
    "Text": "interlingua.sample",
    "build_index": "interlingua.index.build",
    "load": "interlingua.space",
    "open_source": "interlingua.data",
}
_FOLDERS = frozenset({"data", "evaluate", "index", "recipes", "report", "weights"})

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name in _FOLDERS:
        return importlib.import_module(f"interlingua.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'interlingua' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value  # found directly from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_FOLDERS})
