"""Files and folders appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from interlingua import durable
from interlingua.errors import DataError, TrainingError


def test_replace_keeps_the_old_file_when_the_new_one_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    durable.replace_file(path, b"old")

    def no_room(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(OSError, match="No space"):
        durable.replace_file(path, b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"old")]


def test_a_folder_appears_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with durable.new_folder(path) as temporary:
        durable.write_file(temporary / "a", b"1")
        assert not path.exists()
    assert (path / "a").read_bytes() == b"1"
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_a_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), durable.new_folder(tmp_path / "folder") as temporary:
        durable.write_file(temporary / "a", b"1")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileExistsError), durable.new_folder(tmp_path / "folder"):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    for _ in range(2):
        durable.make_folder(tmp_path / "a" / "b")
        assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        durable.make_folder(tmp_path / "file" / "a")


def test_leftovers_go_and_nothing_else_does(tmp_path: Path) -> None:
    (tmp_path / "step-00000001.tmp-abc").mkdir()
    (tmp_path / "step-00000001.tmp-abc" / "model").touch()
    (tmp_path / "file.tmp-abc").touch()
    (tmp_path / "step-00000002").mkdir()
    assert durable.remove_leftovers(tmp_path) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000002"]


def test_json_keeps_every_bit_of_a_float() -> None:
    import json

    values = [0.1, 1 / 3, 1e-310, 123456789.123456789]
    assert json.loads(durable.to_json(values)) == values


def test_no_room_is_a_message(tmp_path: Path) -> None:
    with (
        pytest.raises(TrainingError, match="No space left") as caught,
        durable.room_explained(tmp_path),
    ):
        raise OSError(28, "No space left on device")
    assert str(tmp_path) in str(caught.value)
    with pytest.raises(FileNotFoundError), durable.room_explained(tmp_path):
        (tmp_path / "absent").read_bytes()
    with (
        pytest.raises(DataError, match="permissions"),
        durable.room_explained(tmp_path, DataError, every=True),
    ):
        (tmp_path / "absent").read_bytes()


def test_whole_file_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), durable.whole_file(path) as file:
        file.write(b"new")
        raise RuntimeError
    assert [(one.name, one.read_bytes()) for one in tmp_path.glob("file*")] == [("file", b"old")]


def test_a_file_that_grows_appears_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with durable.whole_file(path) as file:
        file.write(b"one ")
        file.write(b"two")
        assert not path.exists()
        assert file.size == 7
    assert path.read_bytes() == b"one two"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
