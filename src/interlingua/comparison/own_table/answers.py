"""Answers for new rows, from the models that a comparison on a table of one's own has trained.

The models of one method, one for each fold and seed, answer together: their probabilities are
averaged. What they need beside their weights, which column is of which modality, was kept with
the comparison. Statistics of columns of numbers are in each model.

Shape legend: N rows, C classes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from interlingua.catalogue.cache import Progress, silent
from interlingua.comparison.examples import Examples
from interlingua.comparison.own_table.media import OwnMedia
from interlingua.comparison.own_table.schema import TableSchema
from interlingua.comparison.result import Comparison
from interlingua.comparison.rows.row import Row
from interlingua.comparison.runs.run import load_run, one_thread
from interlingua.config import nearest, to_plain, validate
from interlingua.data.columns import Columns, read_columns
from interlingua.errors import ConfigError, DataError
from interlingua.models.fused_classifier import FusedClassifier

FloatArray = npt.NDArray[np.float64]

SCHEMA_FILE = "table.json"  # beside comparison.json
ROWS_AT_ONCE = 256


@dataclass(slots=True)
class OwnAnswers:
    """What the models say.

    Attributes:
        method: the key of its row.
        models: how many answered together.
        classes: C names.
        chances: [N, C]; nan where a row has nothing of any modality.
        lines: [N] of the table.
        truth: [N] the label where the table has one, else empty.
        notes: what the reader must know.
    """

    method: str
    models: int
    classes: tuple[str, ...]
    chances: FloatArray
    lines: list[int]
    truth: list[str]
    notes: list[str] = field(default_factory=list)

    def answer(self, row: int) -> tuple[str, float]:
        """The likeliest class of a row and its probability; empty where there is none."""
        if math.isnan(self.chances[row, 0]):
            return "", math.nan
        best = int(self.chances[row].argmax())
        return self.classes[best], float(self.chances[row, best])


def keep_schema(out: Path, schema: TableSchema) -> None:
    """Write what ``answers_for`` needs beside a comparison."""
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(to_plain(schema), indent=1, ensure_ascii=False)
    (out / SCHEMA_FILE).write_text(text, encoding="utf-8")


def answers_for(
    out: Path,
    comparison: Comparison,
    data: Path,
    *,
    root: Path | None = None,
    method: str = "",
    progress: Progress = silent,
) -> OwnAnswers:
    """Answer for the rows of a table.

    Args:
        out: the folder of the comparison.
        comparison: what it found.
        data: the new table; a column that it lacks is missing in all its rows.
        root: what relative paths in it start from; its own folder if not given.
        method: key of a row; by default the fusion with the highest accuracy.
        progress: is told what is computed.

    Raises:
        ConfigError: there is no such method.
        DataError: it was no comparison on a table of one's own, or the new one has none of its
            columns, or no row with anything in it.
        CheckpointError: the models are gone or damaged.
    """
    schema = _schema(out)
    row = _method(comparison, method)
    columns = read_columns(data)
    wanted = [one for one in schema.modalities if one.name in row.modalities]
    notes = _missing_columns(columns, [name for one in wanted for name in one.columns])
    models = [load_run(out / run.folder) for run in row.runs]
    if not models:
        raise DataError(f"No model of {row.key!r} was trained.", where=str(out))
    towers = {
        name: models[0].config.towers[models[0].config.views[name]] for name in models[0].views
    }
    media = OwnMedia(columns, root or data.parent, wanted, towers, progress=progress)
    examples = Examples(
        keys=[str(line) for line in columns.lines],
        labels=np.full(len(columns), -1, np.int64),
        clusters=np.arange(len(columns)),
        modalities=media.at(0.0),
    )
    there = np.any([media.there(one.name) for one in wanted], axis=0)
    if not there.any():
        raise DataError(
            f"No row has anything of {', '.join(row.modalities)}.",
            where=str(data),
            next_step="Paths are relative to the table's folder; --root gives another one.",
        )
    if not there.all():
        notes.append(f"{int((~there).sum())} rows have nothing that can be read: no answer.")
    chances = np.full((len(columns), len(schema.classes)), math.nan)
    chances[there] = _averaged(models, examples, np.flatnonzero(there))
    labels = columns.cells.get(schema.label, [None] * len(columns))
    return OwnAnswers(
        method=row.key,
        models=len(models),
        classes=schema.classes,
        chances=chances,
        lines=columns.lines,
        truth=[label or "" for label in labels],
        notes=[*notes, *media.notes()],
    )


def _averaged(
    models: Sequence[FusedClassifier], examples: Examples, rows: npt.NDArray[np.int64]
) -> FloatArray:
    """[rows, C] mean probabilities."""
    found = []
    with torch.inference_mode(), one_thread():
        for start in range(0, len(rows), ROWS_AT_ONCE):
            batch = examples.batch(rows[start : start + ROWS_AT_ONCE])
            logits = torch.stack([model(batch).logits for model in models])  # [models, B, C]
            found.append(logits.double().softmax(-1).mean(0).numpy())
    averaged: FloatArray = np.concatenate(found)
    return averaged


def _schema(out: Path) -> TableSchema:
    path = out / SCHEMA_FILE
    if not path.exists():
        raise DataError(
            "This is no comparison on a table of one's own, whose models answer for new rows.",
            where=str(out),
            next_step="interlingua fusion compare --data FILE --label COLUMN --out FOLDER",
        )
    try:
        data = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError("The description of the table can't be read.", where=str(path)) from error
    if not isinstance(data, dict) or data.get("format_version") != 1:
        raise DataError(
            "The description of the table has a format that this library does not read.",
            where=str(path),
            next_step="Take the version of the library that wrote it.",
        )
    return validate(TableSchema, data, str(path))


def _method(comparison: Comparison, method: str) -> Row:
    rows = {row.key: row for row in comparison.rows if row.runs}
    if method:
        if method not in rows:
            raise ConfigError(
                f"The comparison has no method {method!r}{nearest(method, rows)}.",
                next_step=f"It has {', '.join(map(repr, rows))}.",
            )
        return rows[method]
    fusions = [row for row in rows.values() if not row.single]
    if not fusions:
        raise DataError("The comparison has no fusion that was trained to its end.")
    return max(fusions, key=lambda row: row.accuracy.value)


def _missing_columns(columns: Columns, wanted: Sequence[str]) -> list[str]:
    """A sentence about columns that are not there.

    Raises:
        DataError: none is.
    """
    missing = [name for name in wanted if name not in columns.cells]
    if len(missing) == len(wanted):
        hints = ", ".join(f"{name!r}{nearest(name, columns.cells)}" for name in missing)
        raise DataError(
            f"The table has none of the columns that the model reads: {hints}.",
            where=str(columns.path),
            next_step=f"It has {', '.join(map(repr, columns.cells))}.",
        )
    if not missing:
        return []
    hints = ", ".join(f"{name!r}{nearest(name, columns.cells)}" for name in missing)
    return [f"Columns that are not there count as missing: {hints}."]
