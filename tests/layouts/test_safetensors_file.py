from __future__ import annotations

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
