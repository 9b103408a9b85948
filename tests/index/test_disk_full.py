"""An index survives a full disk anywhere: what is found afterwards is a prefix of its batches.

The writer of ``killed_writer.py`` is told "no space left on device" at its n-th change of the disk,
by the switch of ``tests/faults``: there alone, as where another program frees some room just then,
or at all that follow too. Removals always work.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.disk_switch import FAILED, Served, changes
from tests.faults.tally import spread
from tests.index import killed_writer

# the batches of killed_writer that are disturbed: from here, to before here
VERBS = {"new": (0, 1), "append": (5, 6), "compact": (6, 7), "rebuild": (10, 11)}
SAID = ("No space left on device", "was cut short when it was written")
FEW = 2  # changes of each in the quick tests

Begin = Callable[[str, Path], Path]


@pytest.fixture(scope="module")
def served(switch_library: Path) -> Iterator[Served]:
    server = Served(Path(killed_writer.__file__), switch_library)
    yield server
    server.close()


@pytest.fixture(scope="module")
def begin(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Begin:
    """``begin(verb, folder)``: the index as it was before the batch of that verb."""
    made: dict[str, Path] = {}

    def copy(verb: str, folder: Path) -> Path:
        first = VERBS[verb][0]
        if not first:
            return folder
        if verb not in made:
            made[verb] = tmp_path_factory.mktemp(verb) / "index"
            assert served(made[verb], batches=(0, first))["status"] == 0
        shutil.copytree(made[verb], folder)
        return folder

    return copy


def check(folder: Path, ended: dict[str, Any], verb: str) -> None:
    """It ended in words that name the disk, or well, and left what it should."""
    first, last = VERBS[verb]
    if ended["status"] == 0:
        assert ended["acknowledged"] == last - first
    else:
        assert (ended["status"], ended["acknowledged"]) == (FAILED, 0), ended
        assert ended["message"].startswith("SearchIndexError: "), ended
        assert any(words in ended["message"] for words in SAID), ended
    killed_writer.check(folder, first + ended["acknowledged"])


def fill_up(
    served: Served, begin: Begin, folder: Path, verb: str, action: str, count: int | None = None
) -> list[int]:
    """No room at each change of a batch, or at so many of them; gives how they ended."""
    batches = VERBS[verb]
    whole = served(begin(verb, folder / "whole"), batches=batches)
    assert whole["status"] == 0, whole["message"]
    last = whole["changes"]
    points = spread(last, count, seed=len(verb)) if count else range(1, last + 1)
    statuses = []
    for at in points:
        path = begin(verb, folder / f"at-{at}")
        ended = served(path, batches=batches, action=action, at=at)
        statuses.append(ended["status"])
        try:
            check(path, ended, verb)
        except BaseException as error:
            error.add_note(f"{action}: change {at} of {last}")
            raise
        shutil.rmtree(path)
    return statuses


@pytest.mark.parametrize("verb", VERBS)
def test_no_room_from_some_changes_on(
    served: Served, begin: Begin, tmp_path: Path, verb: str
) -> None:
    assert FAILED in fill_up(served, begin, tmp_path, verb, "refuse", FEW)


def test_rows_that_lancedb_lost_without_a_word(served: Served, tmp_path: Path) -> None:
    """The last write of each file of rows, whose failure LanceDB doesn't tell."""
    batches = VERBS["new"]
    assert served(tmp_path / "whole", batches=batches, record=tmp_path / "record")["status"] == 0
    last = {
        change.path: number
        for number, change in enumerate(changes(tmp_path / "record"), 1)
        if change.kind == "write" and change.path.parent.name == "data"
    }
    assert last
    for at in last.values():
        folder = tmp_path / f"at-{at}"
        ended = served(folder, batches=batches, action="refuse once", at=at)
        assert ended["status"] == FAILED
        assert "was cut short when it was written" in ended["message"]
        check(folder, ended, "new")


@pytest.mark.slow
@pytest.mark.parametrize("action", ["refuse", "refuse once"])
@pytest.mark.parametrize("verb", VERBS)
def test_no_room_at_every_change(
    served: Served, begin: Begin, tmp_path: Path, verb: str, action: str
) -> None:
    statuses = fill_up(served, begin, tmp_path, verb, action)
    assert len(statuses) > 40
    assert statuses.count(FAILED) > len(statuses) // 3, "all but removals, and what may be lost"
