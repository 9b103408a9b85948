"""The charts of a comparison of fusions, as drawings inside the page.

Each takes ``Figures``, each says in words what it shows for those who can't see it.
"""

from __future__ import annotations

import math

from interlingua.evaluate.intervals import Estimate
from interlingua.report import numbers
from interlingua.report.fusion_drawing import (
    LABEL,
    ROW,
    WIDTH,
    Scale,
    axis,
    by_value,
    colour_key,
    line,
    pixels,
    scale,
    short,
    svg,
    text,
)
from interlingua.report.fusion_figures import Data, Figures, number, shapley_of
from interlingua.report.html import Child, Html, element, join, words

COST_HEIGHT = 330


def accuracy_chart(figures: Figures) -> Html:
    """A line for each method: its figure and interval; the best single modality as a mark."""
    groups = [by_value(figures, figures.fusions), by_value(figures, figures.singles)]
    groups = [rows for rows in groups if rows]
    values = [figures.headline(row) for rows in groups for row in rows]
    references = [figures.data["task"]["chance"]] if figures.metric == "accuracy" else []
    low = min([*(_low(one) for one in values), *references], default=0.0)
    high = max((_high(one) for one in values), default=1.0)
    x = scale(max(0.0, low - 0.03), min(1.0, high + 0.03), LABEL, WIDTH - 70)
    height = ROW * (sum(map(len, groups)) + len(groups) - 1) + 30
    parts = axis(x, height, numbers.ticks(max(0.0, low - 0.03), min(1.0, high + 0.03), 6))
    single = figures.row(figures.data["best_single"])
    if single is not None:
        at = x(figures.headline(single).value)
        parts.append(line(at, 2, at, height - 24, "mark"))
    best, y = figures.best(), 12.0
    for rows in groups:
        for row in rows:
            parts.append(_dotted(figures, row, x, y, strong=row is best))
            y += ROW
        y += ROW
    told = "; ".join(
        f"{row['title']} {numbers.percent(figures.headline(row).value, 1)}"
        for rows in groups
        for row in rows
    )
    return svg(parts, WIDTH, height, f"{figures.metric.capitalize()} of each method: {told}.")


def cost_chart(figures: Figures, measure: str = "step_flops") -> Html | None:
    """The figure against the cost of a step, as multiples on a logarithmic axis."""
    points = [
        (row, figures.times(row, measure), figures.headline(row).value)
        for row in (*figures.singles, *figures.fusions)
    ]
    points = [one for one in points if one[1] > 0 and math.isfinite(one[2])]
    if len(points) < 2:
        return None
    height = COST_HEIGHT
    logs = [math.log2(cost) for _, cost, _ in points]
    values = [value for _, _, value in points]
    room = (max(values) - min(values)) * 0.08 or 0.05
    x = scale(min(logs) - 0.15, max(logs) + 0.15, 52, WIDTH - 130)
    y = scale(min(values) - room, max(values) + room, height - 40, 12)
    parts: list[Child] = []
    for tick in numbers.ticks(min(values) - room, max(values) + room, 5):
        parts.append(line(52, y(tick), WIDTH - 20, y(tick), "grid"))
        parts.append(text(46, y(tick) + 4, numbers.percent(tick), "end"))
    for tick in _doublings(min(logs), max(logs)):
        parts.append(line(x(tick), 12, x(tick), height - 40, "grid"))
        parts.append(text(x(tick), height - 20, f"{2**tick:.3g}×", "middle"))
    parts.append(text((52 + WIDTH - 130) / 2, height - 2, "cost of a step", "middle"))
    dots = [(x(math.log2(cost)), y(value)) for _, cost, value in points]
    taken = [(at - 6, up - 6, at + 6, up + 6) for at, up in dots]
    for (row, cost, value), (at, up) in zip(points, dots, strict=True):
        kind = "f-single" if row["single"] else "f-fusion"
        told = f"{row['title']}: {numbers.percent(value, 1)} at {cost:.2f}×"
        dot = element("circle", element("title", told), cx=pixels(at), cy=pixels(up), r=5,
                      class_="dot")  # fmt: skip
        name, leader = _named(short(row["key"]), at, up, taken)
        parts.append(element("g", leader, dot, name, class_=kind))
    said = "; ".join(f"{row['title']} {cost:.2f}×" for row, cost, _ in points)
    return svg(parts, WIDTH, height, f"{figures.metric.capitalize()} against cost: {said}.")


def shapley_chart(figures: Figures, metric: str = "accuracy") -> Html | None:
    """For each fusion, what each modality adds to accuracy or success."""
    rows = [row for row in by_value(figures, figures.fusions) if shapley_of(row, metric)]
    names = list(figures.data["task"]["modalities"])
    if not rows or len(names) < 2:
        return None
    found = [number(shapley_of(row, metric).get(name)) for row in rows for name in names]
    values = [value for value in found if math.isfinite(value)] or [0.0]
    low, high = min(0.0, *values), max(0.01, *values)
    thick = 8
    step = thick * len(names) + 10
    height = step * len(rows) + 28
    x = scale(low, high, LABEL, WIDTH - 60)
    parts = axis(x, height, numbers.ticks(low, high, 5), points=True)
    parts.append(line(x(0), 2, x(0), height - 24, "ideal"))
    for count, row in enumerate(rows):
        top = 4 + count * step
        middle = top + thick * len(names) / 2 + 4
        parts.append(text(LABEL - 10, middle, short(row["key"]), "label end"))
        for place, name in enumerate(names):
            value = number(shapley_of(row, metric).get(name))
            if math.isfinite(value):
                told = f"{row['title']}, {name}: {value * 100:+.1f} points"
                parts.append(_bar(x, value, top + place * thick, thick - 1, f"k{place % 6}", told))
    told = "; ".join(
        f"{row['title']} "
        + ", ".join(
            f"{name} {number(shapley_of(row, metric).get(name)) * 100:+.1f}" for name in names
        )
        for row in rows
    )
    chart = svg(parts, WIDTH, height, f"What each modality adds to {metric}, in points: {told}.")
    return join(colour_key([(name, f"k{place % 6}") for place, name in enumerate(names)]), chart)


