"""Saves that are killed at each of their changes of the disk, and saves that find no room.

Whatever happened: every step that has its name is whole, the newest good one is the last that was
acknowledged or the one after it, and the next save goes well and tidies up.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from interlingua.errors import CheckpointError
from interlingua.train.checkpoint import CheckpointStore, problem_of
from tests.faults.disk_switch import KILLED, Served
from tests.faults.killed_work import KEEP, state_of, tensors_of
from tests.faults.tally import Tally, spread

STEPS = (10, 20, 30, 40)  # the third removes the first
AGAIN = (30, 40, 50)  # 30 is there and good; 40 is there and damaged; 50 removes an old one
DAMAGED = 40


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with good steps, a damaged one, and what a killed save left."""
    folder = tmp_path_factory.mktemp("begun")
    store = CheckpointStore(folder / "steps", keep=3)
    for step in (20, 30, DAMAGED):
        store.save(step, tensors_of(step), state_of(step))
    leftover = store.folder / "step-00000050.tmp-0123abcd"
    shutil.copytree(store.path(30), leftover)
    weights = store.path(DAMAGED) / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-100] ^= 1
    weights.write_bytes(data)
    return folder


def start(folder: Path, begun: Path | None) -> Path:
    if begun is not None:
        shutil.copytree(begun, folder)
    else:
        folder.mkdir()
    return folder


def scenario(begun: Path | None) -> tuple[int, ...]:
    return AGAIN if begun is not None else STEPS


def check(folder: Path, done: list[int], under_way: list[int], good_before: int) -> None:
    """What is left is right, and goes on.

    Args:
        folder: of the run.
        done: steps whose save was acknowledged.
        under_way: those that may be there as well.
        good_before: good steps at the beginning.
    """
    store = CheckpointStore(folder / "steps", keep=KEEP)
    problems = {step: problem_of(store.path(step)) for step in store.steps()}
    good = [step for step, problem in problems.items() if problem is None]
    bad = {step: problem for step, problem in problems.items() if problem is not None}
    assert set(bad) <= ({DAMAGED} if good_before else set()), bad
    assert len(good) >= min(KEEP, good_before + len(done))
    if done:
        assert max(good) in {max(done), *under_way}
    for step in good:
        found = store.load(step)
        assert found.state == state_of(step)
        for group, tensors in tensors_of(step).items():
            for name, tensor in tensors.items():
                assert torch.equal(found.tensors[group][name], tensor)
    if good:
        assert store.load().step == max(good)
    else:
        with pytest.raises(CheckpointError):
            store.load()
    for step in (60, 70):
        store.save(step, tensors_of(step), state_of(step))
    assert store.steps() == [60, 70]
    names = {path.name for path in store.folder.iterdir() if "damaged-" not in path.name}
    assert names == {"step-00000060", "step-00000070"}, "nothing is left lying about"


def changes_of(served: Served, folder: Path, begun: Path | None) -> int:
    start(folder, begun)
    answer = served(folder, work="save", steps=scenario(begun))
    assert answer["status"] == 0, answer["message"]
    assert (answer["acknowledged"], answer["refused"]) == (len(scenario(begun)), [])
    check(folder, list(scenario(begun)), [], 2 if begun else 0)
    return answer["changes"]


def kill(served: Served, folder: Path, begun: Path | None, action: str, at: int) -> None:
    steps = scenario(begun)
    start(folder, begun)
    answer = served(folder, work="save", steps=steps, action=action, at=at)
    assert answer["status"] == KILLED
    done = answer["acknowledged"]
    check(folder, list(steps[:done]), list(steps[done : done + 1]), 2 if begun else 0)
    shutil.rmtree(folder)


def refuse(served: Served, folder: Path, begun: Path | None, action: str, at: int) -> None:
    steps = scenario(begun)
    start(folder, begun)
    answer = served(folder, work="save", steps=steps, action=action, at=at)
    assert answer["status"] == 0, answer["message"]
    refused = dict(answer["refused"])
    for message in refused.values():
        assert "No space left on device" in message
    if action == "refuse once":
        assert len(refused) <= 1
    done = [step for step in steps if step not in refused]
    check(folder, done, list(refused), 2 if begun else 0)
    shutil.rmtree(folder)


WAYS: dict[str, Any] = {
    "kill": ("SIGKILL in a save", kill),
    "power cut": ("power cut in a save", kill),
    "refuse once": ("no room in a save, once", refuse),
    "refuse": ("no room in a save, from then on", refuse),
}


@pytest.mark.parametrize("start_with", ["nothing", "damage"])
@pytest.mark.parametrize("action", WAYS)
def test_some_changes(
    served: Served, begun: Path, tally: Tally, tmp_path: Path, action: str, start_with: str
) -> None:
    sweep(served, begun, tally, tmp_path, action, start_with, count=4)


@pytest.mark.slow
@pytest.mark.parametrize("start_with", ["nothing", "damage"])
@pytest.mark.parametrize("action", WAYS)
def test_every_change(
    served: Served, begun: Path, tally: Tally, tmp_path: Path, action: str, start_with: str
) -> None:
    sweep(served, begun, tally, tmp_path, action, start_with)


def sweep(
    served: Served, begun: Path, tally: Tally, tmp_path: Path, action: str, start_with: str,
    count: int | None = None,
) -> None:  # fmt: skip
    before = begun if start_with == "damage" else None
    last = changes_of(served, tmp_path / "whole", before)
    assert last > 60, "each save writes six files, the manifest and the names"
    what, fault = WAYS[action]
    for at in spread(last, count, seed=len(action)) if count else range(1, last + 1):
        with tally.trial(what, f"change {at} of {last}, beginning with {start_with}"):
            fault(served, tmp_path / f"at-{at}", before, action, at)
