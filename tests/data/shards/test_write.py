"""Writing shards: the same bytes each time, whole or not there, resumed after a kill anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlingua import durable
from interlingua.content import BytesContent, FileContent
from interlingua.data.shards.index_file import from_bytes
from interlingua.data.shards.write import write_shards
from interlingua.data.source import ListSource, count_reasons
from interlingua.data.sources.shards import Shards
from interlingua.errors import DataError
from interlingua.sample import Audio, Image, Label, Meta, OneOf, Sample, Text
from tests.data.shards import killed_writer
from tests.faults.disk_switch import KILLED, Served, changes


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
    honest = durable.GrowingFile.finish

    def finish(self: durable.GrowingFile) -> None:
        if self.path.name == "things-000001.tar":
            raise OSError(28, "No space left on device")
        honest(self)

    monkeypatch.setattr(durable.GrowingFile, "finish", finish)
    with pytest.raises(DataError, match="No space left"):
        write_shards(things(12), tmp_path / "a", samples_per_shard=5)
    monkeypatch.undo()
    assert sorted(path.name for path in (tmp_path / "a").glob("*.tar*")) == [
        "things-000000.tar", "things-000000.tar.index.jsonl"
    ]  # fmt: skip
    written = write_shards(things(12), tmp_path / "a", samples_per_shard=5)
    assert (written.shards, written.before) == (3, 1)


def without_lock(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in files(folder).items() if name != ".lock"}


@pytest.mark.parametrize("action", ["kill", "power cut"])
def test_killed_at_every_change_of_the_disk(
    switch_library: Path, tmp_path: Path, action: str
) -> None:
    served = Served(Path(killed_writer.__file__), switch_library)
    record = tmp_path / "changes"
    killed_writer.fill(tmp_path / "unbroken")
    wanted = without_lock(tmp_path / "unbroken")
    assert served(tmp_path / "recorded", record=record)["status"] == 0
    kinds = {one.kind for one in changes(record)}
    assert kinds == {"mkdir", "create", "write", "fsync", "rename"}
    killed = 0
    while True:
        folder = tmp_path / f"at{killed}"
        ended = served(folder, action=action, at=killed + 1)
        if ended["status"] == 0:
            break
        assert ended["status"] == KILLED
        for name, data in without_lock(folder).items() if folder.exists() else ():
            if ".tmp-" not in name and name != "_shards.json":  # what has a name has all its bytes
                assert data == wanted[name], name
        killed_writer.fill(folder)
        assert without_lock(folder) == wanted, killed
        killed += 1
    served.close()
    assert killed == len(changes(record)) > 40
