"""The tiny training of tiny_training.py."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

SCRIPT = Path(__file__).with_name("tiny_training.py")


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
    spec = importlib.util.spec_from_file_location("tiny_training", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["tiny_training"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny_media(tiny: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small pictures and sounds."""
    folder = tmp_path_factory.mktemp("tiny") / "media"
    tiny.make_media(folder)
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
def outcome_of(tiny: ModuleType) -> Callable[[Path], Any]:
    """All that must be equal bit for bit after a run that was disturbed."""
    return tiny.outcome
