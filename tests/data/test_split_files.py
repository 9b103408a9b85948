from __future__ import annotations

import io
import json
import random
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import soundfile
from PIL import Image as Pillow

from interlingua.content import BytesContent, FileContent, ZipContent
from interlingua.data import open_source
from interlingua.data.component import assign_components
from interlingua.data.source import ListSource
from interlingua.data.split_files import cut, read_amount, split_source
from interlingua.errors import ConfigError, DataError, TrainingError
from interlingua.sample import Audio, Image, Label, Meta, OneOf, Sample, Text

SIZES = {"test": "3", "valid": "2"}


def png(seed: int) -> bytes:
    pixels = numpy.random.default_rng(seed).integers(0, 255, (24, 24, 3), dtype=numpy.uint8)
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def everything(tmp_path: Path) -> ListSource:
    """Samples of every kind of part, content, role and weight that there is."""
    folder = tmp_path / "media"
    folder.mkdir()
    samples = []
    with zipfile.ZipFile(folder / "pack.zip", "w") as archive:
        for number in range(4):
            archive.writestr(f"z{number}.png", png(50 + number))
    for number in range(8):
        path = folder / f"{number} ü.png"
        path.write_bytes(png(number))
        wave = numpy.random.default_rng(number).normal(0, 0.1, 800)
        soundfile.write(folder / f"{number}.wav", wave, 8000)
        spoken = tuple(
            Audio(FileContent(folder / f"{number}.wav"), "speech", language, f"word {number}")
            for language in ("fr", "da")
        )
        parts = (
            Image(FileContent(path)),
            OneOf((Text(f"thing {number}", "en"), Text(f"Ding\u202e {number}", "de")), (3.0, 1.0)),
            OneOf(spoken),
            Label(f"class {number % 2}", "given"),
        )
        meta = Meta("all", f"group/{number}", "CC0-1.0", component=number // 2, name=f"n {number}")
        samples.append(Sample(f"key {number} é", parts, meta=meta))
    for number in range(4):
        content = ZipContent(folder / "pack.zip", f"z{number}.png")
        samples.append(Sample(f"zip {number}", (Image(content), Text(f"from a zip {number}"))))
    for number in range(2):  # one name for two files
        content = BytesContent(png(90 + number), "<picture>.png")
        samples.append(Sample(f"bytes {number}", (Image(content), Text(f"in memory {number}"))))
    talk = (
        Text("what is it?"),
        Image(FileContent(folder / "0 ü.png")),
        Text("a dog", role="target"),
    )
    samples.append(Sample("talk", talk, kind="sequence"))
    return ListSource("all", samples)


def test_sides_share_nothing_and_lose_nothing(everything: ListSource, tmp_path: Path) -> None:
    out = tmp_path / "out"
    written = split_source(everything, out, SIZES, seed=3)
    sides = {name: open_source(side.path) for name, side in written.sides.items()}
    assert list(sides) == ["train", "test", "valid"]
    keys = [sample.key for side in sides.values() for sample in side]
    assert sorted(keys) == sorted(sample.key for sample in everything)
    assert [len(side) for side in sides.values()] == [
        side.samples for side in written.sides.values()
    ]
    assert 1 <= len(sides["test"]) <= 3 and 1 <= len(sides["valid"]) <= 2
    components = [{sample.meta.component for sample in side} for side in sides.values()]
    assert sum(map(len, components)) == len(set().union(*components))
    assert all(not side.problems for side in sides.values())
    facts = json.loads((out / "split.json").read_text())
    assert facts["seed"] == 3
    assert facts["sides"]["test"]["samples"] == len(sides["test"])


def test_samples_come_back_as_they_were(everything: ListSource, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    written = split_source(everything, out, SIZES)
    assert written.copied == 6  # four of the zip, two of memory
    before = {sample.key: sample for sample in assign_components(list(everything))}
    for name, side in written.sides.items():
        for sample in open_source(side.path):
            old = before[sample.key]
            assert sample.kind == old.kind
            assert sample.meta == replace(old.meta, source=name)
            for part, was in zip(sample.all_parts(), old.all_parts(), strict=True):
                if isinstance(part, Image | Audio):
                    assert part.content.read() == was.content.read()
                    assert replace(part, content=was.content) == was
                else:
                    assert part == was
            for part, was in zip(sample.parts, old.parts, strict=True):
                assert getattr(part, "weights", None) == getattr(was, "weights", None)


def test_equal_recordings_stay_together(tmp_path: Path) -> None:
    """As pictures that are the same drawing: the words that go with them don't matter."""
    noise = numpy.random.default_rng(0).integers(-9000, 9000, (10, 4000), dtype=numpy.int16)
    samples = []
    for number in range(20):
        path = tmp_path / f"{number}.{'wav' if number < 10 else 'flac'}"
        soundfile.write(path, noise[number % 10], 8000)
        text = Text(f"what is said in the long sentence of number {number}")
        samples.append(Sample(f"{number}", (Audio(FileContent(path), "speech"), text)))
    for seed in range(3):
        out = tmp_path / f"out {seed}"
        written = split_source(ListSource("spoken", samples), out, {"test": "6"}, seed=seed)
        sides = [{int(one.key) % 10 for one in open_source(side.path)}
                 for side in written.sides.values()]  # fmt: skip
        assert not sides[0] & sides[1]
        assert [side.samples for side in written.sides.values()] == [14, 6]
        assert [side.components for side in written.sides.values()] == [7, 3]


def test_media_stay_where_they_are_and_the_folder_can_move(
    everything: ListSource, tmp_path: Path
) -> None:
    written = split_source(everything, tmp_path / "a" / "out", SIZES)
    assert len(list((written.folder / "media").iterdir())) == 6
    assert '"../../media/' in (written.folder / "train.jsonl").read_text()
    (tmp_path / "b").mkdir()
    written.folder.rename(tmp_path / "b" / "out")  # as deep as before
    assert not open_source(tmp_path / "b" / "out" / "train.jsonl").problems


def test_a_link_to_the_folder_leads_to_the_same_files(
    everything: ListSource, tmp_path: Path
) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "away")
    split_source(everything, tmp_path / "link" / "out", SIZES)
    found = open_source(tmp_path / "link" / "out" / "train.jsonl")
    assert not found.problems
    for sample in found:
        for part in sample.all_parts():
            if isinstance(part, Image | Audio):
                assert part.content.read()


def test_the_seed_decides_and_the_order_does_not() -> None:
    samples = [
        Sample(f"{number}", (Text(f"text {number}"),), meta=Meta("s", component=number // 3))
        for number in range(60)
    ]
    mixed = random.Random(0).sample(samples, len(samples))

    def held_out(given: list[Sample], seed: int) -> set[str]:
        return {sample.key for sample in cut(given, {"test": 10}, seed=seed)["test"]}

    assert held_out(samples, 1) == held_out(mixed, 1) != held_out(samples, 2)
    assert len(held_out(samples, 1)) == 9  # three whole components; a fourth doesn't fit


def test_large_components_stay_in_training() -> None:
    samples = [
        Sample(f"{n}", (Text(f"text {n}"),), meta=Meta(component=0 if n < 50 else n))
        for n in range(60)
    ]
    for seed in range(5):
        sides = cut(samples, {"test": 5}, seed=seed)
        assert len(sides["test"]) == 5
        assert all(sample.meta.component for sample in sides["test"])
    with pytest.raises(DataError, match="No component is small enough"):
        cut(samples[:50], {"test": 5})


def test_wanted_views() -> None:
    """Of a component that is held out, samples without the views are on no side."""
    picture = Image(BytesContent(b"x"))
    samples = [
        Sample(f"{n}", (picture, Text("a")) if n % 2 else (Text("a"),), meta=Meta(component=n // 2))
        for n in range(20)
    ]
    sides = cut(samples, {"test": 4}, views=("image", "text"))
    assert {name: len(side) for name, side in sides.items()} == {
        "train": 12, "test": 4, "removed": 4
    }  # fmt: skip
    assert all(sample.alternatives("image") for sample in sides["test"])


def test_no_side_is_left_empty(tmp_path: Path) -> None:
    samples = [Sample(f"{n}", (Text(f"text {n}"),), meta=Meta(component=n)) for n in range(4)]
    with pytest.raises(DataError, match="Nothing is left to train on"):
        cut(samples, {"test": 4})
    with pytest.raises(DataError, match="no sample"):
        split_source(ListSource("none", []), tmp_path / "out", SIZES)


@pytest.mark.parametrize(("text", "number"), [("20", 20), ("10%", 20), ("0", 0), ("2.5%", 5)])
def test_amounts(text: str, number: int) -> None:
    assert read_amount(text, 200) == number


@pytest.mark.parametrize("text", ["200", "-1", "100%", "ten", "", "0.1", "nan%", "inf%", "%"])
def test_wrong_amounts(text: str) -> None:
    with pytest.raises(ConfigError, match="no amount of 200"):
        read_amount(text, 200)


def test_a_folder_with_something_in_it_is_left_alone(
    everything: ListSource, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="isn't empty"):
        split_source(everything, out, SIZES)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    (out / "mine.txt").unlink()
    split_source(everything, out, SIZES)  # an empty one is taken


def test_a_full_disk_leaves_nothing(
    everything: ListSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from interlingua import durable

    def full(path: Path, data: bytes) -> str:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(durable, "write_file", full)
    with pytest.raises(TrainingError, match="No space left"):
        split_source(everything, tmp_path / "out", SIZES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "media"]


def test_a_key_that_comes_twice_is_counted(tmp_path: Path) -> None:
    samples = [Sample("ab"[n % 2], (Text(f"text {n}"),)) for n in range(4)]
    written = split_source(ListSource("some", samples), tmp_path / "out", {"test": "1"})
    assert [one.reason for one in written.left_out] == ["a key that was used before"] * 2
    sides = [open_source(side.path) for side in written.sides.values() if side.samples]
    assert sorted(sample.key for side in sides for sample in side) == ["a", "b"]


def test_media_that_cannot_be_copied_are_counted(tmp_path: Path) -> None:
    samples = [Sample(f"{n}", (Image(BytesContent(png(n))), Text(f"t {n}"))) for n in range(4)]
    samples.append(Sample("bad", (Image(BytesContent(b"<html>")), Text("t bad"))))
    written = split_source(ListSource("some", samples), tmp_path / "out", {"test": "1"})
    assert [(one.reason, one.where[:3]) for one in written.left_out] == [("not_an_image", "bad")]
    assert sum(side.samples for side in written.sides.values()) == 4


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"interlingua": 1, "key": "a", "parts": [{"image": "lost.png"}]}, "the file is missing"),
        ({"interlingua": 1, "key": "a", "parts": [{"image": "a\0b.png"}]}, "the file is missing"),
        ({"interlingua": 1, "key": "a", "parts": [{"image": "x" * 5000}]}, "the file is missing"),
        ({"interlingua": 1, "key": "a", "parts": [{"image": "."}]}, "not a file"),
        ({"interlingua": 1, "key": "a", "parts": [{"image": "s3://b/c"}]}, "an address"),
        ({"interlingua": 1, "key": "a", "parts": [{"video": "a"}]}, "description that doesn't"),
        ({"interlingua": 1, "key": 3, "parts": []}, "description that doesn't"),
        ({"interlingua": 99, "key": "a", "parts": []}, "description of version 99"),
        ({"interlingua": 1, "key": "good", "parts": [{"text": "x"}]}, "a key that was used before"),
    ],
)
def test_wrong_rows_are_counted(tmp_path: Path, row: dict[str, object], reason: str) -> None:
    good = {"interlingua": 1, "key": "good", "parts": [{"text": "a dog"}]}
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps(good)}\n{json.dumps(row)}\n")
    found = open_source(path)
    assert [sample.key for sample in found] == ["good"]
    (problem,) = found.problems
    assert reason in problem.reason and f"{path}:2" in problem.where


def test_whole_samples_and_rows_of_columns_go_together(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"interlingua": 1, "key": "a", "parts": [{"text": "a dog"}]}\n'
        '{"key": "b", "text": "a cat"}\n{"key": "a", "text": "a cow"}\n'
    )
    found = open_source(path)
    assert [sample.key for sample in found] == ["a", "b"]
    assert [problem.reason for problem in found.problems] == ["a key that was used before"]
