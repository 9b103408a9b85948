"""Tables as columns, and what each holds."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from PIL import Image

from interlingua.data.columns import almost_numbers, check_asked, kind_of, numbers_of, read_columns
from interlingua.errors import ConfigError, DataError


def table(folder: Path, text: str, name: str = "t.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_columns(path)


def test_csv_tsv_and_jsonl_give_the_same_columns(tmp_path) -> None:
    expected = {"a": ["1", None], "b": ["x y", "z"]}
    assert table(tmp_path, "a,b\n1, x y \n,z\n").cells == expected
    assert table(tmp_path, "a\tb\n1\tx y\n\tz\n", "t.tsv").cells == expected
    rows = [{"a": 1, "b": "x y"}, {"b": "z", "a": None}]
    assert table(tmp_path, "\n".join(map(json.dumps, rows)), "t.jsonl").cells == expected


def test_lines_are_those_of_the_file(tmp_path) -> None:
    found = table(tmp_path, "a,b\n1,2\n\n3,4,5\n6,7\n")
    assert found.lines == [2, 5]
    assert [problem.reason for problem in found.problems] == ["more cells than columns"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no header line"),
        ("a,b\n", "no rows"),
        ("a,b,a\n1,2,3\n", "two columns 'a'"),
        ("a, a \n1,2\n", "two columns 'a'"),
        ("a,b\n1,2,3\n", "no rows that can be used: 1× more cells than columns"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text, message) -> None:
    with pytest.raises(DataError, match=message):
        table(tmp_path, text)


def test_unnamed_columns_are_passed_over(tmp_path) -> None:
    assert list(table(tmp_path, "a,b,,\n1,2,,\n").cells) == ["a", "b"]


def test_a_missing_column_names_the_nearest(tmp_path) -> None:
    found = table(tmp_path, "colour,size\nred,1\n")
    with pytest.raises(ConfigError, match=r"no column 'color' \(did you mean 'colour'\?\)"):
        found.require("color", "--label")


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-2.5", None, "3e4"], "number"),
        (["1", "NA", "nan", "-"], "number"),
        (["1", "two"], "text"),
        (["1_000"], "text"),
        (["2024-01-02"], "text"),
        ([None, "n/a"], None),
        (["red", "blue.png"], "text"),
    ],
)
def test_kinds_by_all_values(tmp_path, cells, kind) -> None:
    assert kind_of(cells, tmp_path, "x", "t.csv") == kind


def test_a_column_of_files_needs_files_that_are_there(tmp_path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    assert kind_of(["a.png", "gone.png", None], tmp_path, "x", "t.csv") == "picture"
    with pytest.raises(DataError, match="2 sounds, and none of these files is there"):
        kind_of(["a.wav", "b.flac"], tmp_path, "x", "t.csv")
    with pytest.raises(DataError, match="none of these files is there"):
        kind_of(["\0.png", "x" * 300 + ".png"], tmp_path, "x", "t.csv")


def test_numbers_take_a_decimal_comma_and_note_what_is_none() -> None:
    found = numbers_of(["3,5", "x", None, "inf", "1e999"])
    assert found.values[0] == 3.5
    assert all(math.isnan(value) for value in found.values[1:])
    assert found.odd == [(1, "x"), (4, "1e999")]
    assert almost_numbers(["1"] * 20 + ["one"]) == [(20, "one")]
    assert almost_numbers(["1", "one"]) == []


def test_a_column_is_of_one_kind(tmp_path) -> None:
    found = table(tmp_path, "a,b\n1,2\n")
    with pytest.raises(ConfigError, match="'a' is given as --text and as --number"):
        check_asked(found, {"--text": ["a"], "--number": ["a"]})
