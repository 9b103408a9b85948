"""What a run's folder says of the run: recipe, training figures, held-out figures, single queries.

Read as plain values: no model is built and no part of the recipe is imported, so that runs of other
versions and of somebody else's parts can be set beside each other too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from interlingua.errors import CheckpointError, ConfigError, DataError
from interlingua.evaluate.run import FIGURES_FILE
from interlingua.evaluate.single_queries import QUERIES_FILE, Asked, from_json
from interlingua.train.run_folder import RunFolder, read_lines


@dataclass(frozen=True, slots=True, eq=False)
class RunRecord:
    """One run.

    Attributes:
        name: it is called by, among the runs that are compared.
        path: its folder.
        recipe: plain data.
        metrics: rows of training and evaluation, in the order of their steps.
        figures: what was measured at the end; empty where nothing was.
        queries: the held-out directions query by query; empty where they weren't kept.
    """

    name: str
    path: Path
    recipe: Mapping[str, Any]
    metrics: Sequence[Mapping[str, Any]] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    queries: Mapping[tuple[str, str], Asked] = field(default_factory=dict)

    @property
    def training(self) -> list[Mapping[str, Any]]:
        """The rows of training."""
        return [row for row in self.metrics if row.get("kind", "train") == "train"]


def read_runs(paths: Sequence[Path]) -> list[RunRecord]:
    """Several runs, under names that differ.

    Raises:
        ConfigError: fewer than two, one twice, or a recipe that is no YAML.
        CheckpointError: a folder is no run.
        DataError: figures that can't be read.
    """
    if len(paths) < 2:
        raise ConfigError("There is one run; a comparison needs two.", next_step="Name another.")
    places = [path.resolve() for path in paths]
    for path, place in zip(paths, places, strict=True):
        if places.count(place) > 1:
            raise ConfigError("A run is named twice.", where=str(path))
    return [read_run(path, name) for path, name in zip(paths, differing_names(places), strict=True)]


def read_run(path: Path, name: str = "") -> RunRecord:
    """One run's folder; raises as ``read_runs``."""
    run = RunFolder(path)
    if not run.recipe_path.is_file():
        raise CheckpointError(
            "There is no run here.",
            where=str(path),
            next_step="interlingua train RECIPE --out RUN makes one.",
        )
    queries = _read_json(path / QUERIES_FILE)
    return RunRecord(
        name=name or path.resolve().name,
        path=path,
        recipe=_read_recipe(run.recipe_path),
        metrics=[row for row in read_lines(run.metrics_path) if "step" in row],
        figures=_read_json(path / FIGURES_FILE),
        queries=from_json(queries, str(path / QUERIES_FILE)) if queries else {},
    )


def differing_names(paths: Sequence[Path]) -> list[str]:
    """The last parts of paths, as many as it takes for no two to be equal."""
    for count in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-count:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def _read_recipe(path: Path) -> dict[str, Any]:
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError("The run's recipe is not YAML.", where=str(path)) from error
    if not isinstance(plain, dict):
        raise ConfigError("The run's recipe is not a mapping of keys to values.", where=str(path))
    return plain


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no file.

    Raises:
        DataError: the file holds something else.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(
            "What was measured can't be read.",
            where=str(path),
            next_step=f"interlingua eval {path.parent} writes it again.",
        ) from error
    if not isinstance(plain, dict):
        raise DataError("What was measured is no JSON object.", where=str(path))
    return plain
