"""Figures for people: plain lines without a terminal, a live bar with one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from rich.console import Console

from interlingua.train.log import Lines, LiveDisplay, describe, display_for
from interlingua.train.run_folder import append_line, forget_after, read_lines

ROW: dict[str, Any] = {
    "kind": "train",
    "step": 3,
    "stage": "heads",
    "loss": 1.25,
    "parts": {"image-text": 1.0, "sound-text": 1.5},
    "learning_rate": 1e-3,
    "rate": 1234.5,
}
EVALUATION: dict[str, Any] = {
    "kind": "evaluation",
    "step": 4,
    "stage": "heads",
    "figures": {"text→image R@10": 0.6123, "n": 200, "detail": {"not": "shown"}},
}


def run_through(display: Any) -> None:
    display.start(10, 0)
    display.advance(3)
    display.show(ROW)
    display.note("Step 2 was skipped: [bold]loss nan.")
    display.show(EVALUATION)
    display.stop()


def test_lines() -> None:
    out = io.StringIO()
    run_through(Lines(Console(file=out, width=40, soft_wrap=True), seconds=0))
    first, note, evaluation = out.getvalue().splitlines()
    assert first.startswith("step 3/10  loss 1.2500  image-text 1.000  sound-text 1.500")
    assert "left 0:0" in first
    assert note == "Step 2 was skipped: [bold]loss nan."
    assert "text→image R@10 0.612" in evaluation
    assert "n 200" in evaluation
    assert "shown" not in evaluation


def test_lines_are_few_but_figures_always_come() -> None:
    out = io.StringIO()
    display = Lines(Console(file=out, width=200), seconds=3600)
    display.start(10, 0)
    for _ in range(5):
        display.show(ROW)
    display.show(EVALUATION)
    assert len(out.getvalue().splitlines()) == 2


def test_live_display_shows_losses_and_progress() -> None:
    out = io.StringIO()
    run_through(LiveDisplay(Console(file=out, force_terminal=True, width=120)))
    shown = out.getvalue()
    for text in (
        "heads",
        "3/10",
        "loss 1.2500",
        "image-text 1.000",
        "rate 1234/s",
        "0.612",
        "left",
    ):
        assert text in shown, text
    assert "[bold]loss nan" in shown, "a message is not markup"


def test_display_follows_the_terminal() -> None:
    assert isinstance(display_for(Console(file=io.StringIO())), Lines)
    assert isinstance(display_for(Console(file=io.StringIO(), force_terminal=True)), LiveDisplay)


def test_describe_takes_any_figures() -> None:
    assert describe({"kind": "evaluation"}) == ""


def test_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for step in (1, 2, 3):
        append_line(path, {"step": step, "loss": 1 / 3})
    path.write_bytes(path.read_bytes() + b'{"step": 4, "lo')
    assert [row["step"] for row in read_lines(path)] == [1, 2, 3]
    assert read_lines(path)[0]["loss"] == 1 / 3
    forget_after(path, 2)
    assert path.read_text().count("\n") == 2
    append_line(path, {"step": 3})
    assert [row["step"] for row in read_lines(path)] == [1, 2, 3]
    assert read_lines(tmp_path / "absent") == []
