"""Writing shards: the same bytes each time, whole or not there, resumed after a kill anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlingua.content import BytesContent, FileContent
from interlingua.data.shards import write
from interlingua.data.shards.index_file import from_bytes
from interlingua.data.shards.whole_file import whole_file
from interlingua.data.shards.write import write_shards
from interlingua.data.source import ListSource, count_reasons
from interlingua.data.sources.shards import Shards
from interlingua.errors import DataError
from interlingua.sample import Audio, Image, Label, Meta, OneOf, Sample, Text


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def opened(folder: Path) -> Shards:
    return Shards(Shards.Config(paths=[str(folder)]))


def same(one: Sample, other: Sample) -> None:
    """Two samples say the same, whatever they are called after and wherever their bytes are."""
    assert (one.key, one.kind) == (other.key, other.kind)
    for name in ("group", "licence", "component", "name"):
        assert getattr(one.meta, name) == getattr(other.meta, name)
    assert len(one.parts) == len(other.parts)
    for mine, theirs in zip(one.parts, other.parts, strict=True):
        assert isinstance(mine, OneOf) == isinstance(theirs, OneOf)
        if isinstance(mine, OneOf):
            assert mine.weights == theirs.weights
    for mine, theirs in zip(one.all_parts(), other.all_parts(), strict=True):
        assert type(mine) is type(theirs)
        names = {"role", "text", "language", "use", "transcript", "name"}
        for name in names & set(type(mine).__slots__):
            assert getattr(mine, name) == getattr(theirs, name)
        if isinstance(mine, Image | Audio):
            assert mine.content.read() == theirs.content.read()


def test_every_sample_comes_back(things, tmp_path: Path) -> None:
    source = things(20)
    written = write_shards(source, tmp_path / "a", samples_per_shard=7)
    assert (written.shards, written.samples, written.before) == (3, 20, 0)
    shards = opened(tmp_path / "a")
    assert (len(shards), shards.shard_sizes, shards.problems) == (20, [7, 7, 6], [])
    for one, other in zip(shards, source, strict=True):
        same(one, other)
    same(shards[-1], source[-1])
    with pytest.raises(IndexError):
        shards[20]


words = st.text(max_size=20)
parts = st.one_of(
    st.builds(Text, words, st.none() | words, st.sampled_from(["given", "target"])),
    st.builds(Label, words, st.sampled_from(["given", "target"])),
)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_words_come_back(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    keys = data.draw(st.lists(words.filter(bool), min_size=1, max_size=5, unique=True))
    samples = []
    for key in keys:
        given_parts = tuple(data.draw(st.lists(parts, min_size=1, max_size=4)))
        meta = Meta(group=data.draw(words), component=data.draw(st.none() | st.integers(0, 9)))
        samples.append(Sample(key, given_parts, kind="sequence", meta=meta))
    folder = tmp_path_factory.mktemp("words") / "out"
    written = write_shards(ListSource("words", samples), folder)
    assert written.samples == len(keys)
    for one, other in zip(opened(folder), samples, strict=True):
        same(one, other)


def test_alternative_pictures_and_both_sounds(picture, sound, tmp_path: Path) -> None:
    jpeg = b"\xff\xd8\xff\xe0" + b"jpeg"  # what kind it is shows in the first bytes
    pictures = OneOf((Image(BytesContent(picture(1))), Image(BytesContent(jpeg))), (0.5, 2.0))
    sounds = (
        Audio(BytesContent(sound(1)), "sound"),
        Audio(BytesContent(sound(2)), "speech", "de", "zwei", "target"),
    )
    sample = Sample("dog", (pictures, *sounds))
    write_shards(ListSource("one", [sample]), tmp_path / "a")
    same(opened(tmp_path / "a")[0], sample)
    index = from_bytes((tmp_path / "a" / "one-000000.tar.index.jsonl").read_bytes(), "")
    assert [one.ending for one in index.places(0)] == ["1.jpg", "1.wav", "json", "png", "wav"]


def test_the_same_source_gives_the_same_bytes(things, tmp_path: Path) -> None:
    for name in "ab":
        write_shards(things(12), tmp_path / name, samples_per_shard=5)
    assert files(tmp_path / "a") == files(tmp_path / "b")


@pytest.mark.parametrize("kilobytes", [1, 8, 20, 10_000])
def test_no_shard_is_larger_than_asked_for(things, tmp_path: Path, kilobytes: int) -> None:
    written = write_shards(things(12), tmp_path / "a", megabytes=kilobytes / 1000)
    sizes = [path.stat().st_size for path in (tmp_path / "a").glob("*.tar")]
    one_each = kilobytes == 1  # a sample larger than that is a shard of its own
    assert max(sizes) <= 1000 * kilobytes or one_each
    assert (written.samples, sum(sizes)) == (12, written.num_bytes)
    assert written.shards == {1: 12, 10_000: 1}.get(kilobytes, written.shards)
    assert [one.key for one in opened(tmp_path / "a")] == [one.key for one in things(12)]


def test_a_finished_folder_is_left_as_it_is(things, tmp_path: Path) -> None:
    write_shards(things(12), tmp_path / "a", samples_per_shard=5)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").glob("*.tar*")}
    written = write_shards(things(12), tmp_path / "a", samples_per_shard=5)
    assert (written.shards, written.samples, written.before) == (3, 12, 3)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "a").glob("*.tar*")} == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda things: (things(13), 5), "source_samples"),
        (lambda things: (things(12), 4), "max_samples"),
        (lambda things: (ListSource("other", list(things(12))), 5), "source"),
        (lambda things: (ListSource("things", list(things(12))[::-1]), 5), "another order"),
    ],
)
def test_a_folder_of_something_else_is_refused(things, tmp_path: Path, change, words) -> None:
    write_shards(things(12), tmp_path / "a", samples_per_shard=5, name="x")
    source, samples = change(things)
    with pytest.raises(DataError, match=words):
        write_shards(source, tmp_path / "a", samples_per_shard=samples, name="x")


def test_shards_of_others_are_not_mixed_with(things, tar, tmp_path: Path) -> None:
    tar(tmp_path / "a" / "x.tar", [("dog.png", b"1")])
    with pytest.raises(DataError, match="not written by this program"):
        write_shards(things(2), tmp_path / "a")


def test_a_second_writer_is_refused(things, tmp_path: Path) -> None:
    from interlingua import file_lock

    (tmp_path / "a").mkdir()
    with (
        file_lock.held(tmp_path / "a" / ".lock", wait=False),
        pytest.raises(DataError, match="Another process"),
    ):
        write_shards(things(2), tmp_path / "a")


def test_what_cant_be_read_is_left_out_and_counted(picture, tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(b"x")
    (tmp_path / "page.jpg").write_text("<!doctype html><title>404</title>")
    (tmp_path / "empty.png").touch()
    (tmp_path / "good.png").write_bytes(picture(1))
    contents = [
        FileContent(tmp_path / name)
        for name in ("one.png", "good.png", "page.jpg", "empty.png", "gone.png")
    ]
    samples = [Sample(one.path.name, (Image(one),)) for one in contents]
    samples += [Sample("again", (Text("first"),)), Sample("again", (Text("second"),))]
    written = write_shards(ListSource("mixed", samples), tmp_path / "a")
    assert written.samples == 2
    reasons = count_reasons(written.left_out)
    assert reasons == {
        "not_an_image": 2, "empty": 1, "missing": 1, "a key that was used before": 1
    }  # fmt: skip
    again = write_shards(ListSource("mixed", samples), tmp_path / "a")
    assert count_reasons(again.left_out) == reasons
    shards = opened(tmp_path / "a")
    assert ([one.key for one in shards], shards.problems) == (["good.png", "again"], [])


def test_nothing_to_write(tmp_path: Path) -> None:
    samples = [Sample("a", (Image(FileContent(tmp_path / "gone.png")),))]
    with pytest.raises(DataError, match="No sample of none can be written: 1× missing"):
        write_shards(ListSource("none", samples), tmp_path / "a")
    with pytest.raises(DataError, match="it has none"):
        write_shards(ListSource("none", []), tmp_path / "b")


def test_a_shard_that_is_gone_is_missed(things, tmp_path: Path) -> None:
    write_shards(things(12), tmp_path / "a", samples_per_shard=5)
    (tmp_path / "a" / "things-000001.tar").unlink()
    shards = opened(tmp_path / "a")
    assert (len(shards), count_reasons(shards.problems)) == (7, {"a shard is missing": 1})
    with pytest.raises(DataError, match="not whole"):
        Shards(Shards.Config(paths=[str(tmp_path / "a")], strict=True))


def test_a_full_disk_is_a_message_and_leaves_nothing_half(
    things, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from interlingua.data.shards import whole_file

    def no_room(kind: str, path: Path) -> None:
        if kind == "fsync" and path.name == "things-000001.tar":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(whole_file, "crash_point", no_room)
    with pytest.raises(DataError, match="No space left"):
        write_shards(things(12), tmp_path / "a", samples_per_shard=5)
    monkeypatch.undo()
    assert sorted(path.name for path in (tmp_path / "a").glob("*.tar*")) == [
        "things-000000.tar", "things-000000.tar.index.jsonl"
    ]  # fmt: skip
    written = write_shards(things(12), tmp_path / "a", samples_per_shard=5)
    assert (written.shards, written.before) == (3, 1)


def test_whole_file_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), whole_file(path) as file:
        file.write(b"new")
        raise RuntimeError
    assert [(one.name, one.read_bytes()) for one in tmp_path.glob("file*")] == [("file", b"old")]


CHILD = """
import json, os, signal, sys
from pathlib import Path
from interlingua.content import BytesContent
from interlingua.data.shards import whole_file
from interlingua.data.shards.index_file import ENDING, from_bytes
from interlingua.data.shards.write import write_shards
from interlingua.data.source import ListSource
from interlingua.sample import Image, Sample, Text

