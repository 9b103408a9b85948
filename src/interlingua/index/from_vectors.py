"""An index of vectors that were made in bulk: ``embed SOURCE --out DIR``, then search, no model.

Shape legend: D width of the space.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from interlingua.errors import DataError, MissingExtraError
from interlingua.index.record import Record
from interlingua.index.table import Index
from interlingua.vectors.columns import COLUMNS, FORMAT_VERSION, INFO_FILE, pyarrow
from interlingua.vectors.lance import TABLE

OnProgress = Callable[[int, int], None]  # blocks done, blocks there are


def index_vectors(
    path: str | os.PathLike[str], folder: Path, *, on_progress: OnProgress | None = None
) -> Index:
    """An index of all vectors of a folder; the one at ``path`` is replaced once it is complete.

    Args:
        path: of the index.
        folder: as ``interlingua.vectors.bulk.embed_source`` leaves it, Parquet or Lance.
        on_progress: called with the blocks done and all that are there.

    Raises:
        DataError: it holds no vectors, or isn't finished.
        MissingExtraError: the package that reads it is not installed.
    """
    told = _told(folder)
    parts, size = int(told["parts"]), int(told["block_size"])
    expected = -(-parts // size)
    blocks = _lance(folder) if folder.suffix == ".lance" else _parquet(folder)
    there = {number for number, _ in blocks}
    missing = [
        number
        for number in range(expected)
        # a block of damaged media alone has no vectors
        if number not in there and _left_out(folder, number) < min(size, parts - number * size)
    ]
    if missing:
        raise DataError(
            f"{len(missing)} of {expected} blocks of these vectors are not there yet: "
            f"{', '.join(map(str, missing[:5]))}{' ...' if len(missing) > 5 else ''}.",
            where=str(folder),
            next_step="Give the command that makes them again: it goes on where it stopped.",
        )
    with Index.rebuild(
        path, str(told["model"]), int(told["dimension"]), run=told.get("run") or None
    ) as index:
        for done, (_, read) in enumerate(blocks, start=1):
            index.add(_records(read()))
            if on_progress is not None:
                on_progress(done, len(blocks))
    return Index(path)


def holds_vectors(folder: Path) -> bool:
    """True for a folder that bulk embedding has made."""
    return (folder / INFO_FILE).is_file()


def _told(folder: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads((folder / INFO_FILE).read_text("utf-8"))
        if told["format_version"] > FORMAT_VERSION:
            raise DataError(
                f"These vectors have format version {told['format_version']}.",
                where=str(folder),
                next_step="Update interlingua.",
            )
        for name in ("model", "dimension", "parts", "block_size"):
            told[name]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"This folder holds no vectors: its {INFO_FILE} is missing or damaged.",
            where=str(folder),
            next_step="interlingua embed SOURCE --run RUN --out DIR makes such a folder.",
        ) from error
    return told


def _left_out(folder: Path, number: int) -> int:
    """How many parts of a block could not be read."""
    path = folder / f"_left-out-{number:05d}.jsonl"
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def _parquet(folder: Path) -> list[tuple[int, Callable[[], Any]]]:
    arrow = pyarrow()

    def reader(path: Path) -> Callable[[], Any]:
        def read() -> Any:
            try:
                return arrow.parquet.read_table(path)
            except (OSError, arrow.ArrowInvalid) as error:
                raise DataError("A file of vectors is damaged.", where=str(path)) from error

        return read

    paths = sorted(folder.glob("part-*.parquet"))
    return [(int(path.stem.partition("-")[2]), reader(path)) for path in paths]


def _lance(folder: Path) -> list[tuple[int, Callable[[], Any]]]:
    try:
        import lancedb
    except ImportError as error:
        raise MissingExtraError("lancedb", "index", "Reading a Lance table") from error
    table = lancedb.connect(str(folder)).open_table(TABLE)
    found = table.search().select(["block"]).limit(None).to_arrow().column("block")

    def reader(number: int) -> Callable[[], Any]:
        return lambda: table.search().where(f"block = {number}").limit(None).to_arrow()

    return [(number, reader(number)) for number in sorted(found.unique().to_pylist())]


def _records(table: Any) -> Iterator[Record]:
    vectors = table.column("vector").combine_chunks().flatten().to_numpy()
    vectors = vectors.reshape(len(table), -1)
    for vector, row in zip(vectors, table.select(list(COLUMNS)).to_pylist(), strict=True):
        named: dict[str, Any] = {name: row[name] or "" for name in COLUMNS}
        yield Record(vector=vector, **named)
