"""From one's own table to answers for new rows, whole, with numbers alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from interlingua.comparison.engine import compare
from interlingua.comparison.own_table.answers import SCHEMA_FILE, answers_for, keep_schema
from interlingua.comparison.result import read_comparison
from interlingua.comparison.tasks.table import Table
from interlingua.errors import ConfigError, DataError
from tests.comparison.own_tables import two_groups, write_table


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A finished comparison; the order of its modalities is not that of the alphabet."""
    folder = tmp_path_factory.mktemp("own")
    path = write_table(folder / "t.csv", two_groups(80))
    config = Table.Config(
        path=path, label="kind", number_groups=("west=a", "east=b"), folds=2, steps=60
    )
    out = folder / "out"
    compare(config, out=out, fusions=["gated"], processes=1, dropout="none")
    keep_schema(out, Table(config).schema)
    return out


def test_new_rows_are_answered_as_well_as_the_comparison_says(compared, tmp_path) -> None:
    comparison = read_comparison(compared / "comparison.json")
    row = comparison.row("gated")
    assert row.accuracy.value > 0.9
    found = answers_for(compared, comparison, write_table(tmp_path / "n.csv", two_groups(50, 9)))
    assert (found.method, found.models) == ("gated", 2)
    right = [found.answer(place)[0] == truth for place, truth in enumerate(found.truth)]
    assert np.mean(right) > 0.9
    assert np.allclose(found.chances.sum(1), 1)


def test_what_is_missing_is_a_modality_less(compared, tmp_path) -> None:
    comparison = read_comparison(compared / "comparison.json")
    columns = {"a": [1.0, "", ""], "b": ["", 1.0, ""], "other": ["x", "y", "z"]}
    found = answers_for(compared, comparison, write_table(tmp_path / "n.csv", columns))
    assert np.isfinite(found.chances[:2]).all() and np.isnan(found.chances[2]).all()
    assert found.answer(2)[0] == ""
    assert any("1 rows have nothing" in note for note in found.notes)
    del columns["b"]
    found = answers_for(compared, comparison, write_table(tmp_path / "n.csv", columns))
    assert any("'b'" in note for note in found.notes)


def test_what_can_not_be_answered_is_told(compared, tmp_path) -> None:
    comparison = read_comparison(compared / "comparison.json")
    other = write_table(tmp_path / "o.csv", {"x": [1]})
    with pytest.raises(DataError, match="none of the columns that the model reads: 'a', 'b'"):
        answers_for(compared, comparison, other)
    with pytest.raises(DataError, match="No row has anything"):
        answers_for(compared, comparison, write_table(tmp_path / "p.csv", {"a": ["x", "?"]}))
    with pytest.raises(ConfigError, match=r"no method 'gatd' \(did you mean 'gated'"):
        answers_for(compared, comparison, other, method="gatd")
    with pytest.raises(DataError, match="no comparison on a table of one's own"):
        answers_for(tmp_path, comparison, other)


def test_a_description_of_another_time_is_refused(compared, tmp_path) -> None:
    described = json.loads((compared / SCHEMA_FILE).read_text("utf-8"))
    (tmp_path / SCHEMA_FILE).write_text(json.dumps({**described, "format_version": 9}))
    comparison = read_comparison(compared / "comparison.json")
    with pytest.raises(DataError, match="a format that this library does not read"):
        answers_for(tmp_path, comparison, compared.parent / "t.csv")
