from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from interlingua.errors import LayoutError
from interlingua.layouts.safetensors_file import read_safetensors, write_safetensors


def test_file_and_folder(tmp_path: Path) -> None:
    write_safetensors({"a": torch.ones(2)}, tmp_path)
    for path in (tmp_path, tmp_path / "model.safetensors"):
        assert torch.equal(read_safetensors(path)["a"], torch.ones(2))


def test_missing_and_damaged(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="no file of weights"):
        read_safetensors(tmp_path)
    write_safetensors({"a": torch.ones(2)}, tmp_path)
    file = tmp_path / "model.safetensors"
    for damaged in (file.read_bytes()[:-1], b"", b"\xff" * 64):
        file.write_bytes(damaged)
        with pytest.raises(LayoutError, match="damaged") as caught:
            read_safetensors(tmp_path)
        assert caught.value.where == str(file)


def pieces(folder: Path, placed: object) -> None:
    write_safetensors({"a": torch.ones(2)}, folder / "model-1.safetensors")
    write_safetensors({"b": torch.zeros(1)}, folder / "model-2.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))


def test_pieces_are_read_together(tmp_path: Path) -> None:
    pieces(tmp_path, {"a": "model-1.safetensors", "b": "model-2.safetensors"})
    read = read_safetensors(tmp_path)
    assert set(read) == {"a", "b"}
    assert torch.equal(read["a"], torch.ones(2))


@pytest.mark.parametrize(
    ("placed", "complaint"),
    [
        ({"a": "../model-1.safetensors"}, "not a file of its folder"),
        ({"a": "/etc/passwd"}, "not a file of its folder"),
        ({"a": "..\\model-1.safetensors"}, "not a file of its folder"),
        ({"a": "c:model-1.safetensors"}, "not a file of its folder"),
        ({"a": "model-1.bin"}, "not a file of its folder"),
        ({"a": "model-9.safetensors"}, "no file of weights"),
        ({"c": "model-1.safetensors"}, "disagree about 'c'"),
        ({"a": 3}, "not a file of its folder"),
        ([1], "index of the files of weights is damaged"),
        (None, "index of the files of weights is damaged"),
    ],
)
def test_an_index_that_misleads_is_refused(tmp_path: Path, placed: object, complaint: str) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    write_safetensors({"a": torch.ones(2)}, tmp_path / "model-1.safetensors")
    pieces(folder, placed)
    with pytest.raises(LayoutError, match=complaint) as caught:
        read_safetensors(folder)
    assert str(folder) in str(caught.value.where)


def test_a_pickle_beside_is_pointed_at(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(LayoutError) as caught:
        read_safetensors(tmp_path)
    assert "weights convert" in str(caught.value.next_step)
