"""An index survives SIGKILL anywhere: what is found afterwards is a prefix of its batches.

The writer of ``killed_writer.py`` is killed at its n-th change of the disk, by the library that
``kill_at.c`` makes: creates, writes (cut in half), links, renames, removals and fsyncs, those of
the Rust inside LanceDB as well as ours. Where there is no compiler, it is killed at our own ones.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interlingua.errors import SearchIndexError
from interlingua.index import Index
from interlingua.index.info import FILE_NAME

HERE = Path(__file__).parent
LAST = 1_300  # the writer makes some more changes than this
OUR_POINTS = 250


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


class Served:
    """A process that forks a writer for each request."""

    def __init__(self, library: Path | None):
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        if library is not None:
            environment["LD_PRELOAD"] = str(library)
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "killed_writer.py")], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def __call__(self, **request: Any) -> dict[str, Any]:
        self.process.stdin.write(json.dumps({k: str(v) if k == "folder" else v
                                             for k, v in request.items()}) + "\n")  # fmt: skip
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        return json.loads(line)


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Served]:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    library = tmp_path_factory.mktemp("library") / "kill_at.so"
    if compiler is not None and sys.platform == "linux":
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", library, HERE / "kill_at.c", "-ldl"]
        subprocess.run(command, check=True)
    process = Served(library if library.exists() else None)
    process.has_library = library.exists()
    yield process
    process.process.stdin.close()
    process.process.wait()
    process.process.stdout.close()
    process.process.stderr.close()


def check(writer: Any, folder: Path, ended: dict[str, Any]) -> None:
    """What the killed writer left is right, can be searched, and can be written again."""
    assert ended["status"] in (0, -signal.SIGKILL)
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
    ended = served(folder=tmp_path / "whole", point=10**9)
    assert ended == {"acknowledged": len(writer.BATCHES), "status": 0}
    check(writer, tmp_path / "whole", ended)


@pytest.mark.parametrize("change", range(11, LAST, 83))
def test_killed_at_a_change_of_the_disk(writer, served, tmp_path, change: int) -> None:
    if not served.has_library:
        pytest.skip("there is no C compiler")
    ended = served(folder=tmp_path / "index", change=change)
    assert ended["status"] == -signal.SIGKILL
    check(writer, tmp_path / "index", ended)


@pytest.mark.parametrize("point", range(3, OUR_POINTS, 62))
def test_killed_at_a_write_of_ours(writer, served, tmp_path, point: int) -> None:
    ended = served(folder=tmp_path / "index", point=point)
    assert ended["status"] == -signal.SIGKILL
    check(writer, tmp_path / "index", ended)


@pytest.mark.slow
def test_killed_at_every_change_of_the_disk(writer, served, tmp_path) -> None:
    if not served.has_library:
        pytest.skip("there is no C compiler")
    for change in range(1, 100_000):
        ended = served(folder=tmp_path / "index", change=change)
        check(writer, tmp_path / "index", ended)
        shutil.rmtree(tmp_path / "index")
        if ended["status"] == 0:
            break
    assert change > LAST
