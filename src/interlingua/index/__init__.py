"""Search: records with vectors in an embedded LanceDB table, exact cosine search."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interlingua.index.build import build_index as build_index
    from interlingua.index.record import Hit as Hit
    from interlingua.index.record import Record as Record
    from interlingua.index.table import Index as Index

_HOME = {"Hit": "record", "Index": "table", "Record": "record", "build_index": "build"}

__all__ = ["Hit", "Index", "Record", "build_index"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'interlingua.index' has no attribute {name!r}")
    return getattr(importlib.import_module(f"interlingua.index.{_HOME[name]}"), name)
