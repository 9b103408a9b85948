"""Saves that two processes make together, disturbed in one of them at each of its changes.

Whatever happened: the other ends too, in words; every step that has its name is whole; both go on
from the newest one, to the bits of a run that nothing disturbed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from interlingua.train.checkpoint import CheckpointStore, problem_of
from interlingua.train.run_folder import read_lines
from tests.faults import disk_switch
from tests.faults.disk_switch import FAILED, KILLED
from tests.faults.tally import Tally, spread
from tests.train.many_processes import Server

STEPS = 3  # each is saved, the second save removes the first
STAGE = {
    "steps": STEPS, "batch_size": 6, "log_every": 1, "checkpoint_every": 1, "ema": 0.8,
    "learning_rate": 1e-2, "epsilon": 1e-3,
}  # fmt: skip
# what hasn't ended after the limit is killed, and isn't FAILED; it is long for a busy machine
PLAN: dict[str, Any] = {"world": 2, "keep": 1, "stages": [STAGE], "timeout": 8, "limit": 120}
KINDS = ("ddp", "fsdp2")  # the main process writes the weights; each writes its part of them


@pytest.fixture(scope="module")
def train(switch_library: Path) -> Iterator[Server]:
    server = Server(switch_library)
    yield server
    server.close()


def outcome(folder: Path) -> Any:
    """All that must be equal bit for bit."""
    checkpoint = CheckpointStore(folder / "run" / "steps").load()
    losses = [row["loss"] for row in trained(folder)]
    return checkpoint.step, checkpoint.digests, checkpoint.state["stream"], losses


def trained(folder: Path) -> list[dict[str, Any]]:
    rows = read_lines(folder / "run" / "metrics.jsonl")
    return [row for row in rows if row["kind"] == "train"]


Unbroken = Callable[[str], tuple[Any, list[int]]]


@pytest.fixture(scope="module")
def unbroken(train: Server, tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    """By kind: the outcome of a run that nothing disturbed, and each process' number of changes."""
    found: dict[str, tuple[Any, list[int]]] = {}

    def of(kind: str) -> tuple[Any, list[int]]:
        if kind not in found:
            changes, outcomes = [], []
            for rank in range(2):
                folder = tmp_path_factory.mktemp(kind)
                record = folder / "changes"
                counted = {"rank": rank, "folder": folder / "run" / "steps", "record": record}
                answer = train(folder, distributed=kind, disturb=counted, **PLAN)
                assert answer["statuses"] == [0, 0], answer
                changes.append(len(disk_switch.changes(record)))
                outcomes.append(outcome(folder))
            assert outcomes[0] == outcomes[1]
            assert outcomes[0][0] == STEPS
            found[kind] = outcomes[0], changes
        return found[kind]

    return of


def check_ended(answer: dict[str, Any], action: str, rank: int) -> None:
    """None ends in silence, but for the one that was killed; the other names it."""
    statuses, messages = answer["statuses"], answer["messages"]
    if action != "refuse once":
        assert statuses[rank] == KILLED, answer
        assert statuses[1 - rank] == FAILED, answer
        assert messages[1 - rank].startswith("TrainingError: Training ends in all processes")
        assert f"rank {rank} (" in messages[1 - rank], answer
    elif statuses != [0, 0]:  # only the last of a stage must be written
        assert statuses == [FAILED, FAILED], answer
        assert all("No space left on device" in message for message in messages), answer


def disturb(train: Server, folder: Path, whole: Any, kind: str, **fault: Any) -> None:
    disturbed = {**fault, "folder": folder / "run" / "steps"}
    answer = train(folder, distributed=kind, disturb=disturbed, **PLAN)
    check_ended(answer, fault["action"], fault["rank"])
    store = CheckpointStore(folder / "run" / "steps")
    steps, done = store.steps(), len(trained(folder))
    assert [problem_of(store.path(step)) for step in steps] == [None] * len(steps)
    if 0 not in answer["statuses"]:  # within the save of the last step that was done
        assert max(steps, default=0) in (done - 1, done)
    again = train(folder, distributed=kind, resume=True, **PLAN)
    assert again["statuses"] == [0, 0], again
    assert outcome(folder) == whole
    if max(steps, default=0) < STEPS:  # a save came after, which tidied up
        assert [path.name for path in store.folder.iterdir()] == [store.path(STEPS).name]
    shutil.rmtree(folder)


WAYS = {
    "kill": "SIGKILL of one of two in a save",
    "power cut": "power cut under one of two in a save",
    "refuse once": "no room for one of two in a save, once",
}


def sweep(
    train: Server, unbroken: Unbroken, tally: Tally, folder: Path, kind: str, action: str,
    rank: int, points: Callable[[int], Sequence[int]],
) -> None:  # fmt: skip
    whole, changes = unbroken(kind)
    last = changes[rank]
    assert last >= 3 * STEPS, "each creates, writes and fsyncs a file in each save"
    for at in points(last):
        with tally.trial(WAYS[action], f"change {at} of {last} of rank {rank}, {kind}"):
            disturb(train, folder / f"at-{at}", whole, kind, action=action, rank=rank, at=at)


@pytest.mark.parametrize("rank", [0, 1])
def test_killed_at_a_change(
    train: Server, unbroken: Unbroken, tally: Tally, tmp_path: Path, rank: int
) -> None:
    sweep(train, unbroken, tally, tmp_path, KINDS[rank], "kill", rank, lambda last: spread(last, 1))


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_every_change(
    train: Server, unbroken: Unbroken, tally: Tally, tmp_path: Path, kind: str, rank: int
) -> None:
    sweep(train, unbroken, tally, tmp_path, kind, "kill", rank, lambda last: range(1, last + 1))


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("action", [way for way in WAYS if way != "kill"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_fifth_change(
    train: Server, unbroken: Unbroken, tally: Tally, tmp_path: Path, kind: str, action: str,
    rank: int,
) -> None:  # fmt: skip
    """Each way begins elsewhere; test_killed_save.py leaves none out, of one process."""
    first = 1 + list(WAYS).index(action) + rank
    sweep(
        train, unbroken, tally, tmp_path, kind, action, rank, lambda last: range(first, last + 1, 5)
    )
