"""The main job in small: what ``demo`` shows, that it trains once, and a user's own pictures."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interlingua.cli.demo import asked, interval, show_headline
from interlingua.content import BytesContent
from interlingua.sample import Audio, Image, Meta, Sample, Text
from interlingua.train.recipe import read_yaml

NAMES = ("dog", "cat", "owl", "cow", "hen", "pig", "fox", "bat", "ant", "bee", "car", "van")


def state(folder: Path) -> dict[str, str]:
    """What training and measuring write, by content and time."""
    return {
        str(path.relative_to(folder)): f"{path.stat().st_mtime_ns} "
        + hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "index" not in path.relative_to(folder).parts
    }


@pytest.fixture
def run(finished_run: Path, world: Any, tmp_path: Path) -> Path:
    """A finished run of small towers, where ``demo`` looks for its own."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


def test_a_second_call_shows_the_finished_run_without_training(
    interlingua: Callable[..., Any], run: Path, world: Any
) -> None:
    before = state(run)
    ended = interlingua("demo", "--out", run, "--device", "cpu")
    assert ended.code == 0, ended.err
    assert state(run) == before
    assert "Held-out things: 6" in ended.out
    assert f"The report: {run / 'report.html'}" in ended.out.replace("\n", "")
    for command in ("search --index", "index build", "eval", "train demo seed=1"):
        assert f"interlingua {command}" in ended.out
    assert "Three questions about held-out things" in ended.out


def test_every_call_answers_the_same(
    interlingua: Callable[..., Any], run: Path, world: Any
) -> None:
    first = interlingua("demo", "--out", run, "--device", "cpu")
    assert interlingua("demo", "--out", run, "--device", "cpu").out == first.out


def test_figures_of_the_headline_are_the_measured_ones(capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        "query": "text", "gallery": "image", "n": 200,
        "r_at": {"1": {"value": 0.264, "low": 0.2, "high": 0.33},
                 "10": {"value": 0.555, "low": None, "high": None}},
        "chance": {"10": 0.05}, "control": {"10": {"value": 0.061}},
    }  # fmt: skip
    other = {**row, "query": "image", "gallery": "sound"}
    figures = {"counts": {"held_out": 200, "train": 12345}, "held_out": [other, row]}
    show_headline(figures)
    out = capsys.readouterr().out
    assert "12,345" in " ".join(out.split())
    (line,) = [line for line in out.splitlines() if "→ image" in line]
    for figure in ("0.26 [0.20, 0.33]", "0.56", "0.05", "0.06", "200"):
        assert figure in line
    assert "image → sound" not in out


def test_a_headline_of_nothing_held_out_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    show_headline({"counts": {"held_out": 0, "train": 3}})
    assert "Held-out things: 0" in capsys.readouterr().out


def test_an_interval_for_people() -> None:
    assert interval({"value": 0.5, "low": 0.25, "high": 0.754}) == "0.50 [0.25, 0.75]"
    assert interval({"value": 0.5, "low": None, "high": None}) == "0.50"


def test_what_was_asked_with_is_said() -> None:
    picture, sound = Image(BytesContent(b"")), Audio(BytesContent(b""))
    sample = Sample("a/dog", (picture,), meta=Meta(name="dog"))
    assert asked(sample, Text("A dog.")) == 'the words "A dog."'
    assert asked(sample, picture) == "the picture of: dog"
    assert asked(Sample("a/dog", (sound,)), sound) == "the sound of: a/dog"


@pytest.fixture
def mine(tmp_path: Path, shared_world: Any) -> Path:
    """A user's folder of pictures and captions."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in NAMES:
        shutil.copy(shared_world.things / f"{name}.png", folder)
        (folder / f"{name}.txt").write_text(f"a {name}\nthe picture of a {name}\n")
    return folder


def own_folder(
    interlingua: Callable[..., Any], mine: Path, out: Path, *more: str
) -> dict[str, Any]:
    """Train on a folder as a user does, and measure it."""
    sources = f"data.sources=[{{source: {{name: folder, path: '{mine}'}}}}]"
    ended = interlingua(
        "train", "demo", "--tiny", sources, "data.split=null", *more, "--out", out
    )  # fmt: skip
    assert ended.code == 0, ended.err
    kept = read_yaml(out / "recipe.yaml")
    assert kept.data.split is None and kept.data.sources[0].source.name == "folder"
    measured = interlingua("eval", out, "--json")
    assert measured.code == 0, measured.err
    figures: dict[str, Any] = json.loads(measured.out)
    assert figures["counts"] == {"train": 12, "held_out": 0, "removed": 0}
    rows = {(row["query"], row["gallery"]): row for row in figures["seen"]}
    assert set(rows) == {("image", "text"), ("text", "image")}
    assert rows["text", "image"]["r_at"]["1"]["value"] > 0.7  # by chance 0.08
    return figures


def test_a_users_own_folder_trains_end_to_end(
    interlingua: Callable[..., Any], mine: Path, tmp_path: Path,
    real_weights: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    cache = tmp_path / "cache" / "weights"
    cache.mkdir(parents=True)
    for name in ("minilm", "efficientnet-lite0"):  # the sounds' tower isn't needed, nor fetched
        (cache / name).symlink_to(real_weights(name))
    monkeypatch.setenv("INTERLINGUA_CACHE", str(cache.parent))
    own_folder(interlingua, mine, tmp_path / "run", "model.named_classes=null", "device=cpu")
    assert sorted(path.name for path in cache.iterdir()) == ["efficientnet-lite0", "minilm"]
    ended = interlingua("index", "build", mine, "--run", tmp_path / "run", "--out", tmp_path / "ix")
    assert ended.code == 0, ended.err
    found = interlingua("search", "--index", tmp_path / "ix", "--text", "a fox", "--in", "image",
                        "-k", "3", "--json")  # fmt: skip
    assert "fox" in [hit["key"] for hit in json.loads(found.out)]


@pytest.mark.slow
def test_a_users_own_folder_trains_with_the_classifiers_names(
    interlingua: Callable[..., Any], mine: Path, tmp_path: Path, real_weights: Callable[[str], Path]
) -> None:
    for name in ("minilm", "efficientnet-lite0", "imagenet-names"):
        real_weights(name)
    own_folder(interlingua, mine, tmp_path / "run")


@pytest.mark.slow
def test_the_demo_itself_twice(
    interlingua: Callable[..., Any], real_data: Callable[[str], object],
    real_weights: Callable[[str], Path], tmp_path: Path,
) -> None:  # fmt: skip
    real_data("stamps")
    for name in ("minilm", "efficientnet-lite0", "whisper-tiny.en", "imagenet-names"):
        real_weights(name)
    first = interlingua("demo", "--tiny", "--out", tmp_path / "run")
    assert first.code == 0, first.err
    before = state(tmp_path / "run")
    assert {"figures.json", "report.html", "recipe.yaml", "metrics.jsonl"} <= set(before)
    second = interlingua("demo", "--tiny", "--out", tmp_path / "run")
    assert second.code == 0, second.err
    assert state(tmp_path / "run") == before
    assert second.out == first.out
    assert "Held-out things: 200" in second.out
