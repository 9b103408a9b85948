"""``report RUN`` and ``report compare`` on two small runs that were really trained and measured."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interlingua.report.model_card import MARK


@pytest.fixture(scope="module")
def second_run(shared_world: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another run of the same data: longer training, another seed of the weights."""
    from interlingua.evaluate.run import evaluate_session
    from interlingua.train.session import train_recipe

    folder = tmp_path_factory.mktemp("second") / "longer"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTERLINGUA_CACHE", str(shared_world.cache))
        stage = {"name": "heads", "steps": 40, "batch_size": 10, "checkpoint_every": 40,
                 "log_every": 1, "learning_rate": 3e-3}  # fmt: skip
        evaluate_session(train_recipe(shared_world.recipe(stages=[stage], seed=3), folder))
    return folder


def test_a_run_alone_means_its_page(
    interlingua: Callable[..., Any], finished_run: Path, world: Any, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    for name in ("report.html", "README.md", "held_out_queries.json"):
        (run / name).unlink()
    ended = interlingua("report", "--device", "cpu", run)
    assert ended.code == 0, ended.err
    assert ended.out.strip() == str(run / "report.html")
    for name in ("report.html", "README.md", "held_out_queries.json"):
        assert (run / name).exists()
    again = interlingua("report", "page", run, "--device", "cpu")
    assert again.out == ended.out


def test_help_tells_of_both(interlingua: Callable[..., Any]) -> None:
    for arguments in (("report", "--help"), ("report",)):
        ended = interlingua(*arguments)
        assert "compare" in ended.out + ended.err and "page" in ended.out + ended.err


def test_two_runs_are_set_beside_each_other(
    interlingua: Callable[..., Any], finished_run: Path, second_run: Path, tmp_path: Path
) -> None:
    page = tmp_path / "c.html"
    ended = interlingua("report", "compare", finished_run, second_run, "--out", page, "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert [one["name"] for one in found["runs"]] == ["run", "longer"]
    assert found["settings"]["stages.heads.steps"] == {"run": 6, "longer": 40}
    assert found["settings"]["seed"] == {"run": 0, "longer": 3}
    figures = [json.loads((run / "figures.json").read_text()) for run in (finished_run, second_run)]
    rows = {(row["query"], row["gallery"]): row for row in found["directions"]
            if row["side"] == "held_out"}  # fmt: skip
    assert len(rows) == len(figures[0]["held_out"])
    for one, other in zip(figures[0]["held_out"], figures[1]["held_out"], strict=True):
        row = rows[one["query"], one["gallery"]]
        assert row["figures"]["run"]["r_at"] == one["r_at"]
        for k, kept in row["against_first"]["longer"].items():
            assert kept["n"] == one["n"]
            gap = other["r_at"][k]["value"] - one["r_at"][k]["value"]
            assert kept["difference"]["value"] == pytest.approx(gap, abs=1e-6)
    assert len(found["curves"][0]["lines"]["longer"][0]) == 40
    text = page.read_text("utf-8")
    assert "stages.heads.steps" in text and "Curves" in text


def test_the_terminal_shows_what_differs(
    interlingua: Callable[..., Any], finished_run: Path, second_run: Path
) -> None:
    ended = interlingua("report", "compare", finished_run, second_run)
    assert ended.code == 0, ended.err
    for word in (
        "stages.heads.steps", "A: run", "B: longer", "B \u2212 A, points", "image → text",
        "by language", "longer against run, R@3",
    ):  # fmt: skip
        assert word in ended.out
    same = interlingua("report", "compare", finished_run, finished_run)
    assert (same.code, same.out) == (2, "")
    assert "named twice" in same.err


def test_the_card_goes_with_the_model(
    interlingua: Callable[..., Any], finished_run: Path, world: Any, tmp_path: Path
) -> None:
    ended = interlingua("weights", "export", finished_run, "--out", tmp_path / "whole")
    assert ended.code == 0, ended.err
    card = (finished_run / "README.md").read_bytes()
    assert (tmp_path / "whole" / "README.md").read_bytes() == card
    again = interlingua("weights", "export", tmp_path / "whole", "--out", tmp_path / "again")
    assert again.code == 0, again.err  # of a folder that is no run nobody knows
    assert not (tmp_path / "again" / "README.md").exists()


@pytest.mark.parametrize("count", [1, 9])
def test_too_few_and_too_many_runs_are_refused(
    interlingua: Callable[..., Any], finished_run: Path, tmp_path: Path, count: int
) -> None:
    runs = [finished_run, *(tmp_path / str(number) for number in range(count - 1))]
    ended = interlingua("report", "compare", *runs)
    assert (ended.code, ended.out) == (2, "")


def test_a_folder_that_is_no_run_is_named(
    interlingua: Callable[..., Any], finished_run: Path, tmp_path: Path
) -> None:
    ended = interlingua("report", "compare", finished_run, tmp_path)
    assert (ended.code, ended.out) == (1, "")
    assert str(tmp_path) in ended.err


def test_the_card_of_a_run_is_its_own(
    interlingua: Callable[..., Any], finished_run: Path, world: Any, tmp_path: Path
) -> None:
    card = (finished_run / "README.md").read_text("utf-8")
    assert card.startswith("---\nlicense: other\n")
    assert "| things | CC0-1.0 | 18 | 6 |" in card
    assert "Speech in da was kept from training" in card
    assert str(finished_run.parent) not in card  # where it lies is nobody's business
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    (run / "README.md").write_text(card.replace(MARK, "My own words."))
    ended = interlingua("report", run, "--device", "cpu")
    assert "is left as it is" in ended.err
    assert "My own words." in (run / "README.md").read_text("utf-8")
    (run / "README.md").write_text(card.replace("# run", "# old"))
    assert interlingua("report", run, "--device", "cpu").code == 0
    assert "# run" in (run / "README.md").read_text("utf-8")
