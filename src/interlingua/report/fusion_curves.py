"""What becomes of the methods when modalities get worse or contradict each other, as charts."""

from __future__ import annotations

import math

from interlingua.report import numbers
from interlingua.report.fusion_drawing import (
    LABEL,
    ROW,
    WIDTH,
    by_value,
    colour_key,
    line,
    pixels,
    scale,
    short,
    svg,
    text,
)
from interlingua.report.fusion_figures import ALL, Data, Figures, number
from interlingua.report.html import Child, Html, element, words


def robustness_charts(figures: Figures) -> list[Html]:
    """For each modality, accuracy while it gets worse; a few methods stand out."""
    return [
        chart
        for modality in figures.curve_modalities()
        if (chart := _curves(figures, modality)) is not None
    ]


def standing_out(figures: Figures) -> list[tuple[Data, str]]:
    """Methods that curves name, with a colour: best, late averaging, best single, dropout."""
    fusions = by_value(figures, figures.fusions)
    chosen: list[tuple[Data | None, str]] = [
        (fusions[0] if fusions else None, "f-fusion"),
        (next((row for row in fusions if row["fusion"] == "late_average"), None), "f-late"),
        (figures.row(figures.data["best_single"]), "f-single"),
    ]
    if fusions:
        twin = next((r for r in figures.dropped if r["fusion"] == fusions[0]["fusion"]), None)
        chosen.append((twin, "f-dropped"))
    found: list[tuple[Data, str]] = []
    for row, kind in chosen:
        if row is not None and all(row is not other for other, _ in found):
            found.append((row, kind))
    return found


def followed_charts(figures: Figures) -> list[Html]:
    """For each contradiction, whose answer each method gives."""
    known = [one["name"] for row in figures.fusions for one in row["followed"]]
    return [_followed(figures, name) for name in dict.fromkeys(known)]


def _curves(figures: Figures, modality: str) -> Html | None:
    lines = [(row, figures.robustness(row, modality)) for row in figures.rows]
    drawn = [(row, curve) for row, curve in lines if curve is not None]
    if not drawn:
        return None
    outstanding = {id(row): kind for row, kind in standing_out(figures)}
    height, width, right = 230, 420, 405
    values = [number(one["value"]) for _, curve in drawn for one in curve["accuracy"]]
    values = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(values), max(values)
    x, y = scale(0, 1, 48, right), scale(low - 0.02, high + 0.02, height - 36, 8)
    parts: list[Child] = []
    for tick in numbers.ticks(low, high, 4):
        parts.append(line(48, y(tick), right, y(tick), "grid"))
        parts.append(text(42, y(tick) + 4, numbers.percent(tick), "end"))
    for tick in (0.0, 0.5, 1.0):
        name = {0.0: "as it is", 0.5: "half", 1.0: "nothing left"}[tick]
        parts.append(text(x(tick), height - 16, name, "start" if not tick else
                           "end" if tick == 1 else "middle"))  # fmt: skip
    for row, curve in sorted(drawn, key=lambda one: id(one[0]) in outstanding):
        kind = outstanding.get(id(row), "f-rest thin")
        points = [
            (x(level), y(number(one["value"])))
            for level, one in zip(curve["levels"], curve["accuracy"], strict=True)
            if math.isfinite(number(one["value"]))
        ]
        path = "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
        title = element("title", f"{row['title']}: area {number(curve['relative']):.3f}")
        parts.append(element("path", title, d=f"M{path}", class_=f"line {kind}"))
    told = "; ".join(
        f"{row['title']} from {numbers.percent(number(curve['accuracy'][0]['value']))} to "
        f"{numbers.percent(number(curve['accuracy'][-1]['value']))}"
        for row, curve in drawn
    )
    heading = "all of them at once" if modality == ALL else modality
    chart = svg(parts, width, height, f"Accuracy while {heading} gets worse: {told}.")
    return element("figure", element("h3", words(heading)), chart)


def _followed(figures: Figures, name: str) -> Html:
    modalities = list(figures.data["task"]["modalities"])
    rows = [
        (row, one)
        for row in by_value(figures, figures.fusions)
        for one in row["followed"]
        if one["name"] == name
    ]
    said = {label for _, one in rows for label in one["by_modality"]}
    kinds = [(one, f"k{place % 5}") for place, one in enumerate(modalities) if one in said]
    kinds.append(("none of them", "k5"))
    x = scale(0, 1, LABEL, WIDTH - 10)
    height = ROW * len(rows) + 28
    parts: list[Child] = []
    told = []
    for place, (row, one) in enumerate(rows):
        y, at = 4 + place * ROW, 0.0
        parts.append(text(LABEL - 10, y + 13, short(row["key"]), "label end"))
        shares = [(label, number(one["by_modality"].get(label, {}).get("value")), kind)
                  for label, kind in kinds[:-1]]  # fmt: skip
        shares.append((*kinds[-1][:1], number(one["none"]["value"]), kinds[-1][1]))
        listed = ", ".join(f"{label} {share:.0%}" for label, share, _ in shares if share == share)
        told.append(f"{row['title']}: {listed}")
        for label, share, kind in shares:
            if share > 0:
                title = element("title", f"{row['title']} follows {label}: {share:.1%}")
                wide = x(at + share) - x(at)
                parts.append(
                    element(
                        "rect",
                        title,
                        x=pixels(x(at)),
                        y=pixels(y),
                        width=pixels(max(wide - 1, 0.5)),
                        height=ROW - 6,
                        class_=f"bar {kind}",
                    )
                )
                at += share
    for tick in (0.0, 0.5, 1.0):
        where = "end" if tick == 1.0 else "middle" if tick else "start"
        parts.append(text(x(tick), height - 6, numbers.percent(tick), where))
    chart = svg(parts, WIDTH, height, f"{name}: {'; '.join(told)}.")
    count = rows[0][1]["n"] if rows else 0
    caption = element("figcaption", f"{count:,} things")
    return element("figure", element("h3", words(name)), colour_key(kinds), chart, caption)
