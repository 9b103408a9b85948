from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Five pictures: a small one, a pair of twins, boilerplate, and one that is fine."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, text, side, colour in (
        ("a", "a small dog", 30, "brown"),
        ("b", "blue sky", 220, "blue"),
        ("c", "Blue sky", 220, "blue"),
        ("d", "IMG_1234", 230, "green"),
        ("e", "leaf <b>", 240, "green"),
    ):
        Image.new("RGB", (side, side), colour).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(f"{text}\n")
    return folder


def test_the_rules_by_default(interlingua, pictures: Path, tmp_path: Path) -> None:
    ended = interlingua("data", "filter", pictures, "--out", tmp_path / "out", "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert (found["samples"], found["kept"]) == (5, 2)
    assert {one["name"]: one["samples_removed"] for one in found["filters"]} == {
        "size": 1, "exact_duplicates": 1, "near_duplicates": 0, "boilerplate": 1,
        "shared_text": 0, "repeated_words": 0,
    }  # fmt: skip
    kept = json.loads((tmp_path / "out" / "filters.json").read_text())
    assert kept["filters"] == found["filters"]
    rows = [json.loads(line) for line in (tmp_path / "out" / "filtered.jsonl").open()]
    assert [(row["key"], row["reason"], row["value"]) for row in rows] == [
        ("a", "short side", 30),
        ("c", "same picture and text", "b"),
        ("d", "camera's name", "img_1234"),
    ]
    page = Path(found["page"]).read_text("utf-8")
    assert all(text in page for text in ("a small dog", "Blue sky", "IMG_1234", "short side"))
    assert "data:image" in page


def test_chosen_filters_with_settings(interlingua, pictures: Path, tmp_path: Path) -> None:
    ended = interlingua(
        "data", "filter", pictures, "--out", tmp_path / "out",
        "--filter", "text_length", "--set", "text_length.min_words=2",
        "--set", "size.min_side=225",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert "2 of 5 samples are kept" in ended.out  # "IMG_1234" counts as two words
    line = next(line for line in ended.out.splitlines() if line.startswith("In a recipe"))
    assert json.loads(line.partition("filters='")[2].rstrip("'")) == [
        {"name": "text_length", "min_words": 2},
        {"name": "size", "min_side": 225},
    ]
    page = (tmp_path / "out" / "filters.html").read_text("utf-8")
    assert "leaf &lt;b&gt;" not in page and "<b>" not in page


def test_the_line_for_a_recipe_works(interlingua, pictures: Path, tmp_path: Path) -> None:
    from interlingua.recipes import load_recipe
    from interlingua.train.recipe import apply_overrides

    out = interlingua("data", "filter", pictures, "--out", tmp_path / "out").out
    line = next(line for line in out.splitlines() if line.startswith("In a recipe: "))
    override = line.removeprefix("In a recipe: ").replace("'", "")
    recipe = apply_overrides(load_recipe("demo"), [override, "data.filters.size.min_side=7"])
    assert len(recipe.data.filters) == 6
    assert recipe.data.filters[0].min_side == 7


def test_options_of_the_source(interlingua, pictures: Path, tmp_path: Path) -> None:
    ended = interlingua(
        "data", "filter", pictures, "--set", "source.langage=en", "--out", tmp_path / "out"
    )
    assert ended.code == 2
    assert "did you mean 'language'" in ended.err


def test_a_run_scores_pairs(interlingua, run: Path, media: Path, tmp_path: Path) -> None:
    ended = interlingua(
        "data", "filter", media, "--filter", "pair_score", "--set", "pair_score.keep=0.5",
        "--set", f"pair_score.run={tmp_path / 'none'}", "--out", tmp_path / "out",
    )  # fmt: skip
    assert ended.code == 1
    assert "There is no run here" in ended.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--filter", "sizes"], "did you mean 'size'"),
        (["--set", "sorce.titles=raw"], "did you mean 'source'"),
        (["--set", "size.min_width=3"], "unknown key 'min_width'"),
        (["--set", "size.min_side=-1"], "min_side"),
        (["--set", "size"], "--set filter.key=value"),
        (["--set", "size.min_side=[1"], "not a YAML value"),
        (["--filter", "random_thin"], "one of share and number"),
    ],
)
def test_mistakes_get_a_message(interlingua, pictures: Path, options, words: str) -> None:
    ended = interlingua("data", "filter", pictures, *options)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
