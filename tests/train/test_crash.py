"""Runs that are killed: at every single write, fsync and rename, and at random moments.

After each kill the run goes on in a new process and must end with the bits of an unbroken run.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

KILLED = -signal.SIGKILL
MakeFolder = Callable[[str], Path]


def test_two_unbroken_runs_are_equal(unbroken: dict[str, Any]) -> None:
    assert unbroken["outcome"] == unbroken["recorded_outcome"]
    assert unbroken["outcome"]["progress"]["step"] == 11


def kill_and_resume(
    children: Any, folder: Path, outcome_of: Callable[[Path], Any], unbroken: Any, **request: Any
) -> None:
    assert children.run(folder, **request) == KILLED
    assert children.run(folder) == 0
    assert outcome_of(folder) == unbroken["outcome"]


def sweep(events: range, children: Any, tiny_folder: MakeFolder, outcome_of: Any, unbroken: Any):
    for number in events:
        folder = tiny_folder(f"crash{number}")
        kill_and_resume(children, folder, outcome_of, unbroken, crash_at=number)


def test_killed_at_some_events(
    children: Any, tiny_folder: MakeFolder, outcome_of: Any, unbroken: dict[str, Any]
) -> None:
    events = range(4, len(unbroken["events"]) + 1, 11)
    sweep(events, children, tiny_folder, outcome_of, unbroken)


@pytest.mark.slow
def test_killed_at_every_event(
    children: Any, tiny_folder: MakeFolder, outcome_of: Any, unbroken: dict[str, Any]
) -> None:
    events = range(1, len(unbroken["events"]) + 1)
    kinds = {kind for kind, _ in unbroken["events"]}
    assert kinds == {"write", "fsync", "rename", "remove"}
    sweep(events, children, tiny_folder, outcome_of, unbroken)


@pytest.mark.slow
def test_killed_again_and_again(
    children: Any, tiny_folder: MakeFolder, outcome_of: Any, unbroken: dict[str, Any]
) -> None:
    """Every process is killed a little later than the one before it, until one comes through."""
    folder = tiny_folder("again")
    kills = 0
    while children.run(folder, crash_at=10 + 3 * kills) == KILLED:
        kills += 1
    assert kills >= 3
    assert outcome_of(folder) == unbroken["outcome"]


def random_kills(
    number_of_kills: int,
    children: Any,
    tiny_folder: MakeFolder,
    outcome_of: Any,
    unbroken: dict[str, Any],
) -> None:
    """A third at a random moment, a third inside a cache fill, a third inside a save."""
    chance = random.Random(20)
    places = [path.split("/")[0] for _, path in unbroken["events"]]
    inside = {
        folder: [number for number, place in enumerate(places, 1) if place == folder]
        for folder in ("cache", "run")
    }
    for number in range(number_of_kills):
        folder = tiny_folder(f"random{number}")
        if number % 3 == 0:
            after = chance.uniform(0, unbroken["seconds"])
            # a child that was quicker than its killer has ended well, which is as good a test
            assert children.run(folder, signal="SIGKILL", after=after) in (KILLED, 0)
            assert children.run(folder) == 0
            assert outcome_of(folder) == unbroken["outcome"]
        else:
            event = chance.choice(inside["cache" if number % 3 == 1 else "run"])
            kill_and_resume(children, folder, outcome_of, unbroken, crash_at=event)


def test_killed_at_6_random_moments(
    children: Any, tiny_folder: MakeFolder, outcome_of: Any, unbroken: dict[str, Any]
) -> None:
    random_kills(6, children, tiny_folder, outcome_of, unbroken)


@pytest.mark.slow
def test_killed_at_20_random_moments(
    children: Any, tiny_folder: MakeFolder, outcome_of: Any, unbroken: dict[str, Any]
) -> None:
    random_kills(20, children, tiny_folder, outcome_of, unbroken)


def test_a_full_disk_leaves_the_last_checkpoint(
    children: Any, tiny_folder: MakeFolder, outcome_of: Any, unbroken: dict[str, Any]
) -> None:
    """The system refuses files over a limit that every checkpoint passes: no room to save."""
    folder = tiny_folder("full")
    last_save = max(n for n, (_, p) in enumerate(unbroken["events"], 1) if "step-00000009" in p)
    assert children.run(folder, crash_at=last_save + 4) == KILLED
    steps = folder / "run" / "steps"
    before = sorted(path.name for path in steps.glob("step-????????"))
    assert before == ["step-00000006", "step-00000009"]
    assert children.run(folder, file_limit=6000) == 70
    assert children.message.startswith("CheckpointError: The checkpoint of step 11 can't be")
    assert children.run(folder, file_limit=100) == 70
    assert children.message.startswith("TrainingError: Nothing more can be written: File too large")
    assert sorted(path.name for path in steps.glob("step-????????")) == before
    assert children.run(folder) == 0
    assert outcome_of(folder) == unbroken["outcome"]


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 10), ("SIGINT", 140)])
def test_a_signal_saves_and_stops(
    name: str,
    status: int,
    children: Any,
    tiny_folder: MakeFolder,
    tmp_path: Path,
) -> None:
    from interlingua.train.checkpoint import CheckpointStore

    folder = tiny_folder("signal")
    ready = tmp_path / "ready"
    assert children.run(folder, ready=str(ready), signal=name, after=0.7) == status
    checkpoint = CheckpointStore(folder / "run" / "steps").load()
    rows = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    trained = [row for row in rows if '"train"' in row]
    assert checkpoint.step == len(trained) >= 1, "every step that was done is in the checkpoint"
