"""``interlingua data shards``: written, counted, gone on with, refused in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from interlingua import data


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(9):
        Image.new("RGB", (16, 12), (number * 20, 0, 0)).save(folder / f"p.{number}.png")
        (folder / f"p.{number}.txt").write_text(f"picture {number}\n")
    (folder / "one-byte.png").write_bytes(b"x")
    (folder / "page.jpg").write_text("<html>404</html>")
    return folder


def test_a_folder_becomes_shards_that_every_verb_takes(
    interlingua, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "shards"
    ended = interlingua("data", "shards", pictures, "--out", out, "--samples-per-shard", 4)
    assert ended.code == 0, ended.err
    assert "9 samples in 3 shards" in ended.out
    assert "left out: 2: not_an_image" in ended.out
    assert [one.key for one in data.open_source(out)] == [f"p.{n}" for n in range(9)]
    shown = json.loads(interlingua("data", "show", out, "--count", 0, "--json").out)
    assert (shown["samples"], shown["samples_with"], shown["left_out"]) == (
        9, {"text": 9, "image": 9}, {}
    )  # fmt: skip
    again = interlingua("data", "shards", pictures, "--out", out, "--samples-per-shard", 4)
    assert "3 of the shards were there already" in again.out


def test_shards_are_cut_anew(interlingua, pictures: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    interlingua("data", "shards", pictures, "--out", first, "--samples-per-shard", 2)
    ended = interlingua(
        "data", "shards", first, "--out", second, "--megabytes", 0.02, "--name", "x", "--json"
    )
    found = json.loads(ended.out)
    assert (found["samples"], found["left_out"], found["shards_before"]) == (9, {}, 0)
    assert len(list(second.glob("x-*.tar"))) == found["shards"] > 1
    one, other = data.open_source(first), data.open_source(second)
    for mine, theirs in zip(one, other, strict=True):
        assert mine.key == theirs.key
        assert mine.alternatives("text") == theirs.alternatives("text")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["gone", "--out", "o"], 1, "no source, folder or manifest 'gone'"),
        (["stmps", "--out", "o"], 1, "did you mean 'stamps'"),
        (["gone.tar", "--out", "o"], 1, "no such shard"),
        (["x", "--out", "o", "--megabytes", "1", "--samples-per-shard", "2"], 2, "Give one"),
        (["x", "--out", "o", "--samples-per-shard", "0"], 2, "--samples-per-shard"),
    ],
)
def test_mistakes_get_a_message(
    interlingua, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments, code, words
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = interlingua("data", "shards", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert words in ended.err
    assert "Traceback" not in ended.err


def test_a_folder_of_something_else_is_refused(interlingua, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    interlingua("data", "shards", pictures, "--out", out, "--samples-per-shard", 4)
    ended = interlingua("data", "shards", pictures, "--out", out, "--samples-per-shard", 5)
    assert ended.code == 1
    assert "max_samples 4, not 5" in ended.err