PNG = b"\\x89PNG\\r\\n\\x1a\\n"
samples = [
    Sample(f"k{n}", (Image(BytesContent(PNG + bytes([n]) * 700)), Text(f"text {n}")))
    for n in range(7)
]
root = Path(sys.argv[1])

def fill(folder):
    return write_shards(ListSource("killed", samples), folder, samples_per_shard=3)

def files(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name != ".lock"}

fill(root / "unbroken")
wanted = files(root / "unbroken")
kinds, killed = {}, 0
while True:
    folder = root / f"at{killed}"
    child = os.fork()
    if not child:
        os.environ["INTERLINGUA_CRASH_AT"] = str(killed + 1)
        os.dup2(os.open(str(root / "said"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        fill(folder)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status == 0:
        break
    assert os.WTERMSIG(status) == signal.SIGKILL
    said = (root / "said").read_text().split()
    kinds[said[3]] = kinds.get(said[3], 0) + 1
    for name, data in files(folder).items():  # a name that is there has all its bytes
        if ".tmp-" not in name and name != "_shards.json":
            assert data == wanted[name], name
    fill(folder)
    assert files(folder) == wanted, killed
    killed += 1
print(json.dumps({"killed": killed, "kinds": kinds}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_every_write_fsync_and_rename(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(write.__file__).parents[3])}
    ended = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        capture_output=True, text=True, env=environment, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    counted = json.loads(ended.stdout)
    assert set(counted["kinds"]) == {"write", "fsync", "rename"}
    assert counted["killed"] > 40
