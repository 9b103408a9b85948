"""Retrieval of several runs as tables: a drawing, a column for each run, paired differences.

Each run has one colour; a difference whose interval lies on one side of 0 is marked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from interlingua.evaluate.intervals import Estimate
from interlingua.evaluate.single_queries import Paired
from interlingua.report import numbers
from interlingua.report.html import Child, Html, element, join, words
from interlingua.report.run_differences import RunDifferences
from interlingua.report.run_directions import DirectionOfRuns, Figure

_WIDTH, _ROW, _EDGE = 240, 13, 6
_TITLES = {
    "held_out": "Held-out things",
    "unseen_language": "Spoken in a language that was not trained on",
    "seen": "Things seen in training",
}


def directions_of_runs_section(found: RunDifferences) -> Html | None:
    """Held-out things open, their other ks and the other sides folded; None without figures."""
    parts: list[Child] = []
    ks = sorted({k for row in found.directions for one in row.figures.values() for k in one.recall})
    for side, title in _TITLES.items():
        rows = [row for row in found.directions if row.side == side]
        if not rows:
            continue
        shown = _direction_table(found, rows, found.k)
        others = [
            element("details", element("summary", f"R@{k}"), _direction_table(found, rows, k))
            for k in ks
            if k != found.k
        ]
        if side == "held_out":
            parts += [element("h3", title), shown, others]
        else:
            parts.append(element("details", element("summary", title), shown))
    return join(*parts) if parts else None


def _direction_table(found: RunDifferences, rows: Sequence[DirectionOfRuns], k: int) -> Html:
    first, *others = found.runs
    against = any(row.against_first for row in rows)
    heads: list[Child] = ["asked with → searched", _axis(), *run_names(found)]
    if against:
        heads += [
            element("span", words(run, longest=40), f" \u2212 {first}", class_=f"against r{place}")
            for place, run in enumerate(others, 1)
        ]
    heads += ["chance", "broken pairs", "N", "of"]
    return wide_table(heads, [_direction_row(found, row, k, against) for row in rows])


def _direction_row(found: RunDifferences, row: DirectionOfRuns, k: int, against: bool) -> Html:
    def figure(run: str) -> Child:
        one = row.figures.get(run)
        if one is None or k not in one.recall:
            return "–"
        value = one.recall[k]
        interval = element("small", f" {numbers.interval(value)}")
        return [element("b", numbers.percent(value.value)), interval]

    def of_all(value_of: Callable[[Figure], str]) -> str:
        values = [value_of(row.figures[run]) for run in found.runs if run in row.figures]
        return " / ".join(dict.fromkeys(values))

    def share(table: Mapping[int, float]) -> str:
        return numbers.percent(table[k]) if k in table else "–"

    cells: list[Child] = [element("td", figure(run)) for run in found.runs]
    if against:
        cells += [_difference(row.against_first.get(run, {}).get(k)) for run in found.runs[1:]]
    cells += [
        element("td", of_all(lambda one: share(one.chance))),
        element("td", of_all(lambda one: share(one.control))),
        element("td", of_all(lambda one: numbers.count(one.n))),
        element("td", of_all(lambda one: numbers.count(one.gallery))),
    ]
    name = f"{row.query} → {row.gallery}"
    return element(
        "tr",
        element("th", words(name), scope="row"),
        element("td", _drawing(found, row, k), class_="drawn"),
        cells,
    )


def _difference(one: Paired | str | None) -> Html:
    if not isinstance(one, Paired):
        return element("td", "–", title=one, class_="lacks")
    stands = one.difference.low > 0 or one.difference.high < 0
    kind = ("better" if one.difference.value > 0 else "worse") if stands else None
    about = f"{one.n} queries about {one.things} things; {one.changed} are answered differently"
    return element("td", points(one.difference), title=about, class_=kind)


def _x(value: float) -> str:
    return f"{_EDGE + min(max(value, 0.0), 1.0) * (_WIDTH - 2 * _EDGE):.1f}"


def _axis() -> Html:
    """The scale over the drawings."""
    labels = [
        element("text", f"{tick * 100:.0f}", x=_x(tick), y=12, class_="middle")
        for tick in (0, 0.5, 1)
    ]
    return element("svg", labels, viewBox=f"0 0 {_WIDTH} 15", aria_hidden="true")


def _drawing(found: RunDifferences, row: DirectionOfRuns, k: int) -> Html:
    """A dot and a whisker for each run; what it says stands in the next cells."""
    height = _ROW * len(found.runs)
    ticks = (0, 0.25, 0.5, 0.75, 1)
    parts: list[Child] = [
        element("line", x1=_x(tick), x2=_x(tick), y1=0, y2=height, class_="grid") for tick in ticks
    ]
    for place, run in enumerate(found.runs):
        one = row.figures.get(run)
        if one is None or k not in one.recall:
            continue
        value, y = one.recall[k], _ROW * (place + 0.5)
        if k in one.chance:
            x = _x(one.chance[k])
            parts.append(element("line", x1=x, x2=x, y1=y - 5, y2=y + 5, class_="chance"))
        if math.isfinite(value.low):
            ends = {"x1": _x(value.low), "x2": _x(value.high)}
            parts.append(element("line", **ends, y1=y, y2=y, class_=f"whisker r{place}"))
        parts.append(element("circle", cx=_x(value.value), cy=y, r=3.6, class_=f"dot r{place}"))
    return element("svg", parts, viewBox=f"0 0 {_WIDTH} {height}", aria_hidden="true")


def points(value: Estimate, digits: int = 1) -> str:
    """A difference in points with its interval: ``+2.0 [−1.5, 5.5]``."""

    def one(number: float, sign: str = "") -> str:
        shown = f"{number * 100:{sign}.{digits}f}"
        shown = shown if float(shown) else f"{0:.{digits}f}"  # no minus zero
        return shown.replace("-", "\u2212")

    if not math.isfinite(value.low):
        return one(value.value, "+")
    return f"{one(value.value, '+')} [{one(value.low)}, {one(value.high)}]"


def wide_table(heads: Sequence[Child], rows: Sequence[Child]) -> Html:
    """A table that scrolls sideways where the screen is too narrow for it."""
    head = element("thead", element("tr", [element("th", one, scope="col") for one in heads]))
    return element("div", element("table", head, element("tbody", rows)), class_="wide")


def run_names(found: RunDifferences) -> list[Child]:
    """The runs' names with their colours, as heads of columns."""
    return [
        element("span", element("i"), words(name, longest=40), class_=f"run r{place}")
        for place, name in enumerate(found.runs)
    ]
