"""Loss and metric curves: one small drawing per panel, lines named where they end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from interlingua.report import numbers
from interlingua.report.data import FloatArray, Line, Panel
from interlingua.report.html import Child, Html, element, escape, words

_WIDTH, _HEIGHT = 560, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 172, 26, 26
_MOST_POINTS = 220
_NAME_HEIGHT = 15


def curves_section(panels: Sequence[Panel]) -> Html | None:
    """All panels side by side; None where there is nothing to draw."""
    drawn = [figure for panel in panels if (figure := _figure(panel)) is not None]
    return element("div", drawn, class_="panels") if drawn else None


def panels_from_metrics(rows: Iterable[Mapping[str, Any]]) -> list[Panel]:
    """Panels from a run's ``metrics.jsonl``: losses, learning rate, and what was evaluated.

    Args:
        rows: one mapping per logged step with ``step``, and where known ``stage``, ``loss``,
            ``parts`` (name -> loss), ``learning_rate`` or ``lr``, and ``metrics`` (name -> value).
    """
    series: dict[str, dict[str, list[tuple[float, float]]]] = {"loss": {}, "rate": {}, "metric": {}}
    marks: list[tuple[float, str]] = []
    for row in rows:
        step = float(row["step"])
        stage = str(row.get("stage", ""))
        if stage and (not marks or marks[-1][1] != stage):
            marks.append((step, stage))
        found = [("loss", "total", row.get("loss"))]
        found += [("loss", name, value) for name, value in _items(row.get("parts"))]
        found += [("rate", "learning rate", row.get("learning_rate", row.get("lr")))]
        found += [("metric", name, value) for name, value in _items(row.get("metrics"))]
        for kind, name, value in found:
            if isinstance(value, (int, float)):
                series[kind].setdefault(str(name), []).append((step, float(value)))
    titles = {"loss": "Training loss", "rate": "Learning rate", "metric": "Held-out figures"}
    return [
        Panel(
            titles[kind],
            [
                Line(name, [step for step, _ in points], [value for _, value in points])
                for name, points in series[kind].items()
            ],
            marks if len(marks) > 1 else (),
        )
        for kind in ("loss", "metric", "rate")
        if series[kind]
    ]


def _items(value: Any) -> list[tuple[str, Any]]:
    return list(value.items()) if isinstance(value, Mapping) else []


def _thinned(line: Line) -> tuple[FloatArray, FloatArray]:
    """At most ``_MOST_POINTS`` finite points; longer lines become averages of equal stretches."""
    steps = np.asarray(line.steps, np.float64)
    values = np.asarray(line.values, np.float64)
    finite = np.isfinite(steps) & np.isfinite(values)
    steps, values = steps[finite], values[finite]
    if len(steps) > _MOST_POINTS:
        stretches = np.array_split(np.arange(len(steps)), _MOST_POINTS)
        steps = np.array([steps[s].mean() for s in stretches])
        values = np.array([values[s].mean() for s in stretches])
    return steps, values


def _figure(panel: Panel) -> Html | None:
    # a line's colour goes by its place, also where one before it has nothing to draw
    lines = [(place, line.name, *_thinned(line)) for place, line in enumerate(panel.lines)]
    lines = [line for line in lines if len(line[2])]
    if not lines:
        return None
    first, last = (f(f(steps) for _, _, steps, _ in lines) for f in (min, max))
    lowest, highest = (f(f(values) for _, _, _, values in lines) for f in (min, max))
    lowest = min(lowest, 0.0) if lowest < 0.35 * highest else lowest
    room = (highest - lowest) * 0.04 or abs(highest) * 0.1 or 1.0
    x = _scale(first, last if last > first else first + 1, _LEFT, _WIDTH - _RIGHT)
    y = _scale(lowest - (room if lowest else 0), highest + room, _HEIGHT - _BOTTOM, _TOP)
    show = numbers.percent if panel.percent else numbers.plain
    parts: list[Child] = []
    for tick in numbers.ticks(lowest, highest):
        parts.append(_line(_LEFT, y(tick), _WIDTH - _RIGHT, y(tick), "grid"))
        parts.append(_text(_LEFT - 7, y(tick) + 4, show(tick), "axis end"))
    for tick in numbers.ticks(first, last):
        parts.append(_text(x(tick), _HEIGHT - 8, numbers.plain(tick), "axis middle"))
    for step, name in panel.marks:
        if step > first:
            parts.append(_line(x(step), 4, x(step), _HEIGHT - _BOTTOM, "stage"))
        parts.append(
            _text(x(step) + (5 if step > first else 0), 13, escape(name), "axis stagename")
        )
    drawn = []
    for place, name, steps, values in lines:
        path = "L".join(f"{x(s):.1f} {y(v):.1f}" for s, v in zip(steps, values, strict=True))
        parts.append(element("path", d=f"M{path}", class_=f"line c{place % 8}"))
        if len(steps) == 1:
            parts.append(
                element(
                    "circle", cx=_n(x(steps[0])), cy=_n(y(values[0])), r=3, class_=f"d{place % 8}"
                )
            )
        end = float(values[-1])
        near_zero = (
            abs(end) < (highest - lowest) / 1000
        )  # the end of a cosine: 1.7e-08 says nothing
        drawn.append((name, place, float(y(end)), show(0.0 if near_zero else end)))
    parts.extend(_end_names(drawn))
    described = "; ".join(f"{name} ends at {value}" for name, _, _, value in drawn)
    return element(
        "figure",
        element("figcaption", element("h3", words(panel.title)), panel.note and words(panel.note)),
        element(
            "svg",
            parts,
            viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
            role="img",
            aria_label=f"{panel.title} over steps {first:.0f} to {last:.0f}: {described}.",
        ),
        class_="panel",
    )


def _end_names(drawn: list[tuple[str, int, float, str]]) -> Iterable[Html]:
    """Names at the lines' ends, pushed apart so that none covers another."""
    order = sorted(drawn, key=lambda item: item[2])
    at: list[float] = []
    for _, _, wanted, _ in order:
        at.append(max(wanted, at[-1] + _NAME_HEIGHT) if at else wanted)
    over = max(0.0, at[-1] - (_HEIGHT - _BOTTOM))
    for index in range(len(at) - 1, -1, -1):  # push back up what slid below the axis
        limit = at[index + 1] - _NAME_HEIGHT if index + 1 < len(at) else at[index] - over
        at[index] = min(at[index], limit)
    for (name, place, _, value), height in zip(order, at, strict=True):
        shown = name if len(name) <= 21 else name[:20] + "…"
        yield element(
            "text",
            element("tspan", value, class_="value"),
            element("tspan", shown, dx=5),
            x=_WIDTH - _RIGHT + 7,
            y=_n(height + 4),
            class_=f"name t{place % 8}",
        )


def _scale(low: float, high: float, start: float, end: float) -> Any:
    span = (high - low) or 1.0
    return lambda value: start + (float(value) - low) / span * (end - start)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Html:
    return element("line", x1=_n(x1), y1=_n(y1), x2=_n(x2), y2=_n(y2), class_=kind)


def _text(x: float, y: float, content: str, kind: str) -> Html:
    return element("text", content, x=_n(x), y=_n(y), class_=kind)


def _n(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else "0"
