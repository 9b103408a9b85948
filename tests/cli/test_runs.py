from __future__ import annotations

from pathlib import Path

import numpy

from interlingua.cli import runs
from interlingua.evaluate.directions import all_directions


def measured() -> list[dict[str, object]]:
    """A real table of a space in which pictures and texts agree."""
    vectors = numpy.eye(20, 8, dtype=numpy.float32) + 0.1
    component = numpy.arange(20)
    table = all_directions(
        {"image": vectors, "text": vectors}, {"image": component, "text": component}, bootstrap=50
    )
    return table.to_json()


def test_directions_are_shown_with_both_ends(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    runs.show_figures({"seed": 0, "held_out": measured()})
    shown = capsys.readouterr().out
    assert "seed: 0" in shown
    assert "held out" in shown
    for word in ("image → text", "text → image", "R@10", "chance@10", "wrong@10"):
        assert word in shown


def test_languages_and_intervals_are_no_markup(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    estimate = {"value": 0.25, "low": 0.125, "high": 0.5}
    sides = {key: {"1": estimate, "10": estimate} for key in ("model", "length", "difference")}
    row = {"n": 7, **sides}
    runs.show_figures({"speech_against_length": {"speech[fr] → text": row}})
    shown = capsys.readouterr().out
    assert "speech[fr] → text" in shown
    assert shown.count("0.25 [0.12, 0.50]") == 3
    assert "R@10" in shown


def test_readable() -> None:
    assert runs.readable({"value": 0.5, "low": 0.25, "high": 0.75}) == "0.50 [0.25, 0.75]"
    assert runs.readable({"value": 0.5, "low": None, "high": None}) == "0.50"
    assert runs.readable({"a": 1, "b": 0.333}) == "a 1, b 0.33"
    assert runs.readable(None) == ""


def test_a_run_that_is_not_there(interlingua, tmp_path: Path) -> None:
    for verb in ("eval", "report"):
        ended = interlingua(verb, tmp_path / "no-run")
        assert ended.code == 1
        assert ended.out == ""
        assert "no-run" in ended.err
