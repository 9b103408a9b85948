"""Search: records with vectors in an embedded LanceDB table, found by cosine and by fields."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interlingua.index.build import build_index as build_index
    from interlingua.index.condition import Field as Field
    from interlingua.index.field_table import FieldTable as FieldTable
    from interlingua.index.filter import Filter as Filter
    from interlingua.index.filter_syntax import parse as parse
    from interlingua.index.record import Hit as Hit
    from interlingua.index.record import Record as Record
    from interlingua.index.table import Index as Index

_HOME = {
    "Field": "condition",
    "FieldTable": "field_table",
    "Filter": "filter",
    "Hit": "record",
    "Index": "table",
    "Record": "record",
    "build_index": "build",
    "parse": "filter_syntax",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'interlingua.index' has no attribute {name!r}")
    return getattr(importlib.import_module(f"interlingua.index.{_HOME[name]}"), name)
