"""The server of children, a training that nothing disturbed, and the count of what was tried."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import disk_switch
from tests.faults.disk_switch import Change, Served
from tests.faults.tally import Tally
from tests.train import tiny_training
from tests.train.conftest import one_thread, tiny_folder, tiny_media

__all__ = ["one_thread", "tiny_folder", "tiny_media"]  # fixtures of the tests of faults as well

KEY = pytest.StashKey[Tally]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[KEY] = Tally()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    counts = config.stash[KEY].counts
    if counts:
        terminalreporter.section("faults tried")
        for what, (tried, passed) in sorted(counts.items()):
            terminalreporter.write_line(f"{what}: {tried} tried, {passed} passed")


@pytest.fixture(scope="session")
def tally(request: pytest.FixtureRequest) -> Tally:
    """Counts; the sums are printed at the end of the session."""
    return request.config.stash[KEY]


@pytest.fixture(scope="session")
def served(switch_library: Path) -> Iterator[Served]:
    """One server of children for all tests."""
    server = Served(Path(__file__).with_name("killed_work.py"), switch_library)
    yield server
    server.close()


@pytest.fixture(scope="session")
def unbroken(
    served: Served, tiny_media: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """A training that nothing disturbed: its folder, outcome, changes of the disk, and seconds."""
    folder = tmp_path_factory.mktemp("unbroken")
    (folder / "media").symlink_to(tiny_media)
    record = tmp_path_factory.mktemp("record") / "changes"
    answer = served(folder, work="train", record=record)
    assert answer["status"] == 0, answer["message"]
    changes = [
        Change(one.kind, one.path.relative_to(folder), one.old)
        for one in disk_switch.changes(record)
    ]
    assert len(changes) == answer["changes"]
    return {
        "folder": folder,
        "outcome": tiny_training.outcome(folder),
        "changes": changes,
        "seconds": answer["seconds"],
    }
