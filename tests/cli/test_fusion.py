"""``interlingua fusion``: from a table to a comparison, its page, and answers for new rows."""

from __future__ import annotations

import csv
import json
import re

import pytest

from interlingua.comparison.tasks import TABLE as TASKS
from interlingua.fusion import TABLE as FUSIONS
from tests.comparison.own_tables import two_groups, write_table


@pytest.fixture
def table(tmp_path):
    return write_table(tmp_path / "t.csv", two_groups(60))


@pytest.fixture
def compare(interlingua, table, tmp_path):
    """``fusion compare`` on a small table of numbers."""

    def call(*options):
        return interlingua(
            "fusion", "compare", "--data", table, "--label", "kind", "--number-group", "west=a",
            "--number-group", "east=b", "--fusions", "gated", "--processes", 1, "--split", 0.3,
            "--dropout", "none", "--set", "steps=40", "--out", tmp_path / "out", *options,
        )  # fmt: skip

    return call


def test_compare_shows_one_table_and_predict_answers(interlingua, compare, table, tmp_path) -> None:
    ended = compare()
    assert ended.code == 0, ended.err
    assert "★ " in ended.out and "only west" in ended.out and "− best single" in ended.out
    assert "kind of 60 rows of t.csv" in ended.out
    (gated,) = json.loads((tmp_path / "out" / "comparison.json").read_text("utf-8"))["rows"][:1]
    worst = min(one["accuracy"]["value"] for one in gated["presence"] if len(one["present"]) == 1)
    (line,) = [line for line in ended.out.splitlines() if "gated  " in line]
    assert f"{worst:.1%}" in line and "1 gone" in ended.out
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "When a modality is missing" in page
    answers = tmp_path / "answers.csv"
    ended = interlingua("fusion", "predict", tmp_path / "out", "--data", table, "--out", answers)
    assert ended.code == 0, ended.err
    assert "60 answers of gated (1 model)" in ended.err
    assert "Of 60 rows with a label" in ended.err
    with answers.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["line", "answer", "probability", "different", "same"]
    for row in rows:
        assert float(row["different"]) + float(row["same"]) == pytest.approx(1, abs=1e-5)
        assert float(row[row["answer"]]) == pytest.approx(float(row["probability"]), abs=1e-6)
    ended = interlingua("fusion", "predict", tmp_path / "out", "--data", table, "--json")
    assert len(json.loads(ended.out)["answers"]) == 60
    again = compare("--json")  # what is finished is not done again
    assert json.loads(again.out)["rows"][0]["key"] == "gated"


def test_list_names_all_fusions_and_tasks(interlingua) -> None:
    found = json.loads(interlingua("fusion", "list", "--json").out)
    assert {row["name"] for row in found["fusions"]} == set(FUSIONS)
    assert {row["name"] for row in found["tasks"]} == set(TASKS)
    assert all(row["about"].endswith(".") for rows in found.values() for row in rows)
    assert "bottleneck" in interlingua("fusion", "list").out


def test_the_help_groups_the_options(interlingua) -> None:
    shown = interlingua("fusion", "compare", "--help").out
    heads = ("its columns", "its rows", "What is compared", "Options")
    places = [shown.index(head) for head in heads]
    parts = {
        head: shown[start : min([p for p in places if p > start], default=len(shown))]
        for head, start in zip(heads, places, strict=True)
    }
    for head, names in {
        "its columns": ("--data", "--label", "--speech", "--number-group", "--leave-out"),
        "its rows": ("--group", "--test-column", "--split", "--min-rows"),
        "What is compared": ("--fusions", "--seeds", "--dropout", "--quick", "--set"),
        "Options": ("--processes", "--out", "--json"),
    }.items():
        for name in names:
            assert re.search(rf"(?m)^\W*{name}\b(?!-)", parts[head]), (head, name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Name a task, or a table"),
        (("synergy", "--data", "x.csv"), "Name one of the two"),
        (("synergi",), "did you mean 'synergy'"),
        (("synergy", "--group", "x"), "--group is for a table of your own"),
        (("synergy", "--set", "x"), "is not a change"),
        (("synergy", "--set", "demonstration=3"), "did you mean 'demonstrations'"),
        (("synergy", "--dropout", "few"), "all, some, none"),
        (("complement", "--set", "demonstrations=5"), "unknown key 'demonstrations'"),
        (("--data", "x.csv"), "No label is named"),
        (("synergy", "--seeds", "one"), "are no seeds"),
        (("synergy", "--seeds", "0"), "are no seeds"),
    ],
)
def test_a_wrong_command_line_is_told(interlingua, arguments, message) -> None:
    ended = interlingua("fusion", "compare", *arguments)
    assert ended.code == 2, ended.err
    assert message in ended.err and "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no header line"),
        ("a,b,kind\n", "no rows"),
        ("a,a,kind\n1,2,x\n", "two columns 'a'"),
        ("a,b,kind\n" + "1,2,x\n" * 20, "one class, 'x'"),
        ("a,b,kind\n" + "1,2,x\n1,3,y\n" * 20, "'a' has the same value"),
        ("photo,b,kind\n" + "p1.png,2,x\np2.png,3,y\n" * 20, "none of these files is there"),
    ],
)
def test_a_table_of_no_use_is_told(interlingua, tmp_path, text, message) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    out = tmp_path / "out"
    ended = interlingua("fusion", "compare", "--data", path, "--label", "kind", "--out", out)
    assert ended.code == 1
    assert message in ended.err and "Traceback" not in ended.err


def test_predict_needs_a_comparison(interlingua, tmp_path, table) -> None:
    ended = interlingua("fusion", "predict", tmp_path, "--data", table)
    assert ended.code == 1 and "There is no comparison here" in ended.err
