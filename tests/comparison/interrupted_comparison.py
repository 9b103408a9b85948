"""A comparison in a process of its own, to be stopped: ``python interrupted_comparison.py OUT``."""

from __future__ import annotations

import sys
from pathlib import Path

import small_tasks

from interlingua.comparison.engine import compare
from interlingua.errors import Interrupted
from interlingua.train.log import Silent

GIVEN = {"fusions": ("small_tasks:Slow",), "seeds": (0,), "parameters": 20_000, "dropout": "none"}
STEPS = 150


class Said(Silent):
    """Says on standard output how far it is."""

    def work(self, what: str, done: int, total: int) -> None:
        print(done, total, flush=True)


def task() -> small_tasks.SmallTask.Config:
    return small_tasks.SmallTask.Config(steps=STEPS, batch_size=16)


if __name__ == "__main__":
    try:
        compare(task(), out=Path(sys.argv[1]), processes=int(sys.argv[2]), display=Said(), **GIVEN)  # type: ignore[arg-type]
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        sys.exit(stop.exit_code)
