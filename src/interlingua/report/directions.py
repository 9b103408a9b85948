"""The direction table: how often the right thing comes first, with interval, chance and controls.

Each row has one small drawing a k: the dot is the figure, the whisker its 95 %
interval, the bar chance, the hollow ring the wrong-pairing control, the cross the
baseline. All rows share one axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from interlingua.report import numbers, views
from interlingua.report.data import DirectionRow
from interlingua.report.html import Child, Html, element

_WIDTH, _HEIGHT = 300, 30
_EDGE = 8


def directions_section(rows: Sequence[DirectionRow]) -> Html | None:
    """One table for things, one for each spoken language, with a switch between the ks."""
    if not rows:
        return None
    rows = sorted(rows, key=_place)
    ks = sorted({k for row in rows for k in row.recall})
    shown = 10 if 10 in ks else ks[-1]
    plain = [row for row in rows if not _language(row)]
    spoken = [row for row in rows if _language(row)]
    parts: list[Child] = [_switch(ks, shown), _key(rows)]
    if plain:
        parts.append(_table(plain, ks, shown, "Between views"))
    if spoken:
        # Side by side within one direction, so that languages can be compared.
        spoken.sort(key=_place_by_direction)
        parts.append(_table(spoken, ks, shown, "Spoken names, language by language"))
    return element("div", parts, class_="directions", data_k=str(shown))


def above_chance(row: DirectionRow, k: int) -> bool | None:
    """Whether the interval lies above chance; None where either is unknown."""
    estimate, chance = row.recall.get(k), row.chance.get(k)
    if estimate is None or chance is None or not math.isfinite(estimate.low):
        return None
    return estimate.low > chance


def dot_and_whisker(row: DirectionRow, k: int, *, width: int = _WIDTH) -> Html | None:
    """The drawing of one figure on an axis from 0 to 100 %."""
    estimate = row.recall.get(k)
    if estimate is None or not math.isfinite(estimate.value):
        return None

    def x(value: float) -> str:
        return f"{_EDGE + min(max(value, 0.0), 1.0) * (width - 2 * _EDGE):.1f}"

    middle = _HEIGHT / 2
    parts: list[Child] = [
        element("line", x1=x(v), x2=x(v), y1=0, y2=_HEIGHT, class_="grid")
        for v in (0, 0.25, 0.5, 0.75, 1)
    ]
    chance = row.chance.get(k)
    if chance is not None:
        parts.append(
            element("line", x1=x(chance), x2=x(chance), y1=4, y2=_HEIGHT - 4, class_="chance")
        )
    if math.isfinite(estimate.low) and math.isfinite(estimate.high):
        parts.append(
            element(
                "line",
                x1=x(estimate.low),
                x2=x(estimate.high),
                y1=middle,
                y2=middle,
                class_="whisker",
            )
        )
    if (control := row.control.get(k)) is not None and math.isfinite(control):
        parts.append(element("circle", cx=x(control), cy=middle, r=4, class_="control"))
    if (baseline := row.baseline.get(k)) is not None and math.isfinite(baseline):
        place = f"translate({x(baseline)} {middle})"
        parts.append(element("path", d="M-4-4L4 4M4-4L-4 4", transform=place, class_="baseline"))
    mark = element(
        "path",
        d=views.shape(row.target),
        transform=f"translate({x(estimate.value)} {middle})",
        class_=f"dot {views.ink(row.target)}",
    )
    # Described by the numbers in the next cells, so hidden from screen readers.
    return element(
        "svg", parts, mark, viewBox=f"0 0 {width} {_HEIGHT}", class_="whiskers", aria_hidden="true"
    )


_ORDER = {"text": 0, "image": 1, "sound": 2, "speech": 3}  # words first, as people ask


def _place(row: DirectionRow) -> tuple[int, str, int, str]:
    (a, b), (c, d) = (
        (_ORDER.get(views.base(v), 4), views.name(v)) for v in (row.query, row.target)
    )
    return a, b, c, d


def _place_by_direction(row: DirectionRow) -> tuple[int, int, str]:
    from_speech = views.base(row.query) == "speech"
    other = row.target if from_speech else row.query
    number = _ORDER.get(views.base(other), 4)
    return (0 if from_speech else 1, number, views.language_name(_language(row)))


def _axis() -> Html:
    """The scale over the drawings, so that a dot can be read without its number."""
    labels = [
        element(
            "text",
            f"{100 * v:.0f}",
            x=f"{_EDGE + v * (_WIDTH - 2 * _EDGE):.1f}",
            y=13,
            text_anchor="middle",
        )
        for v in (0, 0.25, 0.5, 0.75, 1)
    ]
    return element(
        "svg", labels, viewBox=f"0 0 {_WIDTH} 16", class_="whiskers axis", aria_hidden="true"
    )


def _language(row: DirectionRow) -> str:
    return views.language(row.query) or views.language(row.target)


def _switch(ks: Sequence[int], shown: int) -> Html | None:
    if len(ks) < 2:
        return None
    choices = [
        element(
            "label",
            element("input", type="radio", name="k", value=str(k), checked=k == shown),
            element("span", f"R@{k}"),
        )
        for k in ks
    ]
    return element(
        "fieldset",
        element("legend", "Right one among the first"),
        choices,
        class_="switch needs-js",
    )


def _key(rows: Sequence[DirectionRow]) -> Html:
    def entry(drawing: Child, text: str) -> Html:
        svg = element("svg", drawing, viewBox="-11 -8 22 16", aria_hidden="true")
        return element("li", svg, text)

    entries = [
        entry(
            [
                element("line", x1=-10, x2=10, y1=0, y2=0, class_="whisker"),
                element("path", d=views.shape("image"), class_="dot v-image"),
            ],
            "result with 95 % interval; its shape is the view searched",
        ),
        entry(element("line", x1=0, x2=0, y1=-7, y2=7, class_="chance"), "chance"),
    ]
    if any(row.control for row in rows):
        ring = element("circle", r=4, class_="control")
        entries.append(entry(ring, "control: pairs broken on purpose"))
    names = sorted({row.baseline_name or "baseline" for row in rows if row.baseline})
    if names:
        cross = element("path", d="M-4-4L4 4M4-4L-4 4", class_="baseline")
        entries.append(entry(cross, ", ".join(names)))
    return element("ul", entries, class_="key drawn")


def _table(rows: Sequence[DirectionRow], ks: Sequence[int], shown: int, caption: str) -> Html:
    counted = [element("span", f"R@{k}, %", class_=f"at k{k}", hidden=k != shown) for k in ks]
    heads: list[Child] = ["Asked with", "Searched", _axis(), counted, "Chance", "Control"]
    heads += ["Median rank", "Queries"]
    head = element("tr", [element("th", h, scope="col") for h in heads])
    bodies = []
    for held_out, title in (
        (True, "Held-out things"),
        (False, "Things seen in training, for comparison"),
    ):
        chosen = [row for row in rows if row.held_out == held_out]
        if chosen:
            title_row = element(
                "tr", element("th", title, colspan=len(heads), scope="rowgroup"), class_="part"
            )
            bodies.append(element("tbody", title_row, [_row(row, ks, shown) for row in chosen]))
    return element(
        "table", element("caption", caption), element("thead", head), bodies, class_="figures"
    )


def _row(row: DirectionRow, ks: Sequence[int], shown: int) -> Html:
    def each(draw: object, *, k_cell: str = "") -> list[Html]:
        return [
            element("span", draw(k), class_=f"at k{k}{k_cell}", hidden=k != shown)  # type: ignore[operator]
            for k in ks
        ]

    def figure(k: int) -> Child:
        estimate = row.recall.get(k)
        if estimate is None or not math.isfinite(estimate.value):
            return "–"
        weak = above_chance(row, k) is False
        return [
            element("b", numbers.percent(estimate.value)),
            " ",
            element("span", numbers.interval(estimate), class_="interval"),
            element("em", "not above chance", class_="weak") if weak else None,
        ]

    def of(table: dict[int, float], k: int) -> str:
        return numbers.percent(table[k]) if k in table else "–"

    cells: list[tuple[str, Child]] = [
        ("", each(lambda k: dot_and_whisker(row, k))),
        ("R@k", each(figure)),
        ("Chance", each(lambda k: of(dict(row.chance), k))),
        ("Control", each(lambda k: of(dict(row.control), k))),
        (
            "Median rank",
            "–" if row.median_rank is None else f"{row.median_rank:g} of {row.gallery}",
        ),
        ("Queries", numbers.count(row.number)),
    ]
    return element(
        "tr",
        element("th", views.label(row.query), scope="row", class_="from"),
        element("td", views.label(row.target), class_="to", data_label="Searched"),
        [
            element("td", cell, data_label=label or None, class_=f"c{i}")
            for i, (label, cell) in enumerate(cells)
        ],
    )
