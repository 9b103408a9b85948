from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from interlingua import data
from interlingua.data.source import Problem, count_reasons
from interlingua.errors import ConfigError, DataError, FetchError


def test_the_catalogue_says_where_everything_is_from() -> None:
    entries = data.catalogue()
    assert {entry.name for entry in entries} == {"stamps", "clipart", "openmoji", "prompts"}
    for entry in entries:
        assert entry.licence
        assert entry.summary
        assert len(entry.sources) == len(entry.packages)
        assert entry.name in data.TABLE, "what can be fetched can be opened"


def test_an_unknown_name_gives_the_nearest() -> None:
    with pytest.raises(FetchError, match="'stamps'"):
        data.get("stampz")
    with pytest.raises(DataError, match="'stamps'"):
        data.open_source("stampz")


def test_an_unknown_option_gives_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'languages'"):
        data.open_source("stamps", language=["fr"])


def test_a_path_is_told_by_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "dog.png").write_bytes(b"bytes are not looked at here")
    (tmp_path / "list.csv").write_text("image,text\ndog.png,a dog\n")
    assert len(data.open_source(tmp_path)) == 1
    assert data.open_source(str(tmp_path / "list.csv"))[0].meta.name == "a dog"
    with pytest.raises(DataError, match="neither"):
        data.open_source(tmp_path / "dog.png")
    with pytest.raises(DataError, match="no source, folder or manifest"):
        data.open_source(tmp_path / "nothing.csv")


def test_a_known_name_wins_over_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real_data: Callable[[str], object]
) -> None:
    real_data("prompts")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "dog.png").touch()
    assert len(data.open_source("prompts")) == 563
    assert len(data.open_source("./prompts")) == 1


def test_a_class_of_your_own_is_opened_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_source.py").write_text(
        "from typing import ClassVar\n"
        "from interlingua.config import NamedConfig\n"
        "from interlingua.data.source import ListSource\n"
        "from interlingua.sample import Sample, Text\n"
        "class Own(ListSource):\n"
        "    class Config(NamedConfig):\n"
        "        folder: ClassVar[str] = 'data'\n"
        "        words: int = 1\n"
        "    def __init__(self, config):\n"
        "        samples = [Sample(str(i), (Text(str(i)),)) for i in range(config.words)]\n"
        "        super().__init__('own', samples)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert len(data.open_source("own_source:Own", words=3)) == 3


def test_reasons_are_counted_most_first() -> None:
    problems = [Problem("b", "1"), Problem("a", "2"), Problem("b", "3")]
    assert list(count_reasons(problems).items()) == [("b", 2), ("a", 1)]
