"""Rows that were found, as the hits and records that people get."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from interlingua.config import nearest
from interlingua.errors import SearchIndexError
from interlingua.index.columns import storable
from interlingua.index.condition import Condition
from interlingua.index.fields import column_of
from interlingua.index.info import IndexInfo
from interlingua.index.record import HIT_COLUMNS, Hit, Record
from interlingua.index.snapshot import Row, Snapshot

SUGGESTED_FROM = 20_000  # keys; looking for the nearest of more takes too long
_RECORD_COLUMNS = (*HIT_COLUMNS, "size", "modified")


def hits_of(rows: Sequence[Row], info: IndexInfo) -> list[Hit]:
    """The hit of each row."""
    names = [*HIT_COLUMNS, *map(column_of, info.fields)]
    own = list(info.fields)
    hits: list[Hit | None] = [None] * len(rows)
    for part in {id(row.part): row.part for row in rows}.values():
        numbers = [number for number, row in enumerate(rows) if row.part is part]
        places = [rows[number].place for number in numbers]
        columns = [part.values(name, places) for name in names]
        for number, values in zip(numbers, zip(*columns, strict=True), strict=True):
            named = dict(zip(HIT_COLUMNS, values, strict=False))
            fields = dict(zip(own, values[len(HIT_COLUMNS) :], strict=True))
            hits[number] = Hit(score=rows[number].cosine, fields=fields, **named)
    return [hit for hit in hits if hit is not None]


def records_of(state: Snapshot, condition: Condition | None) -> list[Record]:
    """What is stored of the rows that pass; their vectors have length 1."""
    names = [*_RECORD_COLUMNS, *map(column_of, state.info.fields)]
    found = []
    for part, places in state.matching(condition):
        columns = [part.values(name, places.tolist()) for name in names]
        for place, values in zip(places, zip(*columns, strict=True), strict=True):
            one = dict(zip(names, values, strict=True))
            named = {name: one[name] for name in _RECORD_COLUMNS}
            vector = np.array(part.matrix.vectors[place])
            found.append(Record(vector=vector, fields=_own(one, state.info), **named))
    return found


def keys_of(state: Snapshot) -> set[str]:
    """The keys that a message may suggest; none of a large index."""
    if len(state) > SUGGESTED_FROM:
        return set()
    parts = (part.records.column("key").to_pylist() for part in state.parts)
    return {key for keys in parts for key in keys if key is not None}


def unknown_key(
    key: str, source: str | None, kinds: Sequence[str] | None, keys: Collection[str], index: Path
) -> SearchIndexError:
    """The error for a key that the index doesn't have."""
    of = "" if source is None else f" from {source!r}"
    with_kinds = "" if kinds is None else f" with {', '.join(kinds)}"
    near = "" if key in keys else nearest(storable(key), keys)
    return SearchIndexError(
        f"The index has no key {key!r}{of}{with_kinds}{near}.", where=str(index)
    )


def _own(values: dict[str, Any], info: IndexInfo) -> dict[str, Any]:
    return {name: values[column_of(name)] for name in info.fields}
