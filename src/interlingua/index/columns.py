"""Records as columns of the table: its schema, and vectors checked before they are stored.

Shape legend: N records, D width of the space.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from interlingua.config import nearest
from interlingua.errors import SearchIndexError
from interlingua.index.fields import FieldKind, as_kind, column_of
from interlingua.index.info import IndexInfo
from interlingua.index.record import TEXT_COLUMNS, Record, Vector

FEW_VALUES = frozenset(("kind", "group", "source", "language", "licence"))


def schema(info: IndexInfo) -> Any:
    """The columns of an index's table, as a pyarrow schema."""
    import pyarrow as pa

    columns = [
        pa.field("id", pa.string()),
        *(pa.field(name, pa.string()) for name in TEXT_COLUMNS),
        pa.field("component", pa.int64()),
    ]
    if info.format_version > 1:
        columns += [
            pa.field("size", pa.int64()),
            pa.field("modified", pa.timestamp("us", tz="UTC")),
            pa.field("digest", pa.string()),
            *(pa.field(column_of(name), _arrow_type(kind)) for name, kind in info.fields.items()),
        ]
    return pa.schema([*columns, pa.field("vector", pa.list_(pa.float32(), info.dimension))])


def to_arrow(records: Sequence[Record], info: IndexInfo) -> Any:
    """A pyarrow table of at least one record; its vectors have length 1 from format 2 on.

    Raises:
        SearchIndexError: a vector of another width, not finite or zero; a field that the index
            doesn't have.
        ConfigError: a field's value of another kind.
    """
    import pyarrow as pa

    flat = np.concatenate(
        [
            checked_vector(record.vector, info.dimension, f"The vector of {record.key!r}")
            for record in records
        ]
    )
    if info.format_version > 1:
        flat = of_length_one(flat.reshape(-1, info.dimension)).reshape(-1)
    columns: dict[str, Any] = {"id": [record.id for record in records]}
    for name in TEXT_COLUMNS:
        columns[name] = [storable(getattr(record, name)) for record in records]
    columns["component"] = [record.component for record in records]
    if info.format_version > 1:
        columns["size"] = [record.size for record in records]
        columns["modified"] = [
            None if one.modified is None else as_kind(one.modified, "time", "modified")
            for one in records
        ]
        columns["digest"] = [record.digest for record in records]
    for record in records:
        _check_names(record, info)
    for name, kind in info.fields.items():
        values = [record.fields.get(name) for record in records]
        columns[column_of(name)] = [
            None if value is None else as_kind(value, kind, name) for value in values
        ]
    columns["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(flat), info.dimension)
    return pa.table(columns, schema=schema(info))


def checked_vector(vector: npt.ArrayLike, dimension: int, name: str) -> Vector:
    """[D] float32.

    Raises:
        SearchIndexError: a vector of another width, not finite or zero.
    """
    array = np.asarray(vector, dtype=np.float32)
    if array.shape != (dimension,):
        raise SearchIndexError(
            f"{name} has shape {list(array.shape)}; the index holds vectors [{dimension}].",
            next_step="Use the model that the index was built with, one vector at a time.",
        )
    if not np.isfinite(array).all() or not array.any():
        raise SearchIndexError(f"{name} is zero or not finite.")
    return array


def of_length_one(vectors: Vector) -> Vector:
    """[N, D] over their lengths; numbers whose squares don't fit float32 too."""
    largest = np.abs(vectors).max(1, keepdims=True, initial=0)
    scaled = (vectors / np.where(largest > 0, largest, 1)).astype(np.float32, copy=False)
    lengths = np.linalg.norm(scaled, axis=1)
    scaled /= np.where(lengths > 0, lengths, 1)[:, None]
    return scaled


def columns_in_memory(table: Any, info: IndexInfo) -> Any:
    """What a search needs of the table's columns beside the vectors, in one piece.

    Columns of few different values become dictionaries; columns that an older format lacks have no
    values.
    """
    import pyarrow as pa

    found: dict[str, Any] = {}
    for name in (*TEXT_COLUMNS, "component", "size", "modified"):
        if name in table.column_names:
            found[name] = table.column(name)
        else:
            kind = pa.int64() if name == "size" else pa.timestamp("us", tz="UTC")
            found[name] = pa.chunked_array([pa.nulls(len(table), kind)])
    for name in info.fields:
        found[column_of(name)] = table.column(column_of(name))
    for name, column in found.items():
        if name in FEW_VALUES:
            found[name] = column.combine_chunks().dictionary_encode()
        elif pa.types.is_string(column.type):  # its 32-bit offsets end at 2 GB in one piece
            found[name] = column.cast(pa.large_string())
    return pa.table(found).combine_chunks()


def plain_values(column: Any) -> list[Any]:
    """A column of ``columns_in_memory`` as Python values; equal ones of few are one object."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        found: list[Any] = column.to_pylist()
        return found
    found = []
    for chunk in column.chunks:
        values = [*chunk.dictionary.to_pylist(), None]  # the last one: for a place without a value
        found += map(values.__getitem__, chunk.indices.fill_null(-1).to_numpy().tolist())
    return found


def searched_columns(info: IndexInfo) -> list[str]:
    """The table's columns that ``columns_in_memory`` takes."""
    wanted = {*TEXT_COLUMNS, "component", "size", "modified", *map(column_of, info.fields)}
    return [name for name in schema(info).names if name in wanted]


def storable(text: str) -> str:
    """File names may hold bytes that are no UTF-8, Arrow takes UTF-8 only: they are written out."""
    return text.encode("utf-8", "backslashreplace").decode()


def _arrow_type(kind: FieldKind) -> Any:
    import pyarrow as pa

    return {
        "text": pa.string(),
        "number": pa.float64(),
        "bool": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
    }[kind]


def _check_names(record: Record, info: IndexInfo) -> None:
    for name in record.fields:
        if name not in info.fields:
            raise SearchIndexError(
                f"The index has no field {name!r}{nearest(name, info.fields)}, "
                f"which {record.key!r} has.",
                next_step="Fields are declared when an index is made: "
                "Index.create(..., fields={'year': 'number'}).",
            )
