"""What one run gave, beside its weights: ``result.json`` and, for the arrays, safetensors.

The JSON is written last: where it is, the run is finished.

Shape legend: N test things, C classes, E episodes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError

from interlingua import durable
from interlingua.comparison.examples import IntArray
from interlingua.comparison.runs.answers import (
    Logits,
    contradiction_name,
    level_name,
    presence_name,
)
from interlingua.comparison.task import Rollout

FORMAT_VERSION = 1
RESULT_FILE, ARRAYS_FILE = "result.json", "result.safetensors"
MODEL_FILE, WEIGHTS_FILE = "model.json", "weights.safetensors"


@dataclass(slots=True)
class Says:
    """What the modalities of contradicting things stand for.

    Attributes:
        clusters: [N'].
        by_modality: [N'] classes.
    """

    clusters: IntArray
    by_modality: dict[str, IntArray]


@dataclass(slots=True)
class Record:
    """One run, measured.

    Attributes:
        key: of its row.
        fold, seed: of the run.
        modalities: of the model, in order.
        seconds: of training.
        train: how many things it was trained on.
        steps, loss: its learning curve.
        majority: the commonest class in training.
        labels, clusters: [N] of the test things.
        logits: [N, C].
        chosen: by condition, the answers to the test things or to a contradiction's.
        levels: by modality (and ``all``), which were measured.
        says: by contradiction.
        success: [E], by the modality that was exchanged; the name is empty where none was.
        acted: [E], by ``presence_name`` of the modalities that were there, none of them included;
            empty where it wasn't asked, as in runs of before 2026-11-24.
    """

    key: str
    fold: int
    seed: int
    modalities: list[str]
    seconds: float
    train: int
    steps: list[int]
    loss: list[float]
    majority: int
    labels: IntArray
    clusters: IntArray
    logits: Logits
    chosen: dict[str, IntArray] = field(default_factory=dict)
    levels: dict[str, list[float]] = field(default_factory=dict)
    says: dict[str, Says] = field(default_factory=dict)
    success: dict[str, Rollout] = field(default_factory=dict)
    acted: dict[str, Rollout] = field(default_factory=dict)

    def right(self) -> npt.NDArray[np.float64]:
        """[N] 1 where the answer to the whole thing is right."""
        return np.asarray(self.logits.argmax(1) == self.labels, np.float64)

    def right_with(self, present: list[str]) -> npt.NDArray[np.float64]:
        """[N] the same with some of the modalities."""
        if len(present) == len(self.modalities):
            return self.right()
        return self._right(presence_name(present))

    def right_at(self, modality: str, level: float) -> npt.NDArray[np.float64]:
        """[N] the same with a modality, or all, at a level."""
        return self.right() if level == 0 else self._right(level_name(modality, level))

    def acted_with(self, present: Sequence[str]) -> Rollout | None:
        """[E] acting with some of the modalities, or none of them; None where it wasn't asked."""
        if set(present) == set(self.modalities):
            return self.success.get("")
        return self.acted.get(presence_name(present))

    def followed(self, contradiction: str) -> IntArray:
        """[N'] the answers to a contradiction."""
        return self.chosen[contradiction_name(contradiction)]

    def _right(self, condition: str) -> npt.NDArray[np.float64]:
        return np.asarray(self.chosen[condition] == self.labels, np.float64)


def write_record(folder: Path, record: Record) -> None:
    """Put both files into the run's folder, the JSON last."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "labels": record.labels,
        "clusters": record.clusters,
        "logits": record.logits,
        **{f"chosen/{name}": one for name, one in record.chosen.items()},
    }
    for name, says in record.says.items():
        arrays[f"says clusters/{name}"] = says.clusters
        for modality, one in says.by_modality.items():
            arrays[f"says {modality}/{name}"] = one
    for what, rollouts in (("success", record.success), ("acted", record.acted)):
        for name, rollout in rollouts.items():
            arrays[f"{what}/{name}"] = np.asarray(rollout.success, np.float64)
            arrays[f"{what} clusters/{name}"] = np.asarray(rollout.clusters, np.int64)
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    durable.replace_file(folder / ARRAYS_FILE, safetensors.numpy.save(whole))
    plain = {
        "format_version": FORMAT_VERSION,
        "arrays_sha256": durable.file_sha256(folder / ARRAYS_FILE),
        **{name: getattr(record, name) for name in _PLAIN},
        "chosen": list(record.chosen),
        "says": {name: list(one.by_modality) for name, one in record.says.items()},
        "success": list(record.success),
        "acted": list(record.acted),
    }
    durable.replace_file(folder / RESULT_FILE, durable.to_json(plain))


_PLAIN = (
    "key", "fold", "seed", "modalities", "seconds", "train", "steps", "loss", "majority", "levels",
)  # fmt: skip


def read_record(folder: Path) -> Record | None:
    """The record of a finished run; None where there is none, or a damaged one."""
    try:
        plain = json.loads((folder / RESULT_FILE).read_bytes())
        data = (folder / ARRAYS_FILE).read_bytes()
        if plain["format_version"] != FORMAT_VERSION:
            return None
        if plain["arrays_sha256"] != durable.file_sha256(folder / ARRAYS_FILE):
            return None
        arrays = safetensors.numpy.load(data)
        return Record(
            **{name: plain[name] for name in _PLAIN},
            labels=arrays["labels"],
            clusters=arrays["clusters"],
            logits=arrays["logits"],
            chosen={name: arrays[f"chosen/{name}"] for name in plain["chosen"]},
            says={
                name: Says(
                    arrays[f"says clusters/{name}"],
                    {one: arrays[f"says {one}/{name}"] for one in modalities},
                )
                for name, modalities in plain["says"].items()
            },
            success=_rollouts(arrays, "success", plain["success"]),
            acted=_rollouts(arrays, "acted", plain.get("acted", [])),
        )
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        return None


def _rollouts(arrays: Mapping[str, Any], what: str, names: Sequence[str]) -> dict[str, Rollout]:
    return {
        name: Rollout(arrays[f"{what}/{name}"], arrays[f"{what} clusters/{name}"]) for name in names
    }
