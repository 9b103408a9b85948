"""The columns of stored vectors, as an Arrow table.

Shape legend: n vectors, D width.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from interlingua import durable
from interlingua.errors import DataError, MissingExtraError
from interlingua.sample import Audio, Image, Part, Sample, Text

FORMAT_VERSION = 1
INFO_FILE = "_vectors.json"  # readers of Parquet pass over what begins with a line
COLUMNS = ("key", "kind", "text", "path", "language", "group", "source", "licence")
Pairs = Sequence[tuple[Sample, Part]]


def pyarrow() -> Any:
    """The package, imported when it is first needed.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", "Writing Parquet") from error
    return pyarrow


def arrow_table(pairs: Pairs, vectors: npt.NDArray[np.float32], block: int) -> Any:
    """The columns of ``COLUMNS``, then ``block`` and ``vector``; vectors that are not finite go.

    Args:
        pairs: n parts with their samples.
        vectors: [n, D].
        block: the number of the block they belong to.
    """
    arrow = pyarrow()
    rows = [number for number in range(len(pairs)) if np.isfinite(vectors[number]).all()]
    described = [row_of(*pairs[number]) for number in rows]
    columns: dict[str, Any] = {name: [row[name] for row in described] for name in COLUMNS}
    columns["block"] = [block] * len(rows)
    dimension = int(vectors.shape[1])
    flat = arrow.array(np.ascontiguousarray(vectors[rows], dtype=np.float32).reshape(-1))
    columns["vector"] = arrow.FixedSizeListArray.from_arrays(flat, dimension)
    return arrow.table(columns, schema=schema(dimension))


def schema(dimension: int) -> Any:
    """The Arrow schema for vectors of this width."""
    arrow = pyarrow()
    texts = [arrow.field(name, arrow.string()) for name in COLUMNS]
    vector = arrow.field("vector", arrow.list_(arrow.float32(), dimension))
    return arrow.schema([*texts, arrow.field("block", arrow.int64()), vector])


def row_of(sample: Sample, part: Part) -> dict[str, str]:
    """The columns of one part, without its vector."""
    texts = [one.text for one in sample.alternatives("text") if isinstance(one, Text)]
    row = {
        "key": sample.key,
        "kind": part.view,
        "text": sample.meta.name or next(iter(texts), ""),
        "path": "",
        "language": "",
        "group": sample.meta.group,
        "source": sample.meta.source,
        "licence": sample.meta.licence,
    }
    if isinstance(part, Text):
        row |= {"text": part.text, "language": part.language or ""}
    elif isinstance(part, Image):
        row["path"] = _storable(part.content.name)
    elif isinstance(part, Audio):
        row |= {"path": _storable(part.content.name), "language": part.language or ""}
        row["text"] = part.transcript or row["text"]
    return row


def _storable(name: str) -> str:
    """File names may hold bytes that are no UTF-8, Arrow takes UTF-8 only: they are written out."""
    return name.encode("utf-8", "backslashreplace").decode()


def claim(folder: Path, info: Mapping[str, Any]) -> None:
    """Make the folder and say in it what its vectors are of, or check that it says the same.

    Raises:
        DataError: it holds other vectors, or other things.
    """
    path = folder / INFO_FILE
    if path.exists():
        _same_job(path, {"format_version": FORMAT_VERSION, **info})
        return
    if folder.exists() and not all(_is_half_written(path) for path in folder.iterdir()):
        raise DataError(
            "This folder holds other things.",
            where=str(folder),
            next_step="Give a new folder to --out.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    described = {"format_version": FORMAT_VERSION, **info}
    durable.replace_file(path, json.dumps(described, indent=1).encode())


def _is_half_written(path: Path) -> bool:
    """True for a description whose writing was killed: nothing else can be there yet."""
    return path.name.startswith(f"{INFO_FILE}.tmp-")


def _same_job(path: Path, info: Mapping[str, Any]) -> None:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            "What this folder holds can't be told: its description is damaged.",
            where=str(path),
            next_step="Give a new folder to --out.",
        ) from error
    for name, value in info.items():
        if name != "run" and found.get(name) != value:  # a run may have been moved
            raise DataError(
                f"This folder holds vectors of another {name}: {found.get(name)!r}, not {value!r}.",
                where=str(path.parent),
                next_step="Give a new folder to --out; this one is left as it is.",
            )
