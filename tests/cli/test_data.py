from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with three captioned pictures."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, colour in (("dog", "brown"), ("sky", "blue"), ("leaf", "green")):
        Image.new("RGB", (32, 24), colour).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(f"a {colour} {name}\n")
    return folder


def test_list_as_json(interlingua) -> None:
    entries = {
        entry["name"]: entry for entry in json.loads(interlingua("data", "list", "--json").out)
    }
    assert {"stamps", "clipart", "prompts", "openmoji"} <= set(entries)
    assert entries["stamps"]["licence"].startswith("GPL-2")
    assert all(entry["sources"] and entry["download_bytes"] > 0 for entry in entries.values())


def test_list_for_people(interlingua) -> None:
    assert "Tux Paint stamps" in interlingua("data", "list").out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["get"], 2, "--all"),
        (["get", "stmps"], 1, "did you mean 'stamps'"),
        (["get", "stamps", "clipart", "--from", "x.deb"], 2, "one entry"),
        (["get", "stamps", "--from", "no-such.deb"], 1, "no-such.deb"),
        (["verify", "stmps"], 1, "did you mean 'stamps'"),
        (["show", "stmps"], 1, "did you mean 'stamps'"),
        (["show", "stamps", "--count", "-1"], 2, "--count"),
    ],
)
def test_mistakes_get_a_message(interlingua, arguments, code: int, words: str) -> None:
    ended = interlingua("data", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert words in ended.err


def test_nothing_cached_is_nothing_to_verify(interlingua, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path))
    ended = interlingua("data", "verify")
    assert (ended.code, ended.out) == (0, "")
    assert "Nothing is in the cache" in ended.err


def test_show_counts_and_draws(interlingua, pictures: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    ended = interlingua("data", "show", pictures, "--out", page, "--json")
    facts = json.loads(ended.out)
    assert facts["samples"] == 3
    assert facts["samples_with"] == {"image": 3, "text": 3}
    assert facts["left_out"] == {}
    assert facts["page"] == str(page)
    assert "a brown dog" in page.read_text("utf-8")


def test_show_without_a_page(interlingua, pictures: Path, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    ended = interlingua("data", "show", pictures, "--count", 0)
    assert ended.code == 0
    assert "3 samples" in ended.out
    assert list(tmp_path.glob("*.html")) == []


def test_show_says_what_a_manifest_left_out(interlingua, pictures: Path) -> None:
    manifest = pictures / "captions.csv"
    manifest.write_text("image,text\ndog.png,a dog\nmissing.png,nothing\n")
    ended = interlingua("data", "show", manifest, "--count", 0)
    assert ended.code == 0
    assert "captions.csv:3" in ended.out or "captions.csv, line 3" in ended.out


def test_the_drawn_samples_depend_on_the_seed_alone(pictures: Path) -> None:
    from interlingua import data
    from interlingua.cli.data import draw

    source = data.open_source(pictures)
    keys = [[sample.key for sample in draw(source, 2, seed)] for seed in range(20)]
    assert keys == [[sample.key for sample in draw(source, 2, seed)] for seed in range(20)]
    assert len({tuple(chosen) for chosen in keys}) == 3  # every pair comes
    assert len(draw(source, 99, 0)) == 3


def test_show_of_an_empty_folder(interlingua, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ended = interlingua("data", "show", tmp_path / "empty")
    assert ended.code == 1
    assert ".png" in ended.err
