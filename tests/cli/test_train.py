from __future__ import annotations

from pathlib import Path

import pytest

from interlingua.recipes import TABLE


def test_without_a_recipe(interlingua) -> None:
    ended = interlingua("train")
    assert ended.code == 2
    assert "recipes list" in ended.err


@pytest.mark.parametrize(
    "arguments",
    [["demo"], ["demo", "seed=2"], ["--tiny"], ["--out", "elsewhere"], ["--dry-run"]],
)
def test_a_resumed_run_keeps_its_recipe(interlingua, arguments, tmp_path: Path) -> None:
    ended = interlingua("train", *arguments, "--resume", tmp_path)
    assert ended.code == 2
    assert "keeps its own recipe" in ended.err


def test_an_unknown_recipe(interlingua) -> None:
    ended = interlingua("train", "no-such-recipe")
    assert ended.code == 2
    assert "no-such-recipe" in ended.err


@pytest.mark.parametrize("name", TABLE)
def test_dry_run_prints_the_recipe_and_leaves_nothing(
    interlingua, name: str, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = interlingua("train", name, "--tiny", "--dry-run", "seed=11")
    assert ended.code == 0
    assert "\nseed: 11\n" in ended.out
    assert "Nothing was trained" in ended.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", TABLE)
def test_a_folder_that_holds_something_is_refused(interlingua, name: str, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    ended = interlingua("train", name, "--tiny", "--out", tmp_path)
    assert ended.code == 2
    assert f"--resume {tmp_path}" in ended.err
    assert (tmp_path / "mine.txt").read_text() == "keep me"


@pytest.mark.parametrize("name", TABLE)
def test_an_absent_device_is_refused_before_anything_starts(
    interlingua, name: str, tmp_path: Path
) -> None:
    ended = interlingua("train", name, "--tiny", "--out", tmp_path / "run", "--device", "abacus")
    assert ended.code == 2
    assert "abacus" in ended.err
    assert not (tmp_path / "run").exists()
