"""Runs set beside each other, and the page of it: real tables of noisy pairs in place of models."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interlingua.evaluate.directions import all_directions
from interlingua.evaluate.intervals import Estimate
from interlingua.evaluate.single_queries import Paired, from_json, item_names, thing_names, to_json
from interlingua.report.run_comparison import MOST_RUNS, run_comparison_page
from interlingua.report.run_differences import compare_runs, verdict
from interlingua.report.run_direction_table import points
from interlingua.report.run_record import RunRecord
from interlingua.sample import Meta, Sample, Text

COUNT = 80
NASTY = "<script>alert(1)</script>\u202e"


def run(
    name: str,
    noise: float,
    *,
    things: Sequence[int] = range(COUNT),
    steps: int = 5,
    parts: Sequence[str] = ("image-text",),
    seed: int = 1,
) -> RunRecord:
    """A run whose held-out table is that of noisy pairs."""
    chosen = np.asarray(things)
    pictures = np.random.default_rng(0).normal(size=(COUNT, 16))[chosen]
    texts = pictures + noise * np.random.default_rng(seed).normal(size=(COUNT, 16))[chosen]
    samples = [Sample(f"k{n}", (Text("x"),), meta=Meta("s", component=int(n))) for n in chosen]
    component = {"image": chosen, "text": chosen}
    names = {view: item_names(samples, range(len(samples)), [0] * len(samples))
             for view in component}  # fmt: skip
    table = all_directions({"image": pictures, "text": texts}, component, bootstrap=50)
    metrics: list[dict[str, Any]] = [
        {"kind": "train", "step": step, "stage": "heads", "loss": noise / step,
         "parts": dict.fromkeys(parts, 1.0 / step), "learning_rate": 0.1, "rate": 100.0 + step,
         "seconds": 2.0 * step, "peak_memory": 3_000_000_000, "skipped_steps": 0}
        for step in range(1, steps + 1)
    ]  # fmt: skip
    figures = {
        "counts": {"train": 10, "held_out": len(samples)},
        "held_out": table.to_json(),
        "seen": table.to_json()[:1],
    }
    queries = from_json(
        json.loads(json.dumps(to_json(table, names, component, thing_names(samples))))
    )
    recipe = {"name": "demo", "seed": seed, "noise": noise}
    return RunRecord(name, Path("runs") / name, recipe, metrics, figures, queries)


@pytest.fixture(scope="module")
def better() -> list[RunRecord]:
    return [run("first", 2.0), run("second", 0.8)]


def test_settings_facts_and_figures_are_side_by_side(better: list[RunRecord]) -> None:
    found = compare_runs(better, bootstrap=200)
    assert found.runs == ["first", "second"]
    assert {one.path: one.values for one in found.settings} == {
        "noise": {"first": 2.0, "second": 0.8}
    }
    facts = {one.name: one.values for one in found.facts}
    assert facts["steps"] == {"first": 5.0, "second": 5.0}
    assert facts["time of training"]["first"] == 10.0
    assert facts["samples a second"]["first"] == 103.0
    assert facts["things held out"]["second"] == COUNT
    assert "steps left out" not in facts  # there were none
    sides = [(row.side, row.query, row.gallery) for row in found.directions]
    assert sides == [
        ("held_out", "image", "text"), ("held_out", "text", "image"), ("seen", "image", "text"),
    ]  # fmt: skip
    row = found.directions[1]
    kept = better[1].figures["held_out"][1]
    assert row.figures["second"].to_json()["r_at"] == kept["r_at"]
    assert row.figures["second"].n == COUNT
    assert found.k == 10


def test_a_real_difference_is_paired_and_stands_out(better: list[RunRecord]) -> None:
    found = compare_runs(better, bootstrap=400)
    row = found.directions[1]
    one = row.against_first["second"][10]
    assert isinstance(one, Paired)
    gap = row.figures["second"].recall[10].value - row.figures["first"].recall[10].value
    assert one.difference.value == pytest.approx(gap)
    assert one.difference.low > 0
    assert (one.n, one.things) == (COUNT, COUNT)
    assert set(row.against_first["second"]) == {1, 5, 10}
    assert found.directions[2].against_first == {}  # what was seen is not compared
    (said,) = verdict(found)
    assert "better in 2 of 2 directions, worse in 0" in said


def test_equally_good_runs_are_not_told_apart() -> None:
    found = compare_runs([run("a", 1.5, seed=1), run("b", 1.5, seed=2)], bootstrap=400)
    for row in found.directions[:2]:
        one = row.against_first["b"][10]
        assert isinstance(one, Paired)
        assert not one.difference.excludes(0.0)
    assert "not to be told apart in 2" in verdict(found)[0]


def test_runs_that_were_asked_about_other_things_are_not_paired(better: list[RunRecord]) -> None:
    found = compare_runs([better[0], run("half", 0.8, things=range(0, COUNT, 2))])
    assert found.directions[0].against_first["half"][10] == "other things were searched"
    assert "can't be paired with first: other things were searched" in verdict(found)[0]


def test_runs_whose_queries_were_not_kept_are_not_paired(better: list[RunRecord]) -> None:
    old = RunRecord("old", Path("old"), better[1].recipe, better[1].metrics, better[1].figures)
    found = compare_runs([better[0], old])
    assert "of old were not kept" in str(found.directions[0].against_first["old"][10])
    stale = RunRecord(
        "stale", Path("x"), better[1].recipe, better[1].metrics, better[1].figures,
        better[0].queries,
    )  # fmt: skip
    found = compare_runs([better[0], stale])
    assert "of another measurement" in str(found.directions[0].against_first["stale"][10])


def test_every_run_keeps_its_colour_in_the_curves() -> None:
    runs = [run("a", 1.0, parts=("x",)), run("b", 2.0, parts=("x", "y"))]
    panels = {panel.title: panel for panel in compare_runs(runs).panels}
    assert set(panels) == {
        "Training loss", "Training loss: x", "Training loss: y", "Learning rate",
    }  # fmt: skip
    assert [line.name for line in panels["Training loss"].lines] == ["a", "b"]
    assert list(panels["Training loss"].lines[1].values) == [2.0 / step for step in range(1, 6)]
    lonely = panels["Training loss: y"].lines
    assert (lonely[0].name, list(lonely[0].values)) == ("a", [])
    from interlingua.report.curves import curves_section

    drawn = str(curves_section([panels["Training loss: y"]]))
    assert 'class="line c1"' in drawn and "c0" not in drawn


def test_unmeasured_runs_can_be_compared_all_the_same() -> None:
    runs = [RunRecord(name, Path(name), {"seed": place}) for place, name in enumerate("ab")]
    found = compare_runs(runs)
    assert (found.k, found.directions, found.facts, found.panels) == (0, [], [], [])
    assert "no held-out direction in common" in verdict(found)[0]
    assert json.loads(json.dumps(found.to_json()))["settings"] == {"seed": {"a": 0, "b": 1}}


def test_losses_of_towers_that_learned_alone_are_side_by_side() -> None:
    def alone(name: str, value: float) -> RunRecord:
        accuracy = {"value": value, "low": value - 0.1, "high": value + 0.1, "counted": 9}
        losses = {"n": 9, "accuracy": accuracy, "loss": {"value": 2.0, "counted": 9}}
        return RunRecord(name, Path(name), {}, figures={"held_out_losses": losses})

    found = compare_runs([alone("a", 0.3), alone("b", 0.5)])
    assert found.losses["accuracy"]["b"] == Estimate(0.5, 0.4, 0.6)
    assert set(found.losses) == {"accuracy", "loss"}


def test_the_json_is_plain_and_whole(better: list[RunRecord]) -> None:
    plain = json.loads(json.dumps(compare_runs(better).to_json(), allow_nan=False))
    assert plain["runs"] == [{"name": "first", "folder": "runs/first"},
                             {"name": "second", "folder": "runs/second"}]  # fmt: skip
    one = plain["directions"][0]["against_first"]["second"]["10"]
    assert set(one["difference"]) == {"value", "low", "high"}
    assert len(plain["curves"][0]["lines"]["first"][0]) == 5


def test_the_page_is_one_safe_file(better: list[RunRecord], tmp_path: Path) -> None:
    nasty = run(NASTY, 0.8)
    found = compare_runs([better[0], nasty], bootstrap=50)
    path = run_comparison_page(tmp_path / "deep" / "c.html", found)
    text = path.read_text("utf-8")
    assert "<script>alert" not in text and "\u202e" not in text
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", text)
    assert "default-src" in text
    for word in ("Settings that differ", "What is found", "Curves", "What training took", "noise"):
        assert word in text
    assert text.count('class="better"') >= 2
    assert 'class="worse"' not in text
    assert "80 queries about 80 things" in text
    assert list((tmp_path / "deep").iterdir()) == [path]


def test_the_page_of_equal_recipes_says_so(tmp_path: Path) -> None:
    runs = [RunRecord(name, Path(name), {"seed": 1}) for name in "ab"]
    text = run_comparison_page(tmp_path / "c.html", compare_runs(runs)).read_text("utf-8")
    assert "All settings of their recipes are the same." in text
    assert "What is found" not in text


def test_too_many_runs_are_refused(tmp_path: Path) -> None:
    runs = [RunRecord(str(n), Path(str(n)), {}) for n in range(MOST_RUNS + 1)]
    with pytest.raises(ValueError, match="too many"):
        run_comparison_page(tmp_path / "c.html", compare_runs(runs))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Estimate(0.02, -0.015, 0.055), "+2.0 [\u22121.5, 5.5]"),
        (Estimate(-0.1, -0.2, -0.0001), "\u221210.0 [\u221220.0, 0.0]"),
        (Estimate(0.0, 0.0, 0.0), "0.0 [0.0, 0.0]"),
        (Estimate(0.3, float("nan"), float("nan")), "+30.0"),
    ],
)
def test_differences_are_written_in_points(value: Estimate, shown: str) -> None:
    assert points(value) == shown
