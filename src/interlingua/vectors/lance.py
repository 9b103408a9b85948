"""Vectors as a Lance table: each block is one commit, there as a whole or not at all.

The folder holds ``vectors.lance``, which lancedb, pylance and DuckDB open, and ``_vectors.json``.

Shape legend: n vectors, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from interlingua.errors import MissingExtraError
from interlingua.vectors.columns import Pairs, arrow_table, claim, schema

TABLE = "vectors"


class LanceTable:
    """A Lance table of vectors that is being filled, or was.

    Args:
        folder: is made where it is not there.
        info: what the vectors are of; see ``ParquetFolder``.

    Raises:
        DataError: the folder holds other vectors, or other things.
        MissingExtraError: lancedb is not installed.
    """

    def __init__(self, folder: Path, info: Mapping[str, Any]):
        try:
            import lancedb
        except ImportError as error:
            raise MissingExtraError("lancedb", "index", "Writing a Lance table") from error
        self.folder = folder
        claim(folder, info)
        columns = schema(int(info["dimension"]))
        database = lancedb.connect(str(folder))
        self._table: Any = database.create_table(TABLE, schema=columns, exist_ok=True)

    def done(self) -> set[int]:
        """The blocks that are committed."""
        found = self._table.search().select(["block"]).limit(None).to_arrow()
        return set(found["block"].unique().to_pylist())

    def write(self, block: int, pairs: Pairs, vectors: npt.NDArray[np.float32]) -> int:
        """Commit one block [n, D]; gives how many rows it has."""
        table = arrow_table(pairs, vectors, block)
        self._table.add(table)
        return int(table.num_rows)
