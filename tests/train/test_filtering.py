"""What filters took is kept in the run, and taken from there when the run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from interlingua.errors import DataError
from interlingua.train.corpus import Corpus, open_corpus
from interlingua.train.filtering import NUMBERS_FILE, REMOVALS_FILE
from interlingua.train.recipe import DataConfig

FILTERS = (
    {"name": "text_length", "min_words": 2},
    {"name": "random_thin", "number": 9},
)


def opened(world: Any, run: Path, filters: Any = FILTERS, **source: Any) -> Corpus:
    split = {"source": "things", "held_out": 6, "seed": 1}
    sources = ({"source": world.source(**source)},)
    return open_corpus(DataConfig(sources=sources, split=split, filters=filters), run=run)


def test_numbers_and_removals_are_in_the_run(world: Any, tmp_path: Path) -> None:
    corpus = opened(world, tmp_path)
    numbers = json.loads((tmp_path / NUMBERS_FILE).read_text())
    assert (numbers["samples"], numbers["kept"]) == (18, 9)
    assert [one["texts_removed"] for one in numbers["filters"]] == [18, 9]
    rows = [json.loads(line) for line in (tmp_path / REMOVALS_FILE).read_text().splitlines()]
    assert len(rows) == 18 + 9
    assert {row["key"] for row in rows if row["step"] == 1} == {row["key"] for row in rows} - {
        sample.key for sample in corpus.train
    }


def test_without_filters_nothing_is_written(world: Any, tmp_path: Path) -> None:
    opened(world, tmp_path, ())
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_goes_on_judges_nothing_anew(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from interlingua.data.filters.random_thin import RandomThin

    first = opened(world, tmp_path)
    monkeypatch.setattr(RandomThin, "judge", lambda *_: pytest.fail("judged again"))
    again = opened(world, tmp_path)
    assert again.train == first.train
    assert again.filtered == first.filtered
    assert again.identity == first.identity


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"filters": FILTERS[:1]}, "other settings"),
        ({"last": 23}, "data are not those"),
        ({"called": "things", "first": 1}, "data are not those"),
    ],
)
def test_what_changed_since_is_said(world: Any, tmp_path: Path, change: Any, words: str) -> None:
    opened(world, tmp_path)
    with pytest.raises(DataError, match=words):
        opened(world, tmp_path, **change)


@pytest.mark.parametrize("name", [NUMBERS_FILE, REMOVALS_FILE])
def test_a_damaged_record_is_said(world: Any, tmp_path: Path, name: str) -> None:
    opened(world, tmp_path)
    text = (tmp_path / name).read_text()
    (tmp_path / name).write_text(text[:-20])
    with pytest.raises(DataError, match="can't be read"):
        opened(world, tmp_path)


def test_training_with_filters_resumes(world: Any, tmp_path: Path) -> None:
    from interlingua.train.session import open_run, train_recipe

    data = {
        "sources": [{"source": world.source()}],
        "split": {"source": "things", "held_out": 6, "seed": 1},
        "filters": list(FILTERS),
    }
    session = train_recipe(world.recipe(data=data, named=False), tmp_path / "run")
    assert len(session.corpus.train) == 9
    assert open_run(tmp_path / "run").corpus.train == session.corpus.train
