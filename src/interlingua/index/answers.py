"""Rows that were found, as the hits and records that people get."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from interlingua.config import nearest
from interlingua.errors import SearchIndexError
from interlingua.index.columns import storable
from interlingua.index.condition import Condition
from interlingua.index.fields import column_of
from interlingua.index.info import IndexInfo
from interlingua.index.ranking import Found
from interlingua.index.record import HIT_COLUMNS, Hit, Record
from interlingua.index.snapshot import FoundIn, Part, Snapshot

SUGGESTED_FROM = 20_000  # keys; looking for the nearest of more takes too long
_RECORD_COLUMNS = (*HIT_COLUMNS, "size", "modified")


def hits_of(found: Sequence[FoundIn], k: int, info: IndexInfo) -> list[list[Hit]]:
    """The hits of each query, nearest first.

    Args:
        found: what ``Snapshot.search`` gave.
        k: at most so many of each query.
        info: of the index.
    """
    by_part = [_hits_in(part, rows, info) for part, rows in found]
    if len(by_part) == 1:
        return by_part[0]
    return [
        sorted(chain.from_iterable(hits), key=lambda hit: -hit.score)[:k]
        for hits in zip(*by_part, strict=True)
    ]


def _hits_in(part: Part, found: Sequence[Found], info: IndexInfo) -> list[list[Hit]]:
    """The hits of each query in one part; columns are made into objects in one go."""
    places = np.concatenate([rows.places for rows in found])
    cosines = np.concatenate([rows.cosines for rows in found]).tolist()
    key, kind, *others = part.values(HIT_COLUMNS, places)
    own = part.values([column_of(name) for name in info.fields], places)
    fields = (dict(zip(info.fields, one, strict=True)) for one in zip(*own, strict=True))
    # in the order of Hit's attributes
    hits = map(Hit, key, kind, cosines, *others, fields if own else ({} for _ in cosines))
    return [list(islice(hits, len(rows.places))) for rows in found]


def records_of(state: Snapshot, condition: Condition | None) -> list[Record]:
    """What is stored of the rows that pass; their vectors have length 1."""
    names = [*_RECORD_COLUMNS, *map(column_of, state.info.fields)]
    found = []
    for part, places in state.matching(condition):
        columns = part.values(names, places)
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
