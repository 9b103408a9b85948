"""Parquet tables: rows that name pictures and sounds by path, or hold their bytes.

Columns are named as in a manifest (``manifest.py``). A media column holds paths, bytes, or pairs
``{bytes, path}`` as Hugging Face data sets have them; class numbers are named by what the file's
own metadata say. Words stay in memory as Arrow columns; bytes are read when they are needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from interlingua.config import NamedConfig, nearest
from interlingua.content import Content, FileContent
from interlingua.data.endings import AUDIO_ENDINGS, IMAGE_ENDINGS
from interlingua.data.parquet_table import CellContent, ParquetTable
from interlingua.data.shards.places import expand_braces
from interlingua.data.source import Origin, Problem, Problems, count_reasons
from interlingua.data.sources.manifest import ALIASES, COLUMNS, MEDIA_COLUMNS, why_unusable
from interlingua.errors import DataError
from interlingua.sample import Audio, Image, Label, Meta, OneOf, Part, Sample, Text


class Parquet:
    """The rows of one or several Parquet files as samples; a ``Source``.

    Raises:
        DataError: no such file, no known column, unreadable, or no row that can be used.
        MissingExtraError: pyarrow is not installed.
    """

    class Config(NamedConfig):
        """Settings.

        Attributes:
            paths: files, folders, patterns with numbers in braces.
            root: what relative paths in the rows start from; each file's own folder if not given.
            columns: by our name (``image``, ``text`` …) the column that is meant, where the names
                don't tell.
        """

        folder: ClassVar[str] = "data"
        name: str = "parquet"
        paths: tuple[str, ...] = Field(min_length=1)
        root: Path | None = None
        columns: dict[str, str] = Field(default_factory=dict)

    def __init__(self, config: Parquet.Config):
        self.config = config
        files = _find(config.paths)
        self.name = files[0].stem if len(files) == 1 else files[0].parent.resolve().name
        found = Problems()
        self._tables = [_Rows(path, config, found) for path in files]
        self._problems = found
        self._ends = np.cumsum([len(table.used) for table in self._tables], dtype=np.int64)
        if not len(self):
            reasons = [f"{n}× {why}" for why, n in count_reasons(found.listed).items()]
            raise DataError(
                f"No row can be used: {', '.join(reasons) or 'there is none'}.",
                where=str(files[0]),
                next_step="Paths are relative to the file, or to `root` where that is given.",
            )

    @property
    def problems(self) -> Sequence[Problem]:
        """Rows that were left out, and columns that nobody knows."""
        return self._problems.listed

    @property
    def shard_sizes(self) -> list[int]:
        """How many samples of each row group there are, for ``ShardStream``."""
        return [size for table in self._tables for size in table.group_sizes]

    @property
    def reads_anywhere(self) -> bool:
        """Whether any row costs as little as the next one: none holds media itself."""
        return not any(table.holds_media for table in self._tables)

    def keep(self, shards: Sequence[int]) -> None:
        """Say which row groups are read next: they stay in memory once they are read."""
        first = 0
        for table in self._tables:
            count = len(table.group_sizes)
            table.table.keep([one - first for one in shards if first <= one < first + count])
            first += count

    def origin(self, index: int) -> Origin:
        """The key and the file of a sample; no medium is read."""
        table, row = self._place(index)
        return Origin(table.key(row), self.name, str(table.table.path))

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __iter__(self) -> Iterator[Sample]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, index: int) -> Sample:
        table, row = self._place(index)
        return table.sample(row, self.name)

    def _place(self, index: int) -> tuple[_Rows, int]:
        """The file that a sample is in, and its row there."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        place = index % len(self)
        number = int(np.searchsorted(self._ends, place, side="right"))
        table = self._tables[number]
        return table, int(table.used[place - int(self._ends[number])])  # from the end of its rows

    def __reduce__(self) -> tuple[type[Parquet], tuple[Parquet.Config]]:
        return Parquet, (self.config,)

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self)} samples>"


