"""The tiny training of tiny_training.py and its media, for the tests of faults as well."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from tests.train import tiny_training


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors this small only wait for a second thread, for seconds where the cores are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """The module tiny_training."""
    return tiny_training


@pytest.fixture(scope="session")
def tiny_media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small pictures and sounds, old enough that their digests are remembered."""
    folder = tmp_path_factory.mktemp("tiny") / "media"
    tiny_training.make_media(folder)
    for path in folder.iterdir():
        os.utime(path, (1_600_000_000, 1_600_000_000))
    return folder


@pytest.fixture()
def tiny_folder(tiny_media: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A new folder that has the media and nothing else yet."""

    def make(name: str) -> Path:
        (tmp_path / name).mkdir()
        (tmp_path / name / "media").symlink_to(tiny_media)
        return tmp_path / name

    return make


@pytest.fixture(scope="session")
def outcome_of() -> Callable[[Path], Any]:
    """All that must be equal bit for bit after a run that was disturbed."""
    return tiny_training.outcome
