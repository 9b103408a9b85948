from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest
from PIL import Image

# where processes aren't the matter: each takes seconds to start
THREADS = ("--workers", 0)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Twelve pictures with names; one more is cut off."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    random = numpy.random.default_rng(0)
    for name in "abcdefghijkl":
        pixels = random.integers(0, 255, (8, 8, 3), dtype=numpy.uint8)
        Image.fromarray(pixels).resize((64, 64)).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(f"thing called {name}\n")
    (folder / "m.png").write_bytes((folder / "a.png").read_bytes()[:90])
    (folder / "m.txt").write_text("thing called m\n")
    return folder


def test_a_page_and_words_by_default(interlingua, pictures: Path) -> None:
    ended = interlingua("data", "check", pictures)
    assert ended.code == 0, ended.err
    assert "warning: 1 of 13 pictures can't be used: damaged 1." in ended.out
    assert ended.out.endswith("Look at it: pictures-check.html\n")
    assert "Check of pictures" in Path("pictures-check.html").read_text("utf-8")


def test_json_alone_writes_no_page(interlingua, pictures: Path) -> None:
    ended = interlingua("data", "check", pictures, "--json")
    found = json.loads(ended.out)
    again = interlingua("data", "check", pictures, "--json", "--workers", 0)
    assert json.loads(again.out) == found
    assert (ended.code, found["format_version"]) == (0, 1)
    assert found["media"][0]["damaged"] == {"damaged": 1}
    assert "page" not in found and not list(Path().glob("*.html"))
    ended = interlingua("data", "check", pictures, *THREADS, "--json", "--out", "deep/look.html")
    assert Path(json.loads(ended.out)["page"]).exists()


def test_the_tokenizer_of_a_run(interlingua, pictures: Path, run: Path) -> None:
    ended = interlingua("data", "check", pictures, "--json", "--recipe", run)
    # the model of this run has no towers that its description names
    assert ended.code == 2
    assert "names no towers" in ended.err


def test_the_tokenizer_of_a_recipe(interlingua, pictures: Path, world) -> None:
    from interlingua.train.recipe import to_yaml

    Path("mine.yaml").write_text(to_yaml(world.recipe()))
    ended = interlingua("data", "check", pictures, *THREADS, "--json", "--recipe", "mine.yaml")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["tokens"]["max_tokens"] == 20
    assert found["tokens"]["unknown"] == 13
    assert [fit["view"] for fit in found["fit"]] == ["image"]


def test_nothing_to_learn_from_ends_with_1(interlingua, pictures: Path) -> None:
    for path in pictures.glob("*.txt"):
        path.write_text("the same\n")
    ended = interlingua("data", "check", pictures, *THREADS, "--json")
    assert ended.code == 1
    assert "There is nothing to learn from. Pairs are learned from" in ended.err
    assert json.loads(ended.out)["refused"]
    ended = interlingua("data", "check", pictures, *THREADS)
    assert ended.code == 1 and "Look at pictures-check.html" in ended.err


def test_splitting_and_checking_what_came_of_it(interlingua, pictures: Path) -> None:
    ended = interlingua("data", "split", pictures, "--out", "split", "--test", "4", "--valid", "2")
    assert ended.code == 0, ended.err
    assert "split/train.jsonl: 7 samples, 7 things" in ended.out
    assert "split/test.jsonl: 4 samples" in ended.out
    sides = ("split/train.jsonl", "--test", "split/test.jsonl")
    ended = interlingua("data", "check", *sides, *THREADS, "--json")
    assert ended.code == 0, ended.err
    shared = json.loads(ended.out)["shared"]
    assert (shared["components"], shared["files"], shared["test_samples"]) == (0, 0, 4)
    sides = ("split/train.jsonl", "--test", pictures)
    ended = interlingua("data", "check", *sides, *THREADS, "--json")
    assert json.loads(ended.out)["shared"]["test_affected"] == 7


def test_a_split_as_json(interlingua, pictures: Path) -> None:
    ended = interlingua("data", "split", pictures, "--out", "split", "--json", "--seed", "5")
    found = json.loads(ended.out)
    assert found["sides"]["test"]["samples"] == 1
    assert Path(found["sides"]["train"]["path"]).exists()
    again = interlingua("data", "split", pictures, "--out", "other", "--json", "--seed", "5")
    assert again.code == 0
    for name in ("train", "test"):
        assert Path(f"split/{name}.jsonl").read_bytes() == Path(f"other/{name}.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["check", "nowhere"], 1, "There is no source"),
        (["check", "pictures", "--test", "nowhere"], 1, "There is no source"),
        (["check", "pictures", "--recipe", "dmeo"], 2, "did you mean 'demo'"),
        (["check", "pictures", "--set", "sorce.audio=speech"], 2, "did you mean 'source'"),
        (["check", "pictures", "--set", "source.audio=spech"], 2, "audio"),
        (["check", "pictures", "--set", "test.audio=speech"], 2, "--test SOURCE"),
        (["split", "pictures", "--out", "pictures"], 1, "isn't empty"),
        (["split", "pictures", "--out", "out", "--test", "13"], 2, "no amount of 13"),
        (["split", "pictures", "--out", "out", "--set", "test.audio=speech"], 2, "no setting"),
        (["split", "pictures", "--out", "out", "--views", "image,sound"], 1, "small enough"),
    ],
)
def test_mistakes_get_a_message(
    interlingua, pictures: Path, arguments: list[str], code: int, words: str
) -> None:
    ended = interlingua("data", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert words in ended.err
    assert not Path("out").exists()
