from __future__ import annotations

import json
from pathlib import Path

import numpy

from interlingua.cli import embed
from interlingua.content import BytesContent
from interlingua.sample import Audio, Image, Label, Text


def test_nothing_to_embed(interlingua, tmp_path: Path) -> None:
    ended = interlingua("embed", "--run", tmp_path)
    assert ended.code == 2
    assert "--text" in ended.err


def test_only_npy_is_written(interlingua, tmp_path: Path) -> None:
    ended = interlingua("embed", "--text", "a dog", "--run", tmp_path, "--out", "x.pickle")
    assert ended.code == 2
    assert ".npy" in ended.err


def test_rows_are_files_then_texts_then_speech(interlingua, run, media, tmp_path: Path) -> None:
    out = tmp_path / "vectors.npy"
    arguments = [media / "tone.wav", media / "red.png", "--text", "a dog"]
    more = ["--speech", media / "tone.wav", "--run", run, "--out", out, "--json"]
    ended = interlingua("embed", *arguments, *more)
    assert ended.code == 0
    rows = json.loads(ended.out)
    assert [row["kind"] for row in rows] == ["sound", "image", "text", "speech"]
    vectors = numpy.load(out)
    assert vectors.dtype == numpy.float32
    assert numpy.allclose(numpy.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert numpy.array_equal(vectors, numpy.float32([row["vector"] for row in rows]))


def test_the_same_thing_twice_is_as_near_as_can_be(interlingua, run, media) -> None:
    ended = interlingua("embed", media / "red.png", media / "red.png", "--run", run)
    assert ended.code == 0
    assert ended.out.count("1.00") == 4


def test_a_damaged_file_is_named_and_left_out(interlingua, run, media, tmp_path: Path) -> None:
    (tmp_path / "page.png").write_text("<html>not a picture</html>")
    bad = [media / "broken.png", tmp_path / "page.png"]
    ended = interlingua("embed", *bad, media / "red.png", "--run", run, "--json")
    assert ended.code == 1
    assert [Path(row["item"]).name for row in json.loads(ended.out)] == ["red.png"]
    assert ended.err.count("left out") == 2
    assert "broken.png" in ended.err
    assert "page.png" in ended.err


def test_nothing_readable_is_an_error(interlingua, run, media) -> None:
    ended = interlingua("embed", media / "broken.png", "--run", run)
    assert (ended.code, ended.out) == (1, "")
    assert "broken.png" in ended.err


def test_labels() -> None:
    content = BytesContent(b"", "dog.png")
    parts = [Text("a dog"), Label("dog"), Image(content), Audio(content)]
    assert [embed.label(part) for part in parts] == ["a dog", "dog", "dog.png", "dog.png"]


def test_cosines_are_shown(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    vectors = numpy.eye(20, dtype=numpy.float32)
    vectors[1] = vectors[0] * 0.6 + vectors[2] * 0.8
    embed.compare([{"kind": "text", "item": f"[{n}]"} for n in range(20)], vectors)
    shown = capsys.readouterr().out
    assert "0.60" in shown
    assert "[0]" in shown
    assert "8 more" in shown
