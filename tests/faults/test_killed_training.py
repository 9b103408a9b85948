"""Whole trainings that are disturbed: killed, out of room, signalled, at their changes of the disk.

The cache fill, the saves and the lines of the logs are all part of them. After each fault the run
goes on in a new process and must end with the bits of a run that nothing disturbed.
"""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from interlingua.train.checkpoint import CheckpointStore
from tests.faults.disk_switch import FAILED, KILLED, Served
from tests.faults.tally import Tally, spread
from tests.train.tiny_training import outcome

MakeFolder = Callable[[str], Path]

STOPPED, INTERRUPTED = 10, 140  # by SIGTERM, by Ctrl-C: the step is saved
WAYS: dict[str, dict[str, Any]] = {
    "SIGKILL in a training": {"action": "kill"},
    "power cut in a training": {"action": "power cut"},
    "no room in a training, once": {"action": "refuse once"},
    "no room in a training, from then on": {"action": "refuse"},
    "SIGTERM in a training": {"action": "signal", "signal": "SIGTERM"},
    "Ctrl-C in a training": {"action": "signal", "signal": "SIGINT"},
}


def test_two_unbroken_runs_are_equal(
    served: Served, tiny_folder: MakeFolder, unbroken: dict[str, Any]
) -> None:
    folder = tiny_folder("again")
    assert served(folder, work="train")["changes"] == len(unbroken["changes"])
    assert outcome(folder) == unbroken["outcome"]
    assert unbroken["outcome"]["progress"]["step"] == 11


def check_ended(way: str, answer: dict[str, Any]) -> None:
    """It ended as it should have: in words, not with a traceback, and not in silence."""
    status, message = answer["status"], answer["message"]
    if "SIGKILL" in way or "power" in way:
        assert status == KILLED
    elif "room" in way:
        # a save that isn't the last one is made up for by the next
        assert status == 0 or (status == FAILED and "No space left on device" in message), answer
        assert status == 0 or message.startswith(("TrainingError", "CheckpointError")), message
    elif "SIGTERM" in way:  # before the training watches for it, it ends the process
        assert status in (0, STOPPED, -signal.SIGTERM), answer
    else:
        early = status == FAILED and message.startswith("KeyboardInterrupt")
        assert status in (0, INTERRUPTED) or early, answer


def disturb(
    served: Served, folder: Path, unbroken: dict[str, Any], way: str, at: int
) -> dict[str, Any]:
    answer = served(folder, work="train", at=at, **WAYS[way])
    check_ended(way, answer)
    steps = folder / "run" / "steps"
    if steps.is_dir():
        store = CheckpointStore(steps)
        if store.steps():
            assert store.load().passed_over == [], "a step that has its name is whole"
        if answer["status"] in (STOPPED, INTERRUPTED):
            trained = [row for row in outcome(folder)["metrics"] if row["kind"] == "train"]
            assert store.steps()[-1] == len(trained), "every step that was done is saved"
    again = served(folder, work="train")
    assert again["status"] == 0, again["message"]
    assert outcome(folder) == unbroken["outcome"]
    shutil.rmtree(folder)
    return answer


def sweep(
    served: Served, tally: Tally, make: MakeFolder, unbroken: Any, way: str, points: Sequence[int]
) -> None:
    for at in points:
        with tally.trial(way, f"change {at} of {len(unbroken['changes'])}"):
            disturb(served, make(f"at{at}"), unbroken, way, at)


def inside_saves(unbroken: dict[str, Any]) -> list[int]:
    """The changes that a save makes."""
    places = enumerate((one.path.parts[:2] for one in unbroken["changes"]), 1)
    return [number for number, place in places if place == ("run", "steps")]


@pytest.mark.parametrize("way", WAYS)
def test_some_changes(
    served: Served, tally: Tally, tiny_folder: MakeFolder, unbroken: Any, way: str
) -> None:
    saves = inside_saves(unbroken)
    points = [saves[at - 1] for at in spread(len(saves), 2, seed=len(way))]
    sweep(served, tally, tiny_folder, unbroken, way, points)


def test_no_room_for_the_folder_of_the_run(
    served: Served, tally: Tally, tiny_folder: MakeFolder, unbroken: Any
) -> None:
    """Its making, its fsync and its lock: a message, before there is anything of a run."""
    paths = [one.path.as_posix() for one in unbroken["changes"]]
    first = paths.index("run") + 1
    assert paths.index("run/.lock") + 1 == first + 2
    way = "no room in a training, once"
    sweep(served, tally, tiny_folder, unbroken, way, range(first, first + 3))


