"""The modalities of a table of one's own: which columns they are of, and what towers take of them.

Each column of pictures, sounds or texts is a modality of its own; all columns of numbers together
are one. The description (``TableSchema``) is kept beside what was trained from the table, so that
a model answers for new rows too.

Shape legend: N rows, K columns of numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from interlingua.comparison.states.damage import DamageKind, Pooling
from interlingua.config import Config
from interlingua.content import FileContent
from interlingua.data.columns import Columns, Kind, numbers_of
from interlingua.data.sound import sound_seconds
from interlingua.errors import MediaError
from interlingua.models.tower_use import TowerUse

FloatArray = npt.NDArray[np.float64]

NUMBERS = "numbers"  # the modality of all columns of numbers
MOST_WORDS = 64  # tokens of a text; longer ones are cut
FEW_ROWS = 3000  # more have fewer tokens for each picture, to stay in memory


def _frozen(weights: str, **tower: Any) -> TowerUse:
    return TowerUse.model_validate({"tower": tower, "weights": weights, "frozen": True})


_SOUND = _frozen("whisper-tiny.en", name="whisper_encoder")
FROZEN = {
    "picture": _frozen("efficientnet-lite0", name="efficientnet", variant="lite0", fit="pad"),
    "sound": _SOUND,
    "speech": _SOUND,
    "text": _frozen("minilm", name="bert"),
}


class OwnModality(Config):
    """One modality of a table.

    Attributes:
        name: fit for a part of a model.
        kind: of its columns.
        columns: one, or all columns of numbers.
        pooling: of a frozen tower's states.
        damage: what makes it worse; ``none`` for numbers, which are blended with noise.
    """

    name: str
    kind: Kind
    columns: tuple[str, ...]
    pooling: Pooling = Pooling()
    damage: DamageKind = "none"


class TableSchema(Config):
    """What a table is taken for.

    Attributes:
        format_version: of this description.
        label: the column of the answers.
        classes: the answers.
        modalities: in order.
    """

    format_version: int = 1
    label: str
    classes: tuple[str, ...]
    modalities: tuple[OwnModality, ...]

    def towers(self, columns: Columns) -> dict[str, TowerUse]:
        """By modality; that of the numbers has mean and deviation of these rows."""
        return {
            one.name: number_tower(columns, one.columns)
            if one.kind == "number"
            else FROZEN[one.kind]
            for one in self.modalities
        }


def modalities_of(
    columns: Columns,
    kinds: Mapping[str, Kind],
    groups: Mapping[str, Sequence[str]],
    root: Path,
    longest_sound: float,
) -> tuple[OwnModality, ...]:
    """The modalities of columns of these kinds: numbers first, then in the order of the table.

    Args:
        columns: the table.
        kinds: by column; others are left out.
        groups: by name, columns of numbers that are a modality of their own.
        root: what relative paths start from.
        longest_sound: seconds; longer sounds are cut.
    """
    found: list[OwnModality] = []
    taken: set[str] = set()
    grouped = {column for names in groups.values() for column in names}
    rest = tuple(name for name, kind in kinds.items() if kind == "number" and name not in grouped)
    for name, together in (*groups.items(), (NUMBERS, rest)):
        if together:
            fit = _fit_name(name, taken)
            found.append(OwnModality(name=fit, kind="number", columns=tuple(together)))
    for column, kind in kinds.items():
        if kind == "number":
            continue
        name = _fit_name(column, taken)
        cells = [cell for cell in columns.cells[column] if cell is not None]
        grid = 4 if len(columns) <= FEW_ROWS else 2
        damage: DamageKind = "hide" if kind == "picture" else "drown"
        pooling = Pooling(grid=grid)
        if kind == "text":
            words = sorted(len(cell.split()) for cell in cells)
            damage = "drop_words" if words and words[len(words) // 2] > 2 else "drop_letters"
            most = max((len(cell) for cell in cells), default=1)
            pooling = Pooling(words=min(MOST_WORDS, max(8, most // 3 + 4)))
        elif kind in ("sound", "speech"):
            pooling = Pooling(seconds=_window(cells, root, longest_sound))
        found.append(
            OwnModality(name=name, kind=kind, columns=(column,), pooling=pooling, damage=damage)
        )
    return tuple(found)


def number_tower(columns: Columns, names: Sequence[str]) -> TowerUse:
    """A tower for columns of numbers, with mean and deviation of these rows."""
    values = number_values(columns, names)
    there = ~np.isnan(values)
    count = np.maximum(there.sum(0), 1)
    mean = np.where(there, values, 0.0).sum(0) / count
    std = np.sqrt(np.where(there, (values - mean) ** 2, 0.0).sum(0) / count)
    std[std < 1e-12 * np.maximum(np.abs(mean), 1e-12)] = 1.0  # a constant: its token is its bias
    settings = {"name": "number_columns", "mean": mean.tolist(), "std": std.tolist()}
    return TowerUse.model_validate({"tower": settings})


def number_values(columns: Columns, names: Sequence[str]) -> FloatArray:
    """[N, K], nan where a number, or the whole column, is missing."""
    nothing = [math.nan] * len(columns)
    found = [
        numbers_of(columns.cells[name]).values if name in columns.cells else nothing
        for name in names
    ]
    return np.array(found, np.float64).T.reshape(len(columns), len(names))


def file_content(root: Path, cell: str) -> FileContent:
    """The file that a cell names; one that can't be a name is one that isn't there."""
    return FileContent(root / cell.replace("\0", "\ufffd"))


def _window(cells: Sequence[str], root: Path, longest: float) -> float:
    """Seconds that hold the longest of these sounds, if it is not too long."""
    seconds = 0.0
    for cell in dict.fromkeys(cells):
        try:
            seconds = max(seconds, sound_seconds(file_content(root, cell)))
        except MediaError:
            continue
        if seconds >= longest:
            return longest
    return max(1.0, math.ceil(seconds * 5) / 5)


def _fit_name(column: str, taken: set[str]) -> str:
    """The column's name as a part of a model may be called, different from those taken."""
    base = re.sub(r"\W", "_", column) or "column"
    # attributes of the containers can't be names of what they hold
    if hasattr(nn.ModuleDict(), base) or hasattr(nn.ParameterDict(), base):
        base = f"{base}_column"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    taken.add(name)
    return name
