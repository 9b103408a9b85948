"""Charts as self-contained SVG: bars of rates with their spread, and lines over a growing axis.

Colours follow the reader's light or dark setting; every figure also stands there in words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from benchmarks.harness import CaseResult
from benchmarks.results import short
from interlingua.report.html import Child, Html, element

_WIDTH = 720
_STYLE = """
svg{font:13px system-ui,sans-serif;color:#1b1f24}.paper{fill:#fff}
text{fill:currentColor}.dim{fill:#59636e}.head{font-weight:600}
.grid{stroke:#d1d9e0}.whisker{stroke:currentColor;stroke-width:1.5}
.c0{--c:#1a6ed8}.c1{--c:#c2571a}.c2{--c:#8250df}.c3{--c:#2a7f3b}.c4{--c:#737a82}
.bar,.dot{fill:var(--c)}.line{fill:none;stroke:var(--c);stroke-width:2}
@media(prefers-color-scheme:dark){svg{color:#e6edf3}.paper{fill:#0d1117}.dim{fill:#9198a1}
.grid{stroke:#3d444d}.c0{--c:#58a6ff}.c1{--c:#f0883e}.c2{--c:#bc8cff}.c3{--c:#56d364}}
"""
Series = Mapping[str, Sequence[tuple[float, float]]]


def of_cases(results: Sequence[CaseResult]) -> dict[str, str]:
    """Bars for cases that stand alone, one line chart for each axis along which cases grow."""
    timed = [result for result in results if result.ratios or any(s.seconds for s in result.sides)]
    charts = {}
    single = [result for result in timed if not result.axis]
    if single:
        charts[""] = bars(single)
    for axis in dict.fromkeys(result.axis for result in timed if result.axis):
        along = sorted((r for r in timed if r.axis == axis), key=lambda result: result.at)
        series: dict[str, list[tuple[float, float]]] = {}
        for result in along:
            for side in result.sides:
                series.setdefault(side.name, []).append((result.at, side.median * 1e3))
        charts[axis.replace(" ", "-")] = lines(
            f"Milliseconds of a round over {axis}", series, axis, logarithmic=True
        )
    return charts


def bars(results: Sequence[CaseResult]) -> str:
    """A group of bars for each case: work a second, whiskers from slowest to fastest round."""
    parts: list[Child] = []
    y = 16.0
    for result in results:
        sides = [side for side in result.sides if side.seconds]
        widest = max(result.amount / min(side.seconds) for side in sides)
        ratios = {ratio.peer: ratio for ratio in result.ratios}
        parts.append(_text(12, y + 4, f"{result.name}: {result.unit} a second", "head"))
        y += 14
        for place, side in enumerate(sides):
            low, high = (
                result.amount / seconds for seconds in (max(side.seconds), min(side.seconds))
            )
            length = 330 / widest
            ratio = ratios.get(side.name)
            said = short(side.rate) + (f", ours {ratio.median:.2f} x" if ratio else "")
            parts += [
                _text(190, y + 14, side.name, "", "end"),
                element(
                    "rect", x=200, y=_n(y + 3), height=14, width=_n(side.rate * length), rx=2,
                    class_=f"bar c{place % 5}",
                ),
                _line(200 + low * length, y + 10, 200 + high * length, y + 10, "whisker"),
                _text(208 + high * length, y + 14, said, "dim"),
            ]  # fmt: skip
            y += 22
        y += 18
    return _drawing(parts, y, "; ".join(_in_words(result) for result in results))


def _in_words(result: CaseResult) -> str:
    rates = ", ".join(f"{side.name} {short(side.rate)}" for side in result.sides if side.seconds)
    return f"{result.name}, {result.unit} a second: {rates}"


def lines(title: str, series: Series, axis: str, *, logarithmic: bool = False) -> str:
    """One line for each series; both axes logarithmic where asked for."""
    points = [point for line in series.values() for point in line]
    top, bottom, left, right = 44.0, 290.0, 62.0, 480.0
    x, x_ticks = _scale([p[0] for p in points], left, right, logarithmic)
    y, y_ticks = _scale([p[1] for p in points], bottom, top, logarithmic)
    parts: list[Child] = [_text(12, 20, title, "head")]
    for value in y_ticks:
        parts += [_line(left, y(value), right, y(value), "grid")]
        parts += [_text(left - 8, y(value) + 4, short(value), "dim", "end")]
    for value in x_ticks:
        parts.append(_text(x(value), bottom + 20, short(value), "dim", "middle"))
    parts.append(_text((left + right) / 2, bottom + 40, axis, "dim", "middle"))
    ends = []
    for place, (name, line) in enumerate(series.items()):
        path = "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in line)
        parts.append(element("path", d=f"M{path}", class_=f"line c{place % 5}"))
        if len(line) <= 12:
            parts += [
                element("circle", cx=_n(x(a)), cy=_n(y(b)), r=3, class_=f"dot c{place % 5}")
                for a, b in line
            ]
        ends.append((y(line[-1][1]), place, name, line[-1][1]))
    lowest = -math.inf
    for height, place, name, value in sorted(ends):
        lowest = max(height, lowest + 17)
        parts.append(element("rect", x=_n(right + 10), y=_n(lowest - 5), width=10, height=10,
                             class_=f"bar c{place % 5}"))  # fmt: skip
        parts.append(_text(right + 26, lowest + 4, f"{name} {short(value)}"))
    spoken = "; ".join(f"{name} ends at {short(line[-1][1])}" for name, line in series.items())
    return _drawing(parts, bottom + 52, f"{title} over {axis}: {spoken}")


def _scale(
    values: Sequence[float], start: float, end: float, logarithmic: bool
) -> tuple[Callable[[float], float], list[float]]:
    """Value to pixels, and where the ticks stand."""
    low, high = min(values), max(values)
    if logarithmic and low > 0:
        first, last = math.log2(low), math.log2(high)
        room = (last - first) * 0.04 or 1.0
        first, last = first - room, last + room
        ticks = sorted(set(values))
        if len(ticks) > 8:
            ticks = [2.0**power for power in range(math.ceil(first), math.floor(last) + 1)]
        return (lambda value: start + (math.log2(value) - first) / (last - first) * (end - start),
                ticks)  # fmt: skip
    room = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    first, last = low - room, high + room
    return (lambda value: start + (value - first) / (last - first) * (end - start),
            _even_ticks(low, high))  # fmt: skip


def _even_ticks(low: float, high: float) -> list[float]:
    span = (high - low) or 1.0
    step = 10.0 ** math.floor(math.log10(span / 3))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 5)
    return [step * n for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _drawing(parts: Sequence[Child], height: float, spoken: str) -> str:
    drawing = element(
        "svg",
        element("style", Html(_STYLE)),
        element("title", spoken),
        element("rect", width="100%", height="100%", class_="paper"),
        parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH} {height:.0f}",
        role="img",
    )
    return f"{drawing}\n"


def _text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> Html:
    # anchors as attributes: a rule in the style sheet would hide where a text begins
    return element("text", content, x=_n(x), y=_n(y), class_=kind or None, text_anchor=anchor)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Html:
    return element("line", x1=_n(x1), y1=_n(y1), x2=_n(x2), y2=_n(y2), class_=kind)


def _n(value: float) -> str:
    return f"{value:.1f}"