def reliability_charts(figures: Figures) -> list[Html]:
    """Confidence against accuracy, a small square for each fusion and single modality."""
    return [
        _reliability(row)
        for row in (*by_value(figures, figures.fusions), *figures.singles)
        if row["calibration"].get("bins")
    ]


def _reliability(row: Data) -> Html:
    side = 120
    parts: list[Child] = [element("rect", x=0, y=0, width=side, height=side, class_="plane")]
    most = max(one["n"] for one in row["calibration"]["bins"])
    for one in row["calibration"]["bins"]:
        if one["n"]:
            tall = side * number(one["accuracy"])
            told = f"{one['n']} answers, sure {one['confidence']:.0%}, right {one['accuracy']:.0%}"
            parts.append(
                element(
                    "rect",
                    element("title", told),
                    x=pixels(side * one["low"] + 0.5),
                    y=pixels(side - tall),
                    width=pixels(side * (one["high"] - one["low"]) - 1),
                    height=pixels(max(tall, 1)),
                    class_="bar",
                    fill_opacity=f"{0.2 + 0.8 * math.sqrt(one['n'] / most):.2f}",
                )
            )
    parts.append(line(0, side, side, 0, "ideal"))
    error = number(row["calibration"]["error"])
    label = f"Reliability of {row['title']}: expected calibration error {error:.3f}."
    kind = "f-single" if row["single"] else "f-fusion"
    chart = element("div", svg(parts, side, side, label), class_=kind)
    caption = element("figcaption", words(row["key"], longest=30), f" {error:.3f}")
    return element("figure", chart, caption)


def _dotted(figures: Figures, row: Data, x: Scale, y: float, *, strong: bool) -> Html:
    value = figures.headline(row)
    kind = "f-single" if row["single"] else "f-fusion"
    told = (
        f"{row['title']}: {numbers.percent(value.value, 1)}, interval {numbers.interval(value)} %"
    )
    parts: list[Child] = [element("title", told)]
    weight = "strong" if strong else "label"
    parts.append(text(LABEL - 10, y + 4, short(row["key"]), f"{weight} end"))
    if math.isfinite(value.value):
        if math.isfinite(value.low):
            parts.append(line(x(value.low), y, x(value.high), y, "range"))
        parts.append(
            element("circle", cx=pixels(x(value.value)), cy=pixels(y), r=4.5, class_="dot")
        )
        parts.append(text(WIDTH, y + 4, numbers.percent(value.value, 1), f"{weight} end"))
    return element("g", parts, class_=kind)


def _bar(x: Scale, value: float, y: float, thick: float, kind: str, told: str) -> Html:
    left, right = sorted((x(0.0), x(value)))
    return element(
        "rect",
        element("title", told),
        x=pixels(left),
        y=pixels(y),
        height=pixels(thick),
        width=pixels(max(right - left, 1)),
        class_=f"bar {kind}",
    )


def _named(
    name: str, x: float, y: float, taken: list[tuple[float, float, float, float]]
) -> tuple[Html, Html | None]:
    """A dot's name where it covers nothing, with a line to the dot where that is far."""
    wide = 6.4 * len(name)
    places = [(side, shift) for shift in (0, 13, -13, 26, -26, 39, -39, 52, -52, 65, -65)
              for side in ("right", "left")]  # fmt: skip
    for side, shift in places:
        reach = 10 + abs(shift) * 0.7
        left = x + reach if side == "right" else x - reach - wide
        box = (left, y + shift - 7, left + wide, y + shift + 6)
        inside = left >= 52 and box[2] <= WIDTH and box[1] > 0 and box[3] < COST_HEIGHT - 36
        if inside and not any(_overlap(box, other) for other in taken):
            break
    else:
        side, shift, reach, left = "right", 0, 10, x + 10
        box = (left, y - 7, left + wide, y + 6)
    taken.append(box)
    near = box[0] - 2 if side == "right" else box[2] + 2
    leader = line(x, y, near, y + shift, "grid") if shift else None
    at = box[0] if side == "right" else box[2]
    kind = "label" if side == "right" else "label end"
    return text(at, y + shift + 4, name, kind), leader


def _overlap(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _doublings(low: float, high: float) -> list[float]:
    """Powers of two, halves between them where they are few."""
    step = 0.5 if high - low < 2 else 1.0
    first, last = math.ceil(low / step), math.floor(high / step)
    found = [count * step for count in range(first, last + 1)]
    return [one for one in found if step == 1.0 or one == int(one)] or found


def _low(value: Estimate) -> float:
    return value.low if math.isfinite(value.low) else value.value


def _high(value: Estimate) -> float:
    return value.high if math.isfinite(value.high) else value.value
