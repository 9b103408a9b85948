"""One Parquet file: its words in memory as Arrow columns, its media read a row group at a time.

Shape legend: R rows.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlingua.errors import DataError, MediaError, MissingExtraError

MAX_ROWS = 10_000_000  # of one file: a kilobyte can say that it has a billion
MAX_GROUP_BYTES = 2 << 30  # of one column in one row group, once unpacked
# Media are packed already and words at most some ten to one; what unpacks to more is no corpus.
MAX_RATIO = 100
FREE_BYTES = 32 << 20  # of so little any ratio is taken
MAX_KEPT_BYTES = 256 << 20  # of row groups in memory; the newest and wanted ones stay anyway


def pyarrow() -> Any:
    """The package, imported when it is first needed.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", "Reading Parquet") from error
    return pyarrow


class ParquetTable:
    """A file, open.

    Args:
        path: of the file.

    Attributes:
        columns: the names of its top columns.
        class_names: by column, what its numbers stand for (Hugging Face's ``ClassLabel``).

    Raises:
        DataError: missing, not Parquet, or too many rows.
    """

    def __init__(self, path: Path):
        self.path = path
        arrow = pyarrow()
        try:
            plain = arrow.parquet.ParquetFile(path, memory_map=True)
            # One picture that a thousand rows name stays one: unpacked it would be a thousand.
            self._file = arrow.parquet.ParquetFile(
                path, memory_map=True, read_dictionary=_byte_columns(plain.metadata)
            )
        except FileNotFoundError as error:
            raise DataError("There is no such file.", where=str(path)) from error
        except (OSError, arrow.ArrowException) as error:
            raise DataError(
                "This is no Parquet file, or it is cut off.",
                where=str(path),
                next_step="Fetch it again; a Git LFS pointer is a text of three lines.",
            ) from error
        metadata = self._file.metadata
        if metadata.num_rows > MAX_ROWS:
            raise DataError(
                f"The file has {metadata.num_rows:,} rows; the limit is {MAX_ROWS:,}.",
                where=str(path),
                next_step="Write it as several files and name them all.",
            )
        self._schema = plain.schema_arrow
        self.columns: list[str] = list(self._schema.names)
        self.class_names = _class_names(self._schema.metadata)
        sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self._group_end = np.cumsum(sizes, dtype=np.int64)
        self._kept: OrderedDict[tuple[str, int], Any] = OrderedDict()
        self._wanted: frozenset[int] = frozenset()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return int(self._group_end[-1]) if len(self._group_end) else 0

    @property
    def num_groups(self) -> int:
        """How many row groups the file has."""
        return len(self._group_end)

    def group_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """[n] the row group of each of these rows [n]."""
        return np.searchsorted(self._group_end, rows, side="right").astype(np.int64)

    def keep(self, groups: Sequence[int]) -> None:
        """Say which row groups are read next: they stay once they are read, all others go."""
        with self._lock:
            self._wanted = frozenset(groups)
            for name, group in [one for one in self._kept if one[1] not in self._wanted]:
                del self._kept[name, group]

    def __reduce__(self) -> tuple[type[ParquetTable], tuple[Path]]:
        return ParquetTable, (self.path,)

    def holds_bytes(self, column: str) -> bool:
        """Whether a column has bytes in it, alone or beside a path."""
        arrow = pyarrow()
        kind = self._schema.field(column).type
        if arrow.types.is_struct(kind):
            return any(kind.field(place).name == "bytes" for place in range(kind.num_fields))
        return bool(arrow.types.is_binary(kind) or arrow.types.is_large_binary(kind))

    def column(self, name: str) -> Any:
        """A whole column [R] of words or numbers, as Arrow has it.

        Raises:
            DataError: damaged, or it unpacks to too much.
        """
        arrow = pyarrow()
        groups = range(self._file.metadata.num_row_groups)
        if any(self._unpacks_to_too_much(name, group) for group in groups):
            raise DataError(
                f"The column {name!r} unpacks to far more than it is packed.",
                where=str(self.path),
                next_step="A file that is built so is no table; leave it out.",
            )
        try:
            # A group at a time: Arrow doesn't give lists of repeated words in one piece.
            read = [self._file.read_row_group(one, columns=[name]).column(name) for one in groups]
            chunks = [chunk for one in read for chunk in one.chunks]
            kind = chunks[0].type if chunks else self._schema.field(name).type
            return arrow.chunked_array(chunks, type=kind)
        except (OSError, arrow.ArrowException) as error:
            raise DataError(f"The column {name!r} is damaged.", where=str(self.path)) from error

    def value(self, name: str, row: int) -> Any:
        """One value of a column of media, as Python has it.

        Raises:
            MediaError: ``damaged``, or ``too_large``: the row group around it.
        """
        group = int(np.searchsorted(self._group_end, row, side="right"))
        start = int(self._group_end[group - 1]) if group else 0
        with self._lock:
            found = self._kept.get((name, group))
            if found is None:
                found = self._read(name, group)
                self._kept[name, group] = found
                self._drop_some((name, group))
            self._kept.move_to_end((name, group))
        return found[row - start].as_py()

    def _read(self, name: str, group: int) -> Any:
        arrow = pyarrow()
        if self._unpacks_to_too_much(name, group):
            raise MediaError(
                "A row group has too much of this column: over 2 GB, or a hundred times its size.",
                reason="too_large",
                where=f"{self.path}, {name}",
                next_step="Write the file with smaller row groups.",
            )
        try:
            return self._file.read_row_group(group, columns=[name]).column(name)
        except (OSError, arrow.ArrowException) as error:
            raise MediaError(
                "The row group is damaged.",
                reason="damaged",
                where=f"{self.path}, {name}",
                next_step="Fetch the file again.",
            ) from error

    def _drop_some(self, newest: tuple[str, int]) -> None:
        """Let go what was used longest ago, but nothing that is still wanted."""
        for one in [one for one in self._kept if one != newest and one[1] not in self._wanted]:
            if self._kept_bytes() <= MAX_KEPT_BYTES:
                return
            del self._kept[one]

    def _unpacks_to_too_much(self, name: str, group: int) -> bool:
        metadata = self._file.metadata.row_group(group)
        chunks = [metadata.column(place) for place in range(metadata.num_columns)]
        mine = [one for one in chunks if one.path_in_schema.split(".")[0] == name]
        unpacked = sum(one.total_uncompressed_size for one in mine)
        packed = sum(one.total_compressed_size for one in mine)
        return bool(unpacked > MAX_GROUP_BYTES or unpacked > max(FREE_BYTES, MAX_RATIO * packed))

    def _kept_bytes(self) -> int:
        return sum(one.nbytes for one in self._kept.values())


