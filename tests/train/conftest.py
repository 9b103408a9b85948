"""The tiny training of tiny_training.py, in this process and in children that may be killed."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
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


class Children:
    """Trainings in processes of their own; ``run`` gives the exit status, negative = killed.

    Attributes:
        seconds: that the last child took.
        message: of the error that ended it, if one did.
    """

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.seconds = 0.0
        self.message = ""

    def run(self, folder: Path, **request: Any) -> int:
        self.process.stdin.write(json.dumps({"folder": str(folder), **request}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        self.seconds, self.message = answer["seconds"], answer["message"]
        return answer["status"]


@pytest.fixture(scope="session")
def children() -> Iterator[Children]:
    """One server of children for all tests."""
    server = Children()
    yield server
    server.process.stdin.close()
    server.process.wait()


@pytest.fixture(scope="session")
def unbroken(
    children: Children, tiny_media: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """A run that nothing disturbed: its folder, what it came to, its write events, its seconds."""
    folder = tmp_path_factory.mktemp("unbroken")
    (folder / "media").symlink_to(tiny_media)
    assert children.run(folder) == 0
    seconds = children.seconds
    recorded = folder.parent / "recorded"
    shutil.rmtree(recorded, ignore_errors=True)
    recorded.mkdir()
    (recorded / "media").symlink_to(tiny_media)
    assert children.run(recorded, record=str(folder / "events")) == 0
    events = [json.loads(line) for line in (folder / "events").read_text().splitlines()]
    return {
        "folder": folder,
        "outcome": outcome(folder),
        "recorded_outcome": outcome(recorded),
        "events": [(kind, str(Path(path).relative_to(recorded))) for kind, path in events],
        "seconds": seconds,
    }


@pytest.fixture(scope="session")
def outcome_of() -> Callable[[Path], Any]:
    """See ``outcome``."""
    return outcome


def outcome(folder: Path) -> Any:
    """All that must be equal bit for bit: weights, optimizer, losses of every step, figures."""
    from interlingua.train.checkpoint import CheckpointStore
    from interlingua.train.run_folder import read_lines

    checkpoint = CheckpointStore(folder / "run" / "steps").load()
    timing = {"seconds", "rate", "peak_memory"}
    rows = [
        {key: value for key, value in row.items() if key not in timing}
        for row in read_lines(folder / "run" / "metrics.jsonl")
    ]
    progress = {**checkpoint.state["progress"], "seconds": 0}
    return {
        "digests": checkpoint.digests,
        "metrics": rows,
        "progress": progress,
        "stream": checkpoint.state["stream"],
    }
