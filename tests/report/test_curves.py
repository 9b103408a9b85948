from __future__ import annotations

import re

import numpy as np

from interlingua.report import Line, Panel
from interlingua.report.curves import curves_section, panels_from_metrics


def heights(markup: str) -> list[float]:
    return [float(y) for y in re.findall(r'y="([\d.]+)" class="name', markup)]


def test_panels_are_read_from_metrics() -> None:
    rows = [
        {"step": 1, "stage": "heads", "loss": 3.0, "parts": {"image-text": 2.0}, "lr": 0.1},
        {"step": 2, "stage": "heads", "loss": 2.0, "parts": {"image-text": 1.0}, "lr": 0.2},
        {"step": 3, "stage": "all", "loss": 1.0, "learning_rate": 0.1, "metrics": {"R@10": 0.5}},
        {"step": 4, "stage": "all", "loss": None},
    ]
    loss, metric, rate = panels_from_metrics(rows)
    assert [line.name for line in loss.lines] == ["total", "image-text"]
    assert loss.lines[0].values == [3.0, 2.0, 1.0]
    assert loss.lines[1].steps == [1, 2]
    assert loss.marks == [(1, "heads"), (3, "all")]
    assert (metric.lines[0].steps, metric.lines[0].values) == ([3], [0.5])
    assert rate.lines[0].values == [0.1, 0.2, 0.1]
    assert panels_from_metrics([]) == []


def test_nothing_to_draw_is_nothing() -> None:
    assert curves_section([]) is None
    assert curves_section([Panel("Loss", [Line("total", [], [])])]) is None
    assert curves_section([Panel("Loss", [Line("total", [1, 2], [np.nan, np.inf])])]) is None


def test_values_that_are_not_finite_are_left_out() -> None:
    markup = curves_section([Panel("Loss", [Line("total", [1, 2, 3], [2.0, np.nan, 1.0])])])
    assert markup is not None
    assert "nan" not in markup
    assert "total ends at 1" in markup
    path = re.search(r'd="(M[^"]+)" class="line', markup)
    assert path is not None
    assert path.group(1).count("L") == 1


def test_a_falling_loss_falls_on_the_page() -> None:
    markup = curves_section([Panel("Loss", [Line("total", [0, 1, 2], [5.0, 3.0, 1.0])])])
    path = re.search(r'd="M([^"]+)" class="line', str(markup))
    assert path is not None
    x, y = zip(*(map(float, point.split()) for point in path.group(1).split("L")), strict=True)
    assert list(x) == sorted(x)
    assert list(y) == sorted(y)  # SVG counts downwards


def test_long_curves_are_thinned() -> None:
    steps = np.arange(50_000)
    markup = curves_section([Panel("Loss", [Line("total", steps, np.exp(-steps / 9000))])])
    assert len(str(markup)) < 8000


def test_names_at_the_ends_do_not_cover_each_other() -> None:
    lines = [Line(f"line {i}", [0, 1], [3.0, 1.0 + i * 1e-3]) for i in range(7)]
    at = sorted(heights(str(curves_section([Panel("Loss", lines)]))))
    assert len(at) == 7
    assert min(np.diff(at)) > 14.9


def test_a_single_point_and_a_constant_are_drawn() -> None:
    markup = str(curves_section([Panel("One", [Line("a", [5], [2.0])])]))
    assert "<circle" in markup
    assert "<path" in str(curves_section([Panel("Flat", [Line("a", [0, 1], [2.0, 2.0])])]))


def test_names_are_escaped() -> None:
    markup = str(curves_section([Panel("<i>", [Line("<b>", [0, 1], [1, 2])], [(0, "<u>")])]))
    assert not re.search("<(i|b|u)>", markup)