class _Rows:
    """One file's rows under our names.

    Attributes:
        used: [n] the rows that are samples.
        group_sizes: how many of them are in each row group.
    """

    def __init__(self, path: Path, config: Parquet.Config, problems: Problems):
        self.table = ParquetTable(path)
        self.root = (config.root or path.parent).expanduser()
        self._names = _meanings(self.table, config.columns, problems)
        self._bytes = {
            name
            for name, column in self._names.items()
            if name in MEDIA_COLUMNS and self.table.holds_bytes(column)
        }
        self._columns = {
            name: self.table.column(column)
            for name, column in self._names.items()
            if name not in self._bytes
        }
        self.used = self._usable(problems)
        self.group_sizes: list[int] = np.bincount(
            self.table.group_of(self.used), minlength=self.table.num_groups
        ).tolist()

    @property
    def holds_media(self) -> bool:
        """Whether a column has the bytes of media in it."""
        return bool(self._bytes)

    def key(self, row: int) -> str:
        """What a row is called."""
        return self._word("key", row) or f"{self.table.path.stem}/{row}"

    def sample(self, row: int, source: str) -> Sample:
        """One row as a sample."""
        language = self._word("language", row) or None
        texts = tuple(Text(text, language) for text in self._texts(row))
        parts: list[Part | OneOf] = []
        for name in MEDIA_COLUMNS:
            content = self._content(name, row)
            if content is not None and name == "image":
                parts.append(Image(content))
            elif content is not None and name == "sound":
                parts.append(Audio(content, "sound"))
            elif content is not None:
                transcript = self._word("transcript", row) or None
                parts.append(Audio(content, "speech", language=language, transcript=transcript))
        if texts:
            parts.append(OneOf(texts) if len(texts) > 1 else texts[0])
        if label := self._label(row):
            parts.append(Label(label))
        component = self._word("component", row)
        meta = Meta(
            source=source,
            group=self._word("group", row) or label,
            component=int(component) if component.isdecimal() else None,
            name=texts[0].text.lower() if texts else "",
        )
        return Sample(self.key(row), tuple(parts), meta=meta)

    def _usable(self, problems: Problems) -> NDArray[np.int64]:
        used: list[int] = []
        seen: set[int] = set()
        for row in range(len(self.table)):
            reason = self._why_not(row)
            key = self._word("key", row)
            if not reason and key and hash(key) in seen:
                reason = "a key that was used before"
            if reason:
                problems.add(reason, f"{self.table.path}: row {row}")
            else:
                used.append(row)
                seen.add(hash(key))
        return np.array(used, np.int64)

    def _why_not(self, row: int) -> str:
        has_part = bool(self._bytes) or self._word("label", row) != ""
        for name in MEDIA_COLUMNS:
            path = "" if name in self._bytes else self._word(name, row)
            if not path:
                continue
            if "://" in path:
                return "an address: only files are read"
            endings = IMAGE_ENDINGS if name == "image" else AUDIO_ENDINGS
            if reason := why_unusable(self.root / path, endings):
                return reason
            has_part = True
        nothing = "a row without a picture, sound, speech or text"
        return "" if has_part or self._written(row) else nothing

    def _content(self, name: str, row: int) -> Content | None:
        if name in self._bytes:
            return CellContent(self.table, self._names[name], row, self.root)
        path = self._word(name, row)
        return FileContent(self.root / path) if path else None

    def _label(self, row: int) -> str:
        number = self._word("label", row)
        names = self.table.class_names.get(self._names.get("label", ""), [])
        if names and number.isdecimal() and int(number) < len(names):
            return names[int(number)]
        return number

    def _texts(self, row: int) -> Iterator[str]:
        return (" ".join(one.split()) for one in dict.fromkeys(self._written(row)))

    def _written(self, row: int) -> list[str]:
        column = self._columns.get("text")
        value: Any = None if column is None else column[row].as_py()
        all_of_it = value if isinstance(value, list) else [value]
        return [one for one in all_of_it if isinstance(one, str) and one and not one.isspace()]

    def _word(self, name: str, row: int) -> str:
        column = self._columns.get(name)
        value: Any = None if column is None else column[row].as_py()
        if isinstance(value, str):
            return value.strip()
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        return ""


def _meanings(table: ParquetTable, given: Mapping[str, str], problems: Problems) -> dict[str, str]:
    """Our name -> the file's column; each at most once.

    Raises:
        DataError: a column that was named isn't there, or none is known.
    """
    where = str(table.path)
    found: dict[str, str] = {}
    for name, column in given.items():
        if name not in COLUMNS or column not in table.columns:
            wrong, known = (column, table.columns) if name in COLUMNS else (name, list(COLUMNS))
            raise DataError(
                f"There is no column {wrong!r}{nearest(wrong, known)}.",
                where=where,
                next_step=f"Known: {', '.join(known)}.",
            )
        found[name] = column
    unknown = []
    for column in table.columns:
        plain = column.strip().lower().replace(" ", "_").replace("-", "_")
        meaning = plain if plain in COLUMNS else ALIASES.get(plain, "")
        if not meaning:
            unknown.append(column)
        elif column not in found.values():
            found.setdefault(meaning, column)
    unknown = [column for column in unknown if column not in found.values()]
    if not found:
        raise DataError(
            f"The table has no known column; it has {', '.join(map(repr, unknown))}.",
            where=where,
            next_step=f"Known columns: {', '.join(COLUMNS)}; set `columns` for others.",
        )
    if unknown:
        shown = ", ".join(map(repr, unknown[:20]))
        problems.add(f"unknown columns are ignored: {shown}", where)
    return found


def _find(paths: Sequence[str]) -> list[Path]:
    """The files, a folder's in the order of their names.

    Raises:
        DataError: there is none.
    """
    found: list[Path] = []
    for pattern in paths:
        for name in expand_braces(pattern):
            path = Path(name).expanduser()
            inside = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
            if not inside:
                raise DataError("The folder has no .parquet file.", where=str(path))
            found += inside
    return list(dict.fromkeys(found))