@dataclass(frozen=True, slots=True)
class CellContent:
    """The bytes in one cell; a ``Content``.

    Attributes:
        table: that it is in.
        column: of media.
        row: its number in the file.
        root: what a path in the cell starts from, where it has no bytes.
    """

    table: ParquetTable
    column: str
    row: int
    root: Path

    @property
    def name(self) -> str:
        return f"{self.table.path}::{self.column}[{self.row}]"

    @property
    def suffix(self) -> str:
        return ""

    def size(self) -> int:
        value = self._value()
        return len(value) if isinstance(value, bytes) else self._file(value).stat().st_size

    def read(self) -> bytes:
        value = self._value()
        return value if isinstance(value, bytes) else self._file(value).read_bytes()

    def _value(self) -> bytes | str | None:
        value = self.table.value(self.column, self.row)
        if isinstance(value, Mapping):
            inner = value.get("bytes")
            value = value.get("path") if inner is None else inner
        return value if isinstance(value, bytes | str) else None

    def _file(self, value: bytes | str | None) -> Path:
        path = value if isinstance(value, str) else ""
        if not path or "://" in path:
            raise MediaError(
                "The cell holds neither bytes nor a path.",
                reason="missing",
                where=self.name,
                next_step="Leave the row out.",
            )
        return self.root / path


def _byte_columns(metadata: Any) -> list[str]:
    """The paths of the columns of bytes and words, those inside of others too."""
    columns = (metadata.schema.column(place) for place in range(metadata.num_columns))
    return [one.path for one in columns if one.physical_type == "BYTE_ARRAY"]


def _class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, list[str]]:
    """By column, the names of its classes, as Hugging Face's ``datasets`` writes them."""
    try:
        features = json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        return {
            column: [str(name) for name in feature["names"]]
            for column, feature in features.items()
            if isinstance(feature, dict) and isinstance(feature.get("names"), list)
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
