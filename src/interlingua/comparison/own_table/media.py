"""The media, texts and numbers of a table's rows as models take them, whole and made worse.

Shape legend: N rows, K columns of numbers, L levels of damage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from interlingua.catalogue.cache import Progress, silent
from interlingua.comparison.examples import Modality
from interlingua.comparison.own_table.schema import OwnModality, file_content, number_values
from interlingua.comparison.states.damage import Damage
from interlingua.comparison.states.table import StateTable, token_states
from interlingua.data import degrade
from interlingua.data.columns import NOT_THERE, Columns, Kind
from interlingua.errors import MediaError
from interlingua.models.tower_use import TowerUse
from interlingua.sample import Audio, Image, Part, Text
from interlingua.towers.number_columns import NumberColumns

BoolArray = npt.NDArray[np.bool_]


@dataclass(slots=True)
class OwnMedia:
    """The modalities of a table's rows as models take them, whole and made worse.

    Attributes:
        columns: the table.
        root: what relative paths start from.
        modalities: what is wanted.
        towers: by modality; the frozen ones are run.
        levels: of damage, 0 first.
        progress: is told what is computed.
        unreadable: by modality, (line, reason, cell) of what counts as missing.
    """

    columns: Columns
    root: Path
    modalities: Sequence[OwnModality]
    towers: Mapping[str, TowerUse]
    levels: tuple[float, ...] = (0.0,)
    progress: Progress = silent
    unreadable: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)
    _found: dict[str, dict[float, Modality]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in self.modalities:
            self.unreadable[one.name] = []
            self._found[one.name] = (
                self._numbers(one) if one.kind == "number" else self._states(one)
            )

    def at(self, level: float) -> dict[str, Modality]:
        """All modalities at a level."""
        return {name: found[level] for name, found in self._found.items()}

    def there(self, name: str) -> BoolArray:
        """[N] which rows have a modality that can be read."""
        present: BoolArray = self._found[name][0.0].variants[:, 0] >= 0
        return present

    def notes(self) -> list[str]:
        """A sentence for each modality that can't be read in some rows."""
        told = []
        for name, found in self.unreadable.items():
            if found:
                reasons = Counter(reason for _, reason, _ in found)
                listed = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
                line, _, cell = found[0]
                told.append(
                    f"{name}: {len(found)} of {len(self.columns)} can't be read ({listed}; the "
                    f"first is {cell[:80]!r} in line {line}); these rows lack it."
                )
        return told

    def _states(self, one: OwnModality) -> dict[float, Modality]:
        """A frozen tower's states; what several rows share is computed once."""
        nothing = [None] * len(self.columns)
        cells = self.columns.cells.get(one.columns[0], nothing)
        if one.kind != "text":
            cells = [None if cell is None or cell.lower() in NOT_THERE else cell for cell in cells]
        known = list(dict.fromkeys(cell for cell in cells if cell is not None))
        place = {cell: number for number, cell in enumerate(known)}
        if not known:
            none = Modality(np.full((len(cells), 1), -1, np.int64))
            return dict.fromkeys(self.levels, none)
        failed: dict[int, str] = {}

        def skip(number: int, error: MediaError) -> None:
            failed[number] = error.reason

        damage = Damage() if self.levels == (0.0,) else Damage(kind=one.damage, levels=self.levels)
        table: StateTable = token_states(
            self.towers[one.name],
            [_part(one.kind, cell, self.root) for cell in known],
            pooling=one.pooling,
            damage=damage,
            progress=self.progress,
            on_error=skip,
        )
        places = np.array([-1 if cell is None else place[cell] for cell in cells], np.int64)
        for row, number in enumerate(places.tolist()):
            if number in failed:
                line = self.columns.lines[row]
                self.unreadable[one.name].append((line, failed[number], known[number]))
        return {
            level: table.modality(np.where(places[:, None] < 0, -1, table.at(level)[places]))
            for level in self.levels
        }

    def _numbers(self, one: OwnModality) -> dict[float, Modality]:
        values = number_values(self.columns, one.columns)
        there = ~np.isnan(values).all(1)
        tower = self.towers[one.name].tower
        assert isinstance(tower, NumberColumns.Config)
        mean, std = np.array(tower.mean), np.array(tower.std)
        blended = [
            degrade.jitter(values, level, std, degrade.generator(one.name, level), mean=mean)
            if level
            else values
            for level in self.levels
        ]
        table = torch.from_numpy(np.concatenate(blended).astype(np.float32))  # [L N, K]
        rows = np.where(there, np.arange(len(values)), -1)
        return {
            level: Modality(np.where(there, rows + number * len(values), -1)[:, None], values=table)
            for number, level in enumerate(self.levels)
        }


def _part(kind: Kind, cell: str, root: Path) -> Part | None:
    if kind == "text":
        return Text(cell)
    content = file_content(root, cell)
    return Image(content) if kind == "picture" else Audio(content, "sound")
