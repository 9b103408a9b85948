"""The first thing a reader sees: how often the right picture is found, against guessing.

One dot is one held-out thing: full where it came first, half where it came among
the first ten, empty where it came later. Guessing is drawn the same way beside it.
"""

from __future__ import annotations

import math

from interlingua.report import numbers, views
from interlingua.report.data import DirectionRow, ReportData
from interlingua.report.directions import above_chance
from interlingua.report.html import Child, Html, element, words

_DOTS = 200
_COLUMNS = 20


def headline_section(data: ReportData) -> Html:
    """Title, a sentence, dots and figures."""
    main = data.direction("text", "image") or next((r for r in data.directions if r.held_out), None)
    if main is None or not main.recall:
        return element(
            "div",
            element("h1", words(data.title)),
            element("p", "Nothing held out has been measured yet.", class_="lead"),
            class_="headline",
        )
    back = data.direction(main.target, main.query)
    return element(
        "div",
        element("div", element("h1", _sentence(main)), _figures([main, *([back] if back else [])])),
        _dots(main),
        class_="headline",
    )


def _ks(row: DirectionRow) -> tuple[int, int]:
    ks = sorted(row.recall)
    return ks[0], 10 if 10 in ks else ks[-1]


def _sentence(row: DirectionRow) -> list[Child]:
    first, wide = _ks(row)
    kept = f"{numbers.count(row.gallery)} {views.plural(row.target)} it never saw in training"
    asked = {"text": "Given words", "image": "Given a picture", "sound": "Given a sound"}.get(
        views.base(row.query), f"Given a {views.name(row.query)}"
    )
    sentence: list[Child] = [
        f"{asked}, it picks the right one of {kept} "
        if first == 1
        else f"{asked}, it has the right one of {kept} among its first {first} ",
        element("b", numbers.percent(row.recall[first].value, 0)),
        " of the time",
    ]
    if wide != first:
        number = "ten" if wide == 10 else str(wide)
        sentence += [
            f", and has it among its first {number} ",
            element("b", numbers.percent(row.recall[wide].value, 0)),
            " of the time",
        ]
    return [*sentence, "."]


def _figures(rows: list[DirectionRow]) -> Html:
    entries = []
    for row in rows:
        for k in dict.fromkeys(_ks(row)):
            estimate, chance = row.recall[k], row.chance.get(k)
            notes = []
            if math.isfinite(estimate.low):
                notes.append(f"95{numbers.THIN}% interval {numbers.interval(estimate)}")
            if chance is not None:
                notes.append(f"chance {numbers.percent(chance)}")
            if above_chance(row, k) is False:
                notes.append("not above chance")
            entries.append(
                element(
                    "div",
                    element(
                        "dt",
                        views.glyph(row.query),
                        element("span", " → ", class_="arrow"),
                        views.glyph(row.target),
                        element(
                            "span", f" {views.name(row.query)} to {views.name(row.target)}, R@{k}"
                        ),
                    ),
                    element("dd", numbers.percent(estimate.value)),
                    element("dd", [element("span", note) for note in notes], class_="note"),
                )
            )
    return element("dl", entries, class_="keyfigures")


def _dots(row: DirectionRow) -> Html | None:
    first, wide = _ks(row)
    total = min(_DOTS, row.number) if row.number else _DOTS
    ours = _field(row.recall[first].value, row.recall[wide].value, total, views.ink(row.target))
    one = (
        "one held-out query"
        if total == row.number
        else f"about {max(row.number, 1) / total:.1f} held-out queries"
        if row.number
        else f"1 in {total} queries"
    )
    guesses: Child = None
    if first in row.chance and wide in row.chance:
        field = _field(row.chance[first], row.chance[wide], total, "v-guess")
        guesses = element("figure", field, element("figcaption", "by guessing"), class_="guess")
    key = [
        element("li", _sample("full"), "found first"),
        element("li", _sample("half"), f"among the first {wide}"),
        element("li", _sample("later"), "later"),
    ]
    return element(
        "div",
        element("figure", ours, element("figcaption", f"by the space; each dot is {one}")),
        guesses,
        element("ul", key, class_=f"key {views.ink(row.target)}"),
        class_="dots",
    )


def _field(first: float, wide: float, total: int, ink: str) -> Html:
    full, half = round(first * total), round(wide * total)
    dots = []
    for place in range(total):
        x, y = place % _COLUMNS * 12 + 6, place // _COLUMNS * 12 + 6
        kind = "full" if place < full else "half" if place < half else "later"
        dots.append(_dot(x, y, kind))
    rows = math.ceil(total / _COLUMNS)
    return element(
        "svg",
        dots,
        viewBox=f"0 0 {_COLUMNS * 12} {rows * 12}",
        role="img",
        aria_label=f"Of {total} dots {full} are full: found first; {half - full} half full.",
        class_=f"dotfield {ink}",
    )


def _dot(x: float, y: float, kind: str) -> Html:
    """Full, half full or empty: shapes, so that they are told apart without colour."""
    ring = element("circle", cx=x, cy=y, r=3.9, class_="ring")
    if kind == "later":
        return ring
    if kind == "full":
        return element("circle", cx=x, cy=y, r=4.5, class_="fill")
    half = element("path", d=f"M{x - 3.9} {y}a3.9 3.9 0 0 0 7.8 0z", class_="fill")
    return Html(ring + half)


def _sample(kind: str) -> Html:
    return element("svg", _dot(6, 6, kind), viewBox="0 0 12 12", aria_hidden="true")
