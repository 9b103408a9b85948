"""What ``verify`` finds, and the state of the files that records name."""

import os
import shutil
import zipfile

import numpy as np
import pytest

from interlingua.content import BytesContent, FileContent, ZipContent
from interlingua.index import Index, Record, writing
from interlingua.index.columns import to_arrow
from interlingua.index.files import FileState, compared, state_of

SPACE, WIDTH = "a" * 64, 24


@pytest.fixture
def index(made, tmp_path):
    index = Index.create(tmp_path / "index", SPACE, WIDTH)
    index.add(made.records[:80])
    return index


def add_rows(index, table):
    """Past all checks, as a program that isn't ours might."""
    with index._writing() as writer:
        writer.table.add(table)
        writer.publish()


def test_a_whole_index_passes(index):
    report = index.verify(files=False)
    assert report.passed
    assert (report.rows, report.matrix, dict(report.files)) == (80, 0, {})


@pytest.mark.parametrize(
    ("vector", "what"),
    [(np.ones(WIDTH), "length 4.8990, not 1"), (np.zeros(WIDTH), "length 0.0000"),
     (np.r_[np.inf, np.ones(WIDTH - 1)], "not finite")],
)  # fmt: skip
def test_a_wrong_vector_is_named(index, made, vector, what):
    table = to_arrow([Record("odd", "image", made.vectors[0], path="/odd")], index.info)
    flat = np.asarray(vector, np.float32)
    import pyarrow as pa

    column = pa.FixedSizeListArray.from_arrays(pa.array(flat), WIDTH)
    add_rows(index, table.set_column(table.column_names.index("vector"), "vector", [column]))
    report = Index(index.path).verify()
    assert dict(report.counts) == {"vector": 1}
    (problem,) = report.problems
    assert problem.where == "odd"
    assert what in problem.what


def test_doubles_and_records_that_were_changed_are_named(index, made):
    table = to_arrow([made.records[3]], index.info)
    add_rows(index, table)
    other = to_arrow([Record("other", "image", made.vectors[0])], index.info)
    place = other.column_names.index("key")
    add_rows(index, other.set_column(place, "key", [["renamed"]]))
    report = Index(index.path).verify()
    assert dict(report.counts) == {"double": 1, "record": 1}
    assert {problem.where for problem in report.problems} == {made.records[3].key, "renamed"}


def test_many_problems_are_counted_and_some_named(index, made):
    for _ in range(2):
        add_rows(index, to_arrow(made.records[:40], index.info))
    report = index.verify()
    assert report.counts["double"] == 80
    assert len(report.problems) == 20


def test_the_matrix_is_compared_with_the_table(made, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "MATRIX_FROM", 50)
    index = Index.create(tmp_path / "index", SPACE, WIDTH)
    index.add(made.records[:100])
    assert index.verify().matrix == 100
    # a matrix of another index, whose files are as they were written
    other = Index.create(tmp_path / "other", SPACE, WIDTH)
    other.add(made.records[1:101])
    matrix = index.info.matrix
    shutil.copytree(other.path / other.info.matrix.folder, index.path / "matrix-other")
    swapped = other.info.matrix.model_copy(update={"folder": "matrix-other"})
    index.info.model_copy(update={"matrix": swapped}).write(index.path)
    report = Index(index.path).verify()
    assert not report.passed
    assert set(report.counts) == {"matrix"}
    assert matrix.folder != "matrix-other"


# files


@pytest.fixture
def media(tmp_path, made):
    """An index of four files and a member of an archive, with digests."""
    folder = tmp_path / "media"
    folder.mkdir()
    for name in ("same", "touched", "changed", "gone"):
        (folder / name).write_bytes(name.encode() * 10)
    with zipfile.ZipFile(folder / "pictures.zip", "w") as archive:
        archive.writestr("inside.png", b"bytes")
    contents = [FileContent(folder / name) for name in ("same", "touched", "changed", "gone")]
    contents.append(ZipContent(folder / "pictures.zip", "inside.png"))
    index = Index.create(tmp_path / "index", SPACE, WIDTH)
    states = [state_of(content, with_digest=True) for content in contents]
    index.add(
        Record(
            content.name, "image", made.vectors[n], path=content.name, size=state.size,
            modified=state.modified, digest=state.digest,
        )
        for n, (content, state) in enumerate(zip(contents, states, strict=True))
    )  # fmt: skip
    index.add([Record("elsewhere", "image", made.vectors[9], path=str(folder / "same"))])
    return index, folder


def test_unchanged_files_pass(media):
    index, _ = media
    for report in (index.verify(files=True), index.verify(digests=True)):
        assert report.passed
        assert dict(report.files) == {"unchanged": 5}


def test_changed_files_are_told_from_touched_ones(media):
    index, folder = media
    os.utime(folder / "touched", (10**9, 10**9))
    (folder / "changed").write_bytes(b"CHANGED" * 10)  # as many bytes
    os.utime(folder / "changed", (10**9, 10**9))
    (folder / "gone").unlink()
    report = index.verify(files=True)
    assert dict(report.files) == {"unchanged": 2, "touched": 1, "changed": 1, "missing": 1}
    assert {(one.kind, one.where) for one in report.problems} == {
        ("file changed", str(folder / "changed")),
        ("file missing", str(folder / "gone")),
    }


def test_bytes_that_change_behind_the_time_need_digests(media):
    index, folder = media
    status = (folder / "same").stat()
    (folder / "same").write_bytes(b"SAME" * 10)
    os.utime(folder / "same", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert index.verify(files=True).passed
    report = index.verify(digests=True)
    assert dict(report.counts) == {"file changed": 1}


def test_an_archive_without_its_member(media):
    index, folder = media
    with zipfile.ZipFile(folder / "pictures.zip", "w") as archive:
        archive.writestr("another.png", b"bytes")
    from interlingua import content

    content._OPEN_ZIPS.clear()  # as in another process
    report = index.verify(files=True)
    assert dict(report.counts) == {"file missing": 1}


def test_what_nothing_is_known_of(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    assert compared(str(tmp_path / "a"), FileState()) == "unknown"
    assert compared(str(tmp_path / "b"), FileState()) == "missing"
    assert compared("", FileState()) in ("missing", "unknown")
    assert compared("a\0b", FileState(1)) in ("missing", "unreadable")
    assert compared("x::y", FileState(1)) == "missing"
    assert state_of(BytesContent(b"x")) == FileState()
    assert state_of(FileContent(tmp_path / "b")) == FileState()
    before = state_of(FileContent(tmp_path / "a"))
    (tmp_path / "a").write_bytes(b"xy")
    assert compared(str(tmp_path / "a"), before) == "changed"
