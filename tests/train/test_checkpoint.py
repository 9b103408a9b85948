"""Checkpoints: verified on load, the previous good one is used loudly, nothing is lost."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest
import torch

from interlingua.errors import CheckpointError
from interlingua.train.checkpoint import CheckpointStore, load_newest, problem_of

FILES = ["model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"]


def tensors_of(step: int) -> dict[str, dict[str, torch.Tensor]]:
    return {
        "model": {
            "weight": torch.full((3, 4), float(step)),
            "half": torch.full((2,), step, dtype=torch.bfloat16),
            "scalar": torch.tensor(step, dtype=torch.int64),
            "transposed": torch.arange(6.0).reshape(2, 3).T,
        },
        "optimizer": {"weight:exp_avg": torch.full((3, 4), step / 3)},
    }


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    """Steps 10 and 20."""
    made = CheckpointStore(tmp_path / "steps", keep=3)
    for step in (10, 20):
        made.save(step, tensors_of(step), {"position": step, "third": step / 3})
    return made


def test_what_was_saved_comes_back(store: CheckpointStore) -> None:
    checkpoint = store.load()
    assert checkpoint.step == 20
    assert checkpoint.state == {"position": 20, "third": 20 / 3}
    assert checkpoint.passed_over == []
    for file, group in tensors_of(20).items():
        assert checkpoint.tensors[file].keys() == group.keys()
        for name, tensor in group.items():
            assert checkpoint.tensors[file][name].dtype == tensor.dtype
            assert torch.equal(checkpoint.tensors[file][name], tensor)


def test_equal_weights_have_equal_digests(store: CheckpointStore, tmp_path: Path) -> None:
    other = CheckpointStore(tmp_path / "other")
    other.save(7, tensors_of(20), {})
    assert other.load().digests["model"] == store.load(20).digests["model"]
    assert store.load(10).digests["model"] != store.load(20).digests["model"]


def test_only_the_newest_stay(store: CheckpointStore) -> None:
    for step in (30, 40, 50):
        store.save(step, tensors_of(step), {})
    assert store.steps() == [30, 40, 50]
    assert sorted(path.name for path in store.folder.iterdir()) == [
        "step-00000030",
        "step-00000040",
        "step-00000050",
    ]


def damage(path: Path, how: str) -> None:
    data = bytearray(path.read_bytes())
    if how == "missing":
        path.unlink()
        return
    if how == "flipped":
        data[len(data) // 2] ^= 4
    elif how == "first bit":
        data[0] ^= 1
    elif how == "last bit":
        data[-1] ^= 128
    elif how == "cut":
        data = data[: len(data) * 2 // 3]
    elif how == "longer":
        data += b"\0"
    elif how == "zeros":
        data = bytearray(len(data))
    elif how == "not UTF-8":
        data = bytearray(b"\xff\xfe\x80") * 40
    elif how == "empty":
        data = bytearray()
    path.write_bytes(data)


HOWS = ["missing", "flipped", "first bit", "last bit", "cut", "longer", "zeros", "empty"]


@pytest.mark.parametrize("how", [*HOWS, "not UTF-8"])
@pytest.mark.parametrize("name", FILES)
def test_damage_falls_back_loudly(
    store: CheckpointStore, name: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    damage(store.path(20) / name, how)
    with caplog.at_level(logging.WARNING):
        checkpoint = store.load()
    assert checkpoint.step == 10
    assert torch.equal(checkpoint.tensors["model"]["weight"], tensors_of(10)["model"]["weight"])
    assert len(checkpoint.passed_over) == 1
    assert "step-00000020" in checkpoint.passed_over[0]
    assert name in checkpoint.passed_over[0]
    assert "damaged and passed over" in caplog.text
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.")) as caught:
        store.load(20)
    assert "step-00000020" in str(caught.value)


def test_flipped_bits_of_the_manifest_are_seen(store: CheckpointStore) -> None:
    path = store.path(20) / "manifest.json"
    original = path.read_bytes()
    for position in range(0, 8 * len(original), 13):
        data = bytearray(original)
        data[position // 8] ^= 1 << (position % 8)
        path.write_bytes(data)
        try:
            harmless = json.loads(bytes(data)) == json.loads(original)  # a changed blank
        except ValueError:
            harmless = False
        assert harmless or problem_of(path.parent), f"bit {position}"


def test_all_damaged_names_every_step(store: CheckpointStore) -> None:
    for step in (10, 20):
        damage(store.path(step) / "model.safetensors", "cut")
    with pytest.raises(CheckpointError, match="Every checkpoint") as caught:
        store.load()
    assert "step-00000010" in str(caught.value)
    assert "step-00000020" in str(caught.value)


def test_no_checkpoint_and_no_run(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint"):
        CheckpointStore(tmp_path / "steps").load()
    with pytest.raises(CheckpointError, match="no such run"):
        load_newest(tmp_path / "absent")
    with pytest.raises(CheckpointError, match="no such folder"):
        load_newest(tmp_path / "steps" / "step-00000007")


def test_load_newest_takes_a_run_or_a_step(store: CheckpointStore) -> None:
    assert load_newest(store.folder.parent).step == 20
    assert load_newest(store.path(10)).step == 10


def test_a_renamed_step_is_refused(store: CheckpointStore) -> None:
    shutil.copytree(store.path(10), store.path(30))
    assert store.load().step == 20


def test_a_later_format_is_refused(store: CheckpointStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlingua.train.checkpoint.FORMAT_VERSION", 3)
    store.save(30, tensors_of(30), {})
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="format version 3"):
        store.load(30)


def test_a_good_step_is_left_and_a_damaged_one_is_written_again(store: CheckpointStore) -> None:
    store.save(20, tensors_of(99), {})
    assert store.load(20).state["position"] == 20
    damage(store.path(20) / "model.safetensors", "flipped")
    store.save(20, tensors_of(99), {"position": 99})
    assert store.load(20).state["position"] == 99
    assert len(list(store.folder.glob("damaged-step-00000020-*"))) == 1


def test_leftovers_of_a_killed_save_are_not_steps_and_go(store: CheckpointStore) -> None:
    leftover = store.folder / "step-00000030.tmp-abcdef01"
    shutil.copytree(store.path(20), leftover)
    assert store.steps() == [10, 20]
    assert store.load().step == 20
    store.save(30, tensors_of(30), {})
    assert not leftover.exists()


def test_old_steps_stay_when_the_new_one_can_not_be_read_back(
    store: CheckpointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that writes other bytes than it was given."""
    from interlingua import durable

    honest = durable.write_file

    def lying(path: Path, data: bytes) -> str:
        digest = honest(path, data)
        if path.name == "model.safetensors":
            damage(path, "flipped")
        return digest

    monkeypatch.setattr(durable, "write_file", lying)
    store.keep = 1
    with pytest.raises(CheckpointError, match=r"step 30 can't be read back: model\.safetensors"):
        store.save(30, tensors_of(30), {})
    assert store.load().step == 20
    assert store.steps() == [10, 20, 30]


def test_nothing_is_pickled(store: CheckpointStore) -> None:
    names = {path.suffix for path in store.folder.rglob("*") if path.is_file()}
    assert names == {".safetensors", ".json"}


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    golden = Path(__file__).parent / "golden" / "checkpoint-2" / "step-00000002"
    for name in ("model-00002-of-00002.safetensors", "model.index.json"):
        step = tmp_path / name / golden.name
        shutil.copytree(golden, step)
        assert problem_of(step) is None
        damage(step / name, "flipped")
        assert name in (problem_of(step) or "")
