"""Records as columns of the table: its schema, and vectors checked before they are stored.

Shape legend: D width of the space.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from interlingua.errors import SearchIndexError
from interlingua.index.record import TEXT_COLUMNS, Record, Vector


def schema(dimension: int) -> Any:
    """The columns of format version 1, as a pyarrow schema."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("id", pa.string()),
            *(pa.field(name, pa.string()) for name in TEXT_COLUMNS),
            pa.field("component", pa.int64()),
            pa.field("vector", pa.list_(pa.float32(), dimension)),
        ]
    )


def to_arrow(records: Sequence[Record], dimension: int) -> Any:
    """A pyarrow table of at least one record.

    Raises:
        SearchIndexError: a vector of another width, not finite or zero.
    """
    import pyarrow as pa

    vectors = [
        checked_vector(record.vector, dimension, f"The vector of {record.key!r}")
        for record in records
    ]
    columns: dict[str, Any] = {"id": [record.id for record in records]}
    for name in TEXT_COLUMNS:
        columns[name] = [_storable(getattr(record, name)) for record in records]
    columns["component"] = [record.component for record in records]
    flat = pa.array(np.concatenate(vectors))
    columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, dimension)
    return pa.table(columns, schema=schema(dimension))


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


def _storable(text: str) -> str:
    """File names may hold bytes that are no UTF-8; Arrow takes UTF-8 only."""
    return text.encode("utf-8", "replace").decode()
