"""``index.json``: whose vectors an index holds, and in which format version."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import Field, ValidationError

from interlingua import durable
from interlingua.config import Config
from interlingua.errors import SearchIndexError
from interlingua.index.fields import BUILT_IN, FieldKind

FORMAT = "interlingua-index"
FORMAT_VERSION = 2
FILE_NAME = "index.json"

REBUILD = "interlingua index build SOURCE --run RUN --out DIR"


class Approximate(Config):
    """How well a search of few lists finds what an exact one finds.

    Attributes:
        lists: that the rows are in.
        looked_into: of them, in a search.
        recall: share of the exact answer's records that it found.
        low, high: 95 % interval of it.
        k: records asked for.
        sample: stored vectors that were asked for, none of them used to choose ``looked_into``.
        target: the recall that was asked for.
    """

    lists: int
    looked_into: int
    recall: float
    low: float
    high: float
    k: int
    sample: int
    target: float


class MatrixInfo(Config):
    """The matrix that is kept in files.

    Attributes:
        folder: its name.
        rows: of the table that it was made of.
        changed: rows that came, went or were replaced since.
        approximate: None where only exact search was made ready.
        files: SHA-256 by name.
    """

    folder: str
    rows: int
    changed: int = 0
    approximate: Approximate | None = None
    files: dict[str, str] = Field(default_factory=dict)


class IndexInfo(Config):
    """What an index says of itself.

    Attributes:
        space_id: of the space whose vectors these are; others can't be compared with them.
        dimension: D of the vectors.
        run: the run folder of the space, where it is known.
        created_with: the version of Interlingua.
        build_id: another one for each time the index is made anew.
        table_version: that the table had after the last finished change: what is newer was never
            finished, what is older has lost something.
        files: SHA-256 by name of the table's files.
        fields: its own fields with their kinds.
        matrix: of a large index.
        pruning: files of older versions are being removed, so some of ``files`` may be gone.
    """

    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    space_id: str
    dimension: int = Field(gt=0)
    run: str | None = None
    created_with: str = ""
    build_id: str = ""
    table_version: int = 0
    files: dict[str, str] = Field(default_factory=dict)
    fields: dict[str, FieldKind] = Field(default_factory=dict)
    matrix: MatrixInfo | None = None
    pruning: bool = False

    @property
    def known_fields(self) -> dict[str, FieldKind]:
        """What a filter may ask for."""
        return {**BUILT_IN, **self.fields}

    def write(self, folder: Path) -> None:
        """Put it in place, whole or not at all."""
        data = self.model_dump_json(indent=1) + "\n"
        durable.replace_file(folder / FILE_NAME, data.encode())

    def check_space(self, space_id: str | None, folder: Path) -> None:
        """Refuse the vectors of another model.

        Raises:
            SearchIndexError: ``space_id`` is given and isn't the index's.
        """
        if space_id is not None and space_id != self.space_id:
            raise SearchIndexError(
                "This index holds the vectors of another model "
                f"({self.space_id[:12]}, not {space_id[:12]}).",
                where=str(folder),
                next_step=f"Use the run it was built with ({self.run or 'not recorded'}), "
                f"or build it again: {REBUILD}",
            )

    @classmethod
    def read(cls, folder: Path) -> IndexInfo:
        """Of an index on disk.

        Raises:
            SearchIndexError: there is no index, or its description is damaged or of a newer
                format version.
        """
        path = folder / FILE_NAME
        if not folder.is_dir():
            raise SearchIndexError("There is no index.", where=str(folder), next_step=REBUILD)
        if not path.is_file():
            raise SearchIndexError(
                f"This folder is no index, or one that was never finished: it has no {FILE_NAME}.",
                where=str(folder),
                next_step=f"Check the path, or: {REBUILD}",
            )
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            version = data["format_version"]
            if data["format"] != FORMAT or not isinstance(version, int):
                raise ValueError("another format")
            if version > FORMAT_VERSION:
                raise SearchIndexError(
                    f"This index has format version {version}; this program reads "
                    f"{FORMAT_VERSION}.",
                    where=str(path),
                    next_step="Update interlingua, or build the index again.",
                )
            return cls.model_validate(data)
        except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
            raise SearchIndexError(
                "The description of the index is damaged.",
                where=str(path),
                next_step=f"Build it again: {REBUILD}",
            ) from error
