"""A matrix kept in files beside the table, so that opening a large index reads nothing twice.

A folder ``matrix-<id>`` holds arrays (.npy, no pickle), the records in the matrix's order (Arrow
IPC) and ``matrix.json``. It appears whole or not at all, ``index.json`` names it with its digests,
and what it holds can be made from the table again. Files are mapped, so that several processes
share the memory and an exact search touches a quarter of the bytes.

Shape legend: P rows of the matrix, B blocks, D width.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from interlingua import durable
from interlingua.index.codes import BlockCodes, Coding, Floats
from interlingua.index.lists import Lists, Places
from interlingua.index.matrix import Matrix, build

PREFIX = "matrix-"
RECORDS = "records.arrow"
DESCRIPTION = "matrix.json"
FORMAT_VERSION = 1

TakeRecords = Callable[[Places], Any]  # [n] row numbers, -1 for padding -> a pyarrow table


def write(
    folder: Path, vectors: Floats, addresses: Places, take: TakeRecords, *, lists: bool
) -> str:
    """Make a matrix in files; gives the name of its folder.

    Args:
        folder: of the index.
        vectors: [N, D] of length 1.
        addresses: [N] rows of the table.
        take: gives the records of rows.
        lists: put rows that are near each other together.

    Raises:
        OSError: the disk is full, or the folder can't be written.
    """
    name = f"{PREFIX}{uuid.uuid4().hex}"
    with durable.new_folder(folder / name) as made:
        arrays: list[np.memmap[Any, Any]] = []

        def allocate(array: str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
            found = np.lib.format.open_memmap(
                made / f"{array}.npy", mode="w+", dtype=np.dtype(dtype), shape=shape
            )
            arrays.append(found)
            return found

        matrix, order = build(vectors, addresses, lists=lists, with_codes=True, allocate=allocate)
        for array in arrays:
            array.flush()
        assert matrix.coding is not None and matrix.codes is not None
        small: dict[str, npt.NDArray[Any]] = {
            "mean": matrix.coding.mean,
            "rotation": matrix.coding.rotation,
        }
        if matrix.lists is not None:
            small |= {"centres": matrix.lists.centres, "starts": matrix.lists.starts}
        for one, values in small.items():
            np.save(made / f"{one}.npy", values, allow_pickle=False)
        _write_records(made / RECORDS, take(order))
        told = {"format_version": FORMAT_VERSION, "reach": matrix.codes.reach}
        durable.write_file(made / DESCRIPTION, json.dumps(told).encode())
        for path in sorted(made.iterdir()):
            durable.sync_file(path)
    return name


def _write_records(path: Path, records: Any) -> None:
    import pyarrow as arrow

    with arrow.OSFile(str(path), "wb") as sink, arrow.ipc.new_file(sink, records.schema) as writer:
        writer.write_table(records)  # one piece: rows are taken from it by number


def read(folder: Path) -> tuple[Matrix, Any]:
    """The matrix and its records, mapped.

    Raises:
        OSError, ValueError, KeyError: a file is missing or isn't what it should be.
    """
    import pyarrow as arrow

    told = json.loads((folder / DESCRIPTION).read_text("utf-8"))
    if told["format_version"] != FORMAT_VERSION:
        raise ValueError(f"format version {told['format_version']} of a matrix")
    codes = BlockCodes(
        _mapped(folder / "codes.npy"),
        np.asarray(_mapped(folder / "steps.npy")),
        np.asarray(_mapped(folder / "errors.npy")),
        float(told["reach"]),
    )
    coding = Coding(_read(folder / "mean.npy"), _read(folder / "rotation.npy"))
    lists = None
    if (folder / "centres.npy").exists():
        lists = Lists(_read(folder / "centres.npy"), _read(folder / "starts.npy"))
    matrix = Matrix(
        _mapped(folder / "vectors.npy"), _mapped(folder / "addresses.npy"), coding, codes, lists
    )
    with arrow.memory_map(str(folder / RECORDS)) as source:
        records = arrow.ipc.open_file(source).read_all()
    return matrix, records


def _mapped(path: Path) -> npt.NDArray[Any]:
    # mode c: writing would change this process' copy; torch refuses arrays that can't be written
    found: npt.NDArray[Any] = np.lib.format.open_memmap(path, mode="c")
    return found


def _read(path: Path) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    return found


def remove_others(folder: Path, keep: str) -> None:
    """Remove the matrices that aren't the index's, and what a killed process left."""
    for path in folder.glob(f"{PREFIX}*"):
        if path.is_dir() and path.name != keep and ".tmp-" not in path.name:
            durable.remove_folder(path)
    durable.remove_leftovers(folder)
