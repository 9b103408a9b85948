"""The drawing of charts: scales, axes, lines and names, in the classes of ``fusion.css``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from interlingua.report import numbers
from interlingua.report.fusion_figures import Data, Figures
from interlingua.report.html import Child, Html, element, words

WIDTH = 640
LABEL = 168  # pixels of a method's name
ROW = 23
CHARACTERS = 24
Scale = Callable[[float], float]


def scale(low: float, high: float, start: float, end: float) -> Scale:
    """From ``low``..``high`` to pixels."""
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def svg(parts: Sequence[Child], width: float, height: float, label: str) -> Html:
    """A drawing that says in words what it shows."""
    return element("svg", parts, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=label)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Html:
    """A straight line."""
    return element("line", x1=pixels(x1), y1=pixels(y1), x2=pixels(x2), y2=pixels(y2), class_=kind)


def text(x: float, y: float, content: str, kind: str) -> Html:
    """A name or a figure."""
    return element("text", content, x=pixels(x), y=pixels(y), class_=kind)


def pixels(value: float) -> str:
    """A length as SVG takes it."""
    return f"{value:.1f}" if math.isfinite(value) else "0"


def short(name: str) -> str:
    """A name that fits beside a chart."""
    return name if len(name) <= CHARACTERS else f"{name[: CHARACTERS - 1]}…"


def axis(x: Scale, height: float, ticks: Sequence[float], *, points: bool = False) -> list[Child]:
    """Upright lines with their figures below, per cent or points."""
    parts: list[Child] = []
    for tick in ticks:
        name = f"{tick * 100:+.0f}".replace("+0", "0") if points else numbers.percent(tick)
        parts.append(line(x(tick), 2, x(tick), height - 24, "grid"))
        parts.append(text(x(tick), height - 6, name.replace("-", "\u2212"), "middle"))
    return parts


def by_value(figures: Figures, rows: Sequence[Data]) -> list[Data]:
    """Methods, the best first."""

    def value(row: Data) -> float:
        found = figures.headline(row).value
        return found if math.isfinite(found) else -math.inf

    return sorted(rows, key=value, reverse=True)


def colour_key(names: Sequence[tuple[str, str]]) -> Html:
    """What the colours stand for."""
    items = [element("li", element("i"), words(name, longest=40), class_=kind)
             for name, kind in names]  # fmt: skip
    return element("ul", items, class_="key")