@pytest.mark.slow
def test_killed_at_every_change(
    served: Served, tally: Tally, tiny_folder: MakeFolder, unbroken: Any
) -> None:
    points = range(1, len(unbroken["changes"]) + 1)
    sweep(served, tally, tiny_folder, unbroken, "SIGKILL in a training", points)


@pytest.mark.slow
@pytest.mark.parametrize("way", [way for way in WAYS if "SIGKILL" not in way])
def test_every_fifth_change(
    served: Served, tally: Tally, tiny_folder: MakeFolder, unbroken: Any, way: str
) -> None:
    """Each way begins elsewhere; test_killed_save.py and test_killed_fill.py leave none out."""
    first = list(WAYS).index(way)
    points = range(first, len(unbroken["changes"]) + 1, 5)
    sweep(served, tally, tiny_folder, unbroken, way, points)


@pytest.mark.slow
def test_killed_again_and_again(
    served: Served, tiny_folder: MakeFolder, unbroken: dict[str, Any]
) -> None:
    """Every process is killed a little later than the one before it, until one comes through."""
    folder = tiny_folder("again")
    kills = 0
    while served(folder, work="train", action="kill", at=20 + 7 * kills)["status"] == KILLED:
        kills += 1
    assert kills >= 3
    assert outcome(folder) == unbroken["outcome"]


@pytest.mark.slow
def test_killed_at_random_moments(
    served: Served, tally: Tally, tiny_folder: MakeFolder, unbroken: dict[str, Any]
) -> None:
    chance = random.Random(20)
    for number in range(20):
        folder = tiny_folder(f"random{number}")
        after = chance.uniform(0, unbroken["seconds"])
        with tally.trial("SIGKILL at a random moment of a training", f"{after} s"):
            # a child that was quicker than its killer has ended well, which is as good a test
            ended = served(folder, work="train", send="SIGKILL", after=after)
            assert ended["status"] in (KILLED, 0)
            assert served(folder, work="train")["status"] == 0
            assert outcome(folder) == unbroken["outcome"]


def test_ctrl_c_twice_in_a_save_leaves_nothing_half(
    served: Served, tally: Tally, tiny_folder: MakeFolder, unbroken: dict[str, Any]
) -> None:
    """The second Ctrl-C stops the run at once, wherever it is."""
    saves = inside_saves(unbroken)
    for at in spread(len(saves), 2, seed=5):
        folder = tiny_folder(f"twice{at}")
        with tally.trial("Ctrl-C twice in a save", at):
            answer = served(
                folder, work="train", action="signal twice", signal="SIGINT", at=saves[at - 1]
            )
            assert answer["status"] in (FAILED, INTERRUPTED), answer
            store = CheckpointStore(folder / "run" / "steps")
            assert not store.steps() or store.load().passed_over == []
            assert served(folder, work="train")["status"] == 0
            assert outcome(folder) == unbroken["outcome"]


def test_a_file_that_the_system_refuses(
    served: Served, tiny_folder: MakeFolder, unbroken: dict[str, Any]
) -> None:
    """A limit of the system that every checkpoint passes, instead of the switch."""
    folder = tiny_folder("full")
    last = max(
        number
        for number, one in enumerate(unbroken["changes"], 1)
        if "step-00000009" in one.path.name
    )
    assert served(folder, work="train", action="kill", at=last + 4)["status"] == KILLED
    steps = folder / "run" / "steps"
    before = sorted(path.name for path in steps.glob("step-????????"))
    assert before == ["step-00000006", "step-00000009"]
    answer = served(folder, work="train", file_limit=6000)
    assert answer["status"] == FAILED
    assert answer["message"].startswith("CheckpointError: The checkpoint of step 11 can't be")
    answer = served(folder, work="train", file_limit=100)
    assert answer["status"] == FAILED
    assert answer["message"].startswith(
        "TrainingError: Nothing more can be written: File too large"
    )
    assert sorted(path.name for path in steps.glob("step-????????")) == before
    assert served(folder, work="train")["status"] == 0
    assert outcome(folder) == unbroken["outcome"]


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", STOPPED), ("SIGINT", INTERRUPTED)])
def test_a_signal_at_any_moment_saves_and_stops(
    served: Served, name: str, status: int, tiny_folder: MakeFolder
) -> None:
    folder = tiny_folder("signal")
    ready = folder / "run" / "metrics.jsonl"
    answer = served(folder, work="train", steps=100_000, ready=ready, send=name, after=0.2)
    assert answer["status"] == status
    step = CheckpointStore(folder / "run" / "steps").load().step
    rows = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    trained = [row for row in rows if '"train"' in row]
    assert step == len(trained) >= 1, "every step that was done is in the checkpoint"
