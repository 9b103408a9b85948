"""The folder of one run: its recipe, metrics, errors and checkpoints, used by one process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interlingua import durable, file_lock
from interlingua.errors import TrainingError
from interlingua.train.checkpoint import CheckpointStore

ERRORS_FILE = "errors.jsonl"
NON_FINITE = "non_finite"  # the kind of a line about a step; other lines are about samples
_FIRST_ERRORS_FILE = "skipped.jsonl"  # the samples' own file in the first runs


class RunFolder:
    """Where everything of one run is kept.

    Args:
        path: the folder; made when it is first written.
        keep: how many checkpoints stay.
    """

    def __init__(self, path: Path | str, keep: int = 3):
        self.path = Path(path)
        self.checkpoints = CheckpointStore(self.path / "steps", keep)

    @property
    def recipe_path(self) -> Path:
        """The resolved recipe, which runs again by itself."""
        return self.path / "recipe.yaml"

    @property
    def metrics_path(self) -> Path:
        """One JSON object per line: training and evaluation figures."""
        return self.path / "metrics.jsonl"

    @property
    def errors_path(self) -> Path:
        """One JSON object per line: skipped samples and steps, each with its ``reason``."""
        return self.path / ERRORS_FILE

    def errors_path_of(self, rank: int) -> Path:
        """Where one of several processes writes down the samples that it skips."""
        return self.path / f"rank{rank}-{ERRORS_FILE}" if rank else self.errors_path

    def left_out(self) -> list[dict[str, Any]]:
        """The samples and media that could not be read, by all processes, as they were met.

        One may stand there many times: whatever reads it writes it down.
        """
        files = [
            path
            for name in (ERRORS_FILE, _FIRST_ERRORS_FILE)
            for path in (self.path / name, *sorted(self.path.glob(f"rank*-{name}")))
        ]
        rows = [row for path in files for row in read_lines(path)]
        return [row for row in rows if row.get("kind") != NON_FINITE]

    def forget_errors(self) -> None:
        """Drop what an older run in this folder met."""
        for path in (self.errors_path, *self.path.glob(f"rank*-{ERRORS_FILE}")):
            path.unlink(missing_ok=True)

    def write_text(self, name: str, text: str) -> None:
        """Put a small file into the folder, whole or not at all."""
        durable.make_folder(self.path)
        durable.replace_file(self.path / name, text.encode())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process from training in this folder; a kill frees it.

        Raises:
            TrainingError: another process trains here.
        """
        with file_lock.held(self.path / ".lock", wait=False) as free:
            if not free:
                raise TrainingError(
                    "Another process is training in this folder.",
                    where=str(self.path),
                    next_step="Wait for it, or give another --out.",
                )
            yield


def append_line(path: Path, row: dict[str, Any]) -> None:
    """Append one JSON line in one write: a kill tears at most the last line."""
    with path.open("ab") as file:
        file.write((json.dumps(row) + "\n").encode())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a JSONL file; a torn last one is left out."""
    rows = []
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            rows.append(row)
    return rows


def forget_after(path: Path, step: int) -> None:
    """Drop the lines of later steps, which a resumed run writes again."""
    if not path.exists():
        return
    kept = [row for row in read_lines(path) if row.get("step", 0) <= step]
    durable.replace_file(path, "".join(json.dumps(row) + "\n" for row in kept).encode())
