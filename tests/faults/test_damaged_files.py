"""Files that are cut, emptied, zeroed, flipped or exchanged, one at a time, wherever they lie.

A checkpoint of a real training and a filled cache: what is damaged is noticed and named, the run
goes on from the step before and ends with the same bits, features are never other ones.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from interlingua.errors import CheckpointError
from interlingua.train.checkpoint import CheckpointStore, load_step, problem_of
from interlingua.train.feature_chunks import ChunkFolder
from tests.faults.disk_switch import Served
from tests.faults.tally import Tally
from tests.train import tiny_training

GOLDEN = Path(__file__).parents[1] / "train" / "golden"


def damages(data: bytes, dense: bool) -> Iterator[tuple[str, bytes]]:
    """Names of damages, and what they make of a file.

    Args:
        data: of the file.
        dense: cut it at more places and flip more of its bits.
    """
    size = len(data)
    yield "emptied", b""
    yield "zeroed", bytes(size)
    yield "a byte longer", data + b"\0"
    yield "twice as long", data + data
    cuts = 48 if dense else 6
    for at in sorted({size * n // cuts for n in range(1, cuts)} | {1, size - 1}):
        yield f"cut at {at}", data[:at]
    for n in range(160 if dense else 12):
        place, bit = n * (8 * size - 1) // (159 if dense else 11) // 8, n % 8
        flipped = bytearray(data)
        flipped[place] ^= 1 << bit
        yield f"bit {bit} of byte {place} flipped", bytes(flipped)
    if size > 4096:  # as a disk loses them
        yield "a block zeroed", data[: size // 2] + bytes(512) + data[size // 2 + 512 :]


def is_harmless(name: str, damaged: bytes, data: bytes) -> bool:
    """A flipped blank in the manifest, whose own checksum is of what it says, not of its bytes."""
    try:
        return name == "manifest.json" and json.loads(damaged) == json.loads(data)
    except ValueError:
        return False


def spoil_each(step: Path, tally: Tally, what: str, dense: bool) -> None:
    """Damage every file of a step in turn; each damage is named with its file."""
    assert problem_of(step) is None
    for path in sorted(step.iterdir()):
        data = path.read_bytes()
        path.unlink()
        told_of(step, path.name, tally, what, "removed")
        for how, damaged in damages(data, dense):
            path.write_bytes(damaged)
            if not is_harmless(path.name, damaged, data):
                told_of(step, path.name, tally, what, how)
        path.write_bytes(data)
    assert problem_of(step) is None


def told_of(step: Path, name: str, tally: Tally, what: str, how: str) -> None:
    with tally.trial(what, f"{name} {how}"):
        assert name in (problem_of(step) or "")
        with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
            load_step(step)


@pytest.mark.parametrize(
    "dense", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_every_file_of_a_checkpoint(
    unbroken: dict[str, Any], tmp_path: Path, tally: Tally, dense: bool
) -> None:
    step = tmp_path / "step-00000011"
    shutil.copytree(unbroken["folder"] / "run" / "steps" / step.name, step)
    names = {path.name for path in step.iterdir()}
    assert names == {
        "model.safetensors", "optimizer.safetensors", "random.safetensors", "state.json",
        "manifest.json",
    }  # fmt: skip
    spoil_each(step, tally, "damaged file of a checkpoint", dense)


def test_every_file_of_a_checkpoint_of_two_processes(tmp_path: Path, tally: Tally) -> None:
    step = tmp_path / "step-00000002"
    shutil.copytree(GOLDEN / "checkpoint-2" / step.name, step)
    assert len(list(step.iterdir())) == 7
    spoil_each(step, tally, "damaged file of a sharded checkpoint", dense=False)


def test_a_whole_file_of_another_step_is_noticed(
    unbroken: dict[str, Any], tmp_path: Path, tally: Tally
) -> None:
    """Every byte of it is good, only it isn't this step's."""
    steps = unbroken["folder"] / "run" / "steps"
    shutil.copytree(steps / "step-00000011", tmp_path / "step-00000011")
    for path in (steps / "step-00000009").iterdir():
        with tally.trial("file of another step", path.name):
            shutil.copy(path, tmp_path / "step-00000011")
            assert path.name in (problem_of(tmp_path / "step-00000011") or "")
            shutil.copy(steps / "step-00000011" / path.name, tmp_path / "step-00000011")
    assert problem_of(tmp_path / "step-00000011") is None


HOWS: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) * 2 // 3],
    "emptied": lambda data: b"",
    "flipped": lambda data: data[:-9] + bytes([data[-9] ^ 8]) + data[-8:],
}
FILES = ("manifest.json", "model.safetensors", "optimizer.safetensors", "random.safetensors",
         "state.json")  # fmt: skip


def go_on(
    served: Served, tally: Tally, unbroken: dict[str, Any], folder: Path, name: str, how: str
) -> None:
    """The run goes on from the step before the damaged one, and ends as if nothing had been."""
    shutil.copytree(unbroken["folder"], folder, symlinks=True)
    path = folder / "run" / "steps" / "step-00000011" / name
    with tally.trial("training resumed beside a damaged file", f"{name} {how}"):
        path.write_bytes(HOWS[how](path.read_bytes()))
        found = CheckpointStore(folder / "run" / "steps").load()
        assert (found.step, len(found.passed_over)) == (9, 1)
        assert f"step-00000011: {name}" in found.passed_over[0]
        answer = served(folder, work="train")
        assert answer["status"] == 0, answer["message"]
        assert tiny_training.outcome(folder) == unbroken["outcome"]
        assert len(list(path.parents[1].glob("damaged-step-00000011-*"))) == 1
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("name", "how"), [("optimizer.safetensors", "flipped"), ("state.json", "emptied")]
)
def test_a_training_goes_on_beside_some(
    served: Served, tally: Tally, unbroken: dict[str, Any], tmp_path: Path, name: str, how: str
) -> None:
    go_on(served, tally, unbroken, tmp_path / "run", name, how)


@pytest.mark.slow
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", FILES)
def test_a_training_goes_on_beside_each(
    served: Served, tally: Tally, unbroken: dict[str, Any], tmp_path: Path, name: str, how: str
) -> None:
    go_on(served, tally, unbroken, tmp_path / "run", name, how)


def test_every_file_of_a_cache(
    unbroken: dict[str, Any], tiny_media: Path, tmp_path: Path, tally: Tally
) -> None:
    """Rows are computed again or read, but never other ones."""
    cache = tmp_path / "cache"
    shutil.copytree(unbroken["folder"] / "cache", cache)
    wanted = tiny_training.fill(tiny_media, cache)
    files = [path for path in sorted(cache.rglob("*")) if path.is_file() and path.name != ".lock"]
    kinds = {path.name.split("-")[0] for path in files}
    assert kinds == {"about.json", "chunk", "digests.jsonl", "plan"}
    for path in files:
        data = path.read_bytes()
        for how, change in {**HOWS, "removed": None}.items():
            with tally.trial("damaged file of a feature cache", f"{path.name} {how}"):
                if change is None:
                    path.unlink()
                else:
                    path.write_bytes(change(data))
                found = tiny_training.fill(tiny_media, cache)
                for view, values in wanted.items():
                    torch.testing.assert_close(found[view], values, rtol=1e-4, atol=1e-5)
                    if path.name.startswith("chunk"):  # computed together as they were
                        assert torch.equal(found[view], values)
        shutil.rmtree(cache)
        shutil.copytree(unbroken["folder"] / "cache", cache)


def test_flipped_bits_of_a_chunk(tmp_path: Path, tally: Tally) -> None:
    """No flipped bit of a chunk passes for a feature."""
    folder = tmp_path / "features"
    shutil.copytree(GOLDEN / "features-1", folder)
    [task] = ChunkFolder(folder).tasks()
    data = task.path.read_bytes()
    good = ChunkFolder(folder).read(task)
    assert good is not None
    for at in range(0, 8 * len(data), 7):
        with tally.trial("flipped bit of a cached chunk", at):
            flipped = bytearray(data)
            flipped[at // 8] ^= 1 << at % 8
            task.path.write_bytes(flipped)
            found = ChunkFolder(folder).read(task)
            if found is not None:  # a blank that pads the header
                assert torch.equal(found.values, good.values)
                assert (found.digests, found.failed) == (good.digests, good.failed)
            else:
                assert not task.path.exists(), "it is computed again"


def test_a_torn_line_of_the_digests(tiny_media: Path, tmp_path: Path, tally: Tally) -> None:
    """What a kill leaves of digests.jsonl costs a look at the files, no more."""
    cache = tmp_path / "cache"
    wanted = tiny_training.fill(tiny_media, cache)
    data = (cache / "digests.jsonl").read_bytes()
    for at in range(0, len(data), len(data) // 24):
        with tally.trial("cut of digests.jsonl", at):
            (cache / "digests.jsonl").write_bytes(data[:at])
            found = tiny_training.fill(tiny_media, cache)
            assert all(torch.equal(found[view], wanted[view]) for view in wanted)
