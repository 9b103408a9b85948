"""A table of fields: what its columns hold, and what is refused."""

from datetime import UTC, datetime

import pytest

from interlingua.errors import DataError, SearchIndexError
from interlingua.index import FieldTable


def write(tmp_path, text, name="fields.csv"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_kinds_are_found_by_looking_at_all_values(tmp_path):
    table = FieldTable.read(
        write(
            tmp_path,
            "key,year,draft,taken at,artist,mixed,group,empty\n"
            "a,1990,true,2020-01-02,Ann,3,x,\n"
            "b,,FALSE,2020-01-02T10:00:00+02:00,Bob,three,y,\n"
            ",1,true,,,,,\n"
            "c,2000.5,,,,,,\n",
        )
    )
    assert table.kinds == {"year": "number", "draft": "bool", "taken_at": "time",
                           "artist": "text", "mixed": "text", "empty": "text"}  # fmt: skip
    assert table.values["a"] == {
        "year": 1990, "draft": True, "taken_at": datetime(2020, 1, 2, tzinfo=UTC),
        "artist": "Ann", "mixed": "3",
    }  # fmt: skip
    assert table.values["b"]["taken_at"] == datetime(2020, 1, 2, 8, tzinfo=UTC)
    assert table.values["c"] == {"year": 2000.5}
    assert set(table.values) == {"a", "b", "c"}


def test_json_lines_keep_their_kinds(tmp_path):
    lines = '{"key": "a", "year": 3, "draft": true}\n{"id": "x", "key": "b", "draft": false}\n'
    table = FieldTable.read(write(tmp_path, lines, "fields.jsonl"))
    assert table.kinds["year"] == "number"
    assert table.kinds["draft"] == "bool"
    assert table.values["b"]["draft"] is False


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("name,year\na,1\n", DataError, "no column 'key'; it has 'name', 'year'"),
        ("key,group\na,1\n", DataError, "no field beside its key"),
        ("key,year\na,1\na,2\n", DataError, "Two rows .* key 'a' and differ"),
        ("key,in\na,1\n", SearchIndexError, "'in' can't be the name"),
    ],
)
def test_tables_that_are_refused(tmp_path, text, error, message):
    with pytest.raises(error, match=message):
        FieldTable.read(write(tmp_path, text))


def test_equal_rows_of_a_key_are_one(tmp_path):
    assert FieldTable.read(write(tmp_path, "key,year\na,1\na,1\n")).values == {"a": {"year": 1.0}}
