"""Vectors as a folder of Parquet files, one for each block, each whole or not there.

pandas, pyarrow, DuckDB, Polars and Spark read the folder as one table; ``_vectors.json`` says which
model and which source it is of.

Shape legend: n vectors, D width.
"""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from interlingua import durable
from interlingua.vectors.columns import Pairs, arrow_table, claim, pyarrow

_PART = re.compile(r"part-(\d{5,})\.parquet")


class ParquetFolder:
    """A folder of vectors that is being filled, or was.

    Args:
        folder: is made where it is not there.
        info: what the vectors are of: model, dimension, source, plan. A folder that has vectors of
            something else is refused, so that a resumed job can't mix two.

    Raises:
        DataError: the folder holds other vectors, or other things.
        MissingExtraError: pyarrow is not installed.
    """

    def __init__(self, folder: Path, info: Mapping[str, Any]):
        pyarrow()
        self.folder = folder
        claim(folder, info)

    def done(self) -> set[int]:
        """The blocks that are written."""
        names = (_PART.fullmatch(path.name) for path in self.folder.iterdir())
        return {int(name[1]) for name in names if name}

    def write(self, block: int, pairs: Pairs, vectors: npt.NDArray[np.float32]) -> int:
        """Write one block [n, D], durably; gives how many rows it has."""
        table = arrow_table(pairs, vectors, block)
        buffer = io.BytesIO()
        pyarrow().parquet.write_table(table, buffer, compression="zstd")
        name = f"part-{block:05d}.parquet"
        # under a name that readers pass over, lest what a crash leaves spoil the table for them
        hidden = self.folder / f"_{name}.tmp-{uuid.uuid4().hex[:8]}"
        durable.write_file(hidden, buffer.getvalue())
        hidden.replace(self.folder / name)
        durable.sync_folder(self.folder)
        return int(table.num_rows)
