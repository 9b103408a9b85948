"""An index survives SIGKILL anywhere: what is found afterwards is a prefix of its batches.

The writer of ``killed_writer.py`` is killed at its n-th change of the disk, by the switch of
``tests/faults``: creates, writes (cut in half), links, renames, removals and fsyncs, those of the
Rust inside LanceDB as well as ours.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.disk_switch import KILLED, Served
from tests.index import killed_writer

LAST = 1_200  # the writer makes some more changes than this


@pytest.fixture(scope="module")
def served(switch_library: Path) -> Iterator[Served]:
    server = Served(Path(killed_writer.__file__), switch_library)
    yield server
    server.close()


def check(folder: Path, ended: dict[str, Any]) -> None:
    assert ended["status"] in (0, KILLED)
    killed_writer.check(folder, ended["acknowledged"])


def test_the_batches_do_what_they_should(served: Served, tmp_path: Path) -> None:
    ended = served(tmp_path / "whole")
    batches = len(killed_writer.BATCHES)
    assert (ended["acknowledged"], ended["status"]) == (batches, 0), ended["message"]
    assert ended["changes"] > LAST
    check(tmp_path / "whole", ended)


@pytest.mark.parametrize("change", range(11, LAST, 67))
def test_killed_at_a_change_of_the_disk(served: Served, tmp_path: Path, change: int) -> None:
    ended = served(tmp_path / "index", action="kill", at=change)
    assert ended["status"] == KILLED
    check(tmp_path / "index", ended)


@pytest.mark.slow
def test_killed_at_every_change_of_the_disk(served: Served, tmp_path: Path) -> None:
    for change in range(1, 100_000):
        ended = served(tmp_path / "index", action="kill", at=change)
        check(tmp_path / "index", ended)
        shutil.rmtree(tmp_path / "index")
        if ended["status"] == 0:
            break
    assert change > LAST
