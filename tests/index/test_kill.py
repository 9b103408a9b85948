"""An index survives SIGKILL anywhere: what is found afterwards is a prefix of its batches.

The writer of ``killed_writer.py`` is killed at its n-th change of the disk, by the switch of
``tests/faults``: creates, writes (cut in half), links, renames, removals and fsyncs, those of the
Rust inside LanceDB as well as ours.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interlingua.errors import SearchIndexError
from interlingua.index import Index
from interlingua.index.info import FILE_NAME
from tests.faults.disk_switch import KILLED, Served

HERE = Path(__file__).parent
LAST = 1_200  # the writer makes some more changes than this


@pytest.fixture(scope="module")
def writer():
    """The module killed_writer; its settings of small sizes don't reach this process."""
    spec = importlib.util.spec_from_file_location("killed_writer", HERE / "killed_writer.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        from interlingua.index import writing

        for name in ("ADD_AT_A_TIME", "MATRIX_FROM", "LISTS_FROM"):
            patch.setattr(writing, name, getattr(writing, name))
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def served(switch_library: Path) -> Iterator[Served]:
    server = Served(HERE / "killed_writer.py", switch_library)
    yield server
    server.close()


def check(writer: Any, folder: Path, ended: dict[str, Any]) -> None:
    """What the killed writer left is right, can be searched, and can be written again."""
    assert ended["status"] in (0, KILLED)
    acknowledged = ended["acknowledged"]
    states = writer.states()
    if acknowledged < len(states):
        allowed = states[acknowledged]
    else:
        allowed = [states[-1][-1]]
    if not (folder / FILE_NAME).exists():  # killed before the first batch
        assert acknowledged == 0
        with pytest.raises(SearchIndexError):
            Index(folder)
        Index.create(folder, writer.SPACE, writer.DIMENSION)
        allowed = [{}]
    index = Index(folder, writer.SPACE)
    records = index.records()
    found = writer.told(records)
    assert found in allowed
    assert len(index) == len(found) == len(records)
    if records:
        vectors = np.stack([one.vector for one in records])
        asked = vectors[0] + 0.1
        best = records[int((vectors @ asked).argmax())]
        assert index.search(asked, 1)[0].text == best.text
    report = index.verify()
    assert report.passed, report.problems
    added = writer.record(99)
    index.add([added])
    assert writer.told(Index(folder).records()) == found | writer.told([added])
    index.compact()
    leftovers = [path.name for path in folder.iterdir() if ".tmp-" in path.name]
    assert not leftovers
    assert len(list(folder.glob("records-*"))) == 1
    assert writer.told(Index(folder).records()) == found | writer.told([added])


def test_the_batches_do_what_they_should(writer, served, tmp_path) -> None:
    ended = served(tmp_path / "whole")
    assert (ended["acknowledged"], ended["status"]) == (len(writer.BATCHES), 0), ended["message"]
    assert ended["changes"] > LAST
    check(writer, tmp_path / "whole", ended)


@pytest.mark.parametrize("change", range(11, LAST, 67))
def test_killed_at_a_change_of_the_disk(writer, served, tmp_path, change: int) -> None:
    ended = served(tmp_path / "index", action="kill", at=change)
    assert ended["status"] == KILLED
    check(writer, tmp_path / "index", ended)


@pytest.mark.slow
def test_killed_at_every_change_of_the_disk(writer, served, tmp_path) -> None:
    for change in range(1, 100_000):
        ended = served(tmp_path / "index", action="kill", at=change)
        check(writer, tmp_path / "index", ended)
        shutil.rmtree(tmp_path / "index")
        if ended["status"] == 0:
            break
    assert change > LAST
