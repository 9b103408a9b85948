from __future__ import annotations

import json

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlingua.cli import output


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1500, "2 kB"),
        (1.5e6, "1.5 MB"),
        (2e9, "2.0 GB"),
        (3e12, "3.0 TB"),
    ],
)
def test_bytes_for_people(count: float, text: str) -> None:
    assert output.number_of_bytes(count) == text


def test_json_is_plain(capsys) -> None:
    output.print_json({"vector": numpy.ones(2, numpy.float32), "ü": numpy.float64(0.5)})
    assert json.loads(capsys.readouterr().out) == {"vector": [1.0, 1.0], "ü": 0.5}


@given(st.text(alphabet=st.characters(exclude_categories=("C", "Z"))))
def test_notices_show_words_as_they_are(text: str) -> None:
    import contextlib
    import io

    stream = io.StringIO()
    with contextlib.redirect_stderr(stream):
        output.note(text)
        output.note("[bold]no markup[/]")
    assert stream.getvalue() == f"{text}\n[bold]no markup[/]\n"


def test_tables_in_files_are_not_cut_at_80(monkeypatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert output.answers().width == output.WIDTH_WITHOUT_TERMINAL
