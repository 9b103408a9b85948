from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interlingua.errors import LayoutError
from interlingua.layouts.ctranslate2_file import read_ctranslate2, write_ctranslate2

TENSORS = {
    "encoder/a": torch.arange(6, dtype=torch.float16).view(2, 3),
    "encoder/b": torch.tensor(7, dtype=torch.int16),
    "encoder/c": torch.zeros(0, 4),
    "encoder/d": torch.tensor([-1.5], dtype=torch.bfloat16),
    "encoder/é": torch.tensor([1, -1], dtype=torch.int8),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_ctranslate2(TENSORS, tmp_path / "model.bin")
    return tmp_path / "model.bin"


def test_what_is_written_is_read(file: Path) -> None:
    for path in (file, file.parent):
        read = read_ctranslate2(path)
        assert list(read) == sorted(TENSORS)
        for name, tensor in TENSORS.items():
            assert read[name].dtype == tensor.dtype
            assert torch.equal(read[name], tensor)


def test_the_bytes_are_those_of_the_format(tmp_path: Path) -> None:
    write_ctranslate2({"x": torch.tensor([[1.0, 2.0]])}, tmp_path / "model.bin")
    assert (tmp_path / "model.bin").read_bytes() == (
        struct.pack("<I", 6) + struct.pack("<H", 12) + b"WhisperSpec\0"  # version, name
        + struct.pack("<II", 3, 1)  # revision, number of variables
        + struct.pack("<H", 2) + b"x\0" + struct.pack("<BII", 2, 1, 2)  # name, rank, shape
        + struct.pack("<BI", 0, 8) + struct.pack("<ff", 1.0, 2.0)  # float32, its bytes
        + struct.pack("<I", 0)  # aliases
    )  # fmt: skip


def test_aliases_are_read_over(file: Path) -> None:
    alias = struct.pack("<I", 1) + struct.pack("<H", 2) + b"z\0" + struct.pack("<H", 10)
    file.write_bytes(file.read_bytes()[:-4] + alias + b"encoder/a\0")
    assert list(read_ctranslate2(file)) == sorted(TENSORS)
    file.write_bytes(file.read_bytes()[:-2] + b"x\0")
    with pytest.raises(LayoutError, match="alias of a variable that is not there"):
        read_ctranslate2(file)


def test_every_cut_is_noticed(file: Path) -> None:
    data = file.read_bytes()
    for length in range(len(data)):
        file.write_bytes(data[:length])
        with pytest.raises(LayoutError):
            read_ctranslate2(file)


def test_a_tensor_that_claims_terabytes_is_refused_before_allocation(tmp_path: Path) -> None:
    head = struct.pack("<I", 6) + struct.pack("<H", 2) + b"S\0" + struct.pack("<II", 3, 1)
    name = struct.pack("<H", 2) + b"x\0"
    huge = struct.pack("<BIIBI", 2, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0xFFFFFFFF)
    (tmp_path / "model.bin").write_bytes(head + name + huge)
    with pytest.raises(LayoutError, match="bytes for a tensor"):
        read_ctranslate2(tmp_path)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damage_never_gives_another_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "model.bin"
    write_ctranslate2(TENSORS, path)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(raw))
    with contextlib.suppress(LayoutError):
        read_ctranslate2(path)


def test_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="no file of weights") as caught:
        read_ctranslate2(tmp_path)
    assert caught.value.where == str(tmp_path / "model.bin")
    (tmp_path / "model.bin").write_text("<html>not found</html>")
    with pytest.raises(LayoutError, match="version"):
        read_ctranslate2(tmp_path)
