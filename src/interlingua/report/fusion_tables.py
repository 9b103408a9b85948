"""The tables of a comparison of fusions: all figures, missing modalities, dropout, acting."""

from __future__ import annotations

import math
from collections.abc import Sequence

from interlingua.evaluate.intervals import Estimate
from interlingua.report import numbers
from interlingua.report.fusion_drawing import by_value
from interlingua.report.fusion_figures import Data, Figures, estimate, number, with_present
from interlingua.report.html import Child, Html, element, words

MOST_SETS = 16  # of modalities, as columns

COSTS = (
    ("step_flops", "FLOPs, step"),
    ("answer_flops", "FLOPs, answer"),
    ("step_seconds", "time, step"),
    ("answer_seconds", "time, answer"),
    ("kept_bytes", "memory, sample"),
)


def figures_table(figures: Figures) -> Html:
    """A row for each method with all its figures."""
    heads = ["", figures.metric, "95 %", "− best single", "calibration", "parameters"]
    if figures.metric == "success":
        heads.insert(3, "accuracy")
    heads += [name for _, name in COSTS]
    heads.append("robust")
    body: list[Child] = []
    groups = (
        ("", by_value(figures, figures.fusions)),
        ("single", figures.singles),
        ("dropped", by_value(figures, figures.dropped)),
    )
    best, tied = figures.best(), figures.tied()
    for kind, rows in groups:
        for place, row in enumerate(rows):
            classes = [kind] if kind else []
            classes += ["begins"] if kind and not place else []
            classes += ["best"] if row is best else []
            mark = "★ " if row is best else "≈ " if any(row is one for one in tied) else ""
            cells = [element("td", cell) for cell in _cells(figures, row)]
            name = element("th", mark, words(row["key"], longest=40), scope="row")
            body.append(element("tr", name, cells, class_=" ".join(classes) or None))
    return _table(heads, body)


def presence_table(figures: Figures, metric: str = "accuracy") -> Html | None:
    """Accuracy or success for each set of modalities that is there, as a heat map.

    None for one modality, and where acting without a modality wasn't asked.
    """
    rows = [
        row
        for row in (*by_value(figures, figures.fusions), *by_value(figures, figures.dropped))
        if any(with_present(one, metric) for one in row["presence"])
    ]
    sets = list(dict.fromkeys(tuple(one["present"]) for row in rows for one in row["presence"]))
    sets.sort(key=lambda one: -len(one))
    everything = len(figures.data["task"]["modalities"])
    if len(sets) > MOST_SETS:  # all, all but one, and one alone say the most
        sets = [one for one in sets if len(one) in (everything, everything - 1, 1)]
    if len(sets) < 2:
        return None
    measured = (with_present(one, metric) for row in rows for one in row["presence"])
    values = [one.value for one in measured if one is not None]
    low, high = min(values), max(values)
    body: list[Child] = []
    for place, row in enumerate(rows):
        found = {tuple(one["present"]): one for one in row["presence"]}
        cells = [_heat(row, found.get(one), metric, low, high) for one in sets]
        starts = row["dropout"] and (not place or not rows[place - 1]["dropout"])
        name = element("th", words(row["key"], longest=40), scope="row")
        body.append(element("tr", name, cells, class_="begins" if starts else None))
    heads = ["there is", *("all" if len(one) == everything else " + ".join(one) for one in sets)]
    return _table(heads, body, "heat")


def dropout_table(figures: Figures) -> Html | None:
    """What modality dropout costs and brings, for each fusion that was trained with it too."""
    body: list[Child] = []
    for row in figures.dropped:
        plain = next((one for one in figures.fusions if one["fusion"] == row["fusion"]), None)
        if plain is None:
            continue
        difference = figures.difference(row["key"], plain["key"])
        body.append(
            element(
                "tr",
                element("th", words(plain["key"], longest=40), scope="row"),
                element("td", "–" if difference is None else points(difference)),
                element("td", _worst_loss(figures, plain)),
                element("td", _worst_loss(figures, row)),
            )
        )
    if not body:
        return None
    heads = (
        "",
        "all there: with − without",
        "one missing, without: − best left",
        "one missing, with: − best left",
    )
    return _table(heads, body)


def success_table(figures: Figures) -> Html | None:
    """How often methods that act reach the goal, also with a modality of another episode."""
    rows = [row for row in by_value(figures, figures.fusions) if row.get("success")]
    rows += [row for row in figures.singles if row.get("success")]
    if not rows:
        return None
    names = list(dict.fromkeys(name for row in rows for name in row["success"]["exchanged"]))
    body: list[Child] = []
    for row in rows:
        success = row["success"]
        cells = [_with_interval(estimate(success["rate"]))]
        for name in names:
            found = success["exchanged"].get(name)
            cells.append("" if found is None else _with_interval(estimate(found)))
        seeds = ", ".join(numbers.percent(number(one)) for one in success["by_seed"])
        body.append(
            element(
                "tr",
                element("th", words(row["key"], longest=40), scope="row"),
                [element("td", cell) for cell in cells],
                element("td", seeds),
                class_="single" if row["single"] else None,
            )
        )
    heads = ["", "success", *(f"another episode's {name}" for name in names), "by seed"]
    return _table(heads, body)


def points(value: Estimate) -> str:
    """``+4.1 [+1.0, +7.2]``, in points, with true minus signs."""
    if not math.isfinite(value.value):
        return "–"
    told = f"{value.value * 100:+.1f}"
    if math.isfinite(value.low):
        told += f" [{value.low * 100:+.1f}, {value.high * 100:+.1f}]"
    return told.replace("-", "\u2212")


def _cells(figures: Figures, row: Data) -> list[str]:
    headline = figures.headline(row)
    single = figures.data["best_single"]
    against = figures.difference(row["key"], single) if single and single != row["key"] else None
    parameters = row["parameters"]
    cells = [
        numbers.percent(headline.value, 1),
        numbers.interval(headline),
        "" if against is None else points(against),
        f"{number(row['calibration']['error']):.3f}",
        numbers.short_count(parameters["fusion"]) + ("" if parameters["matched"] else " !"),
    ]
    if figures.metric == "success":
        cells.insert(2, numbers.percent(number(row["accuracy"]["value"]), 1))
    for measure, _ in COSTS:
        times = figures.times(row, measure)
        cells.append(f"{times:.2f}×" if math.isfinite(times) else "")
    robust = figures.relative(row)
    cells.append(f"{robust:.3f}" if math.isfinite(robust) else "")
    return cells


def _heat(row: Data, one: Data | None, metric: str, low: float, high: float) -> Html:
    value = None if one is None else with_present(one, metric)
    if one is None or value is None:
        return element("td", "–", style="--near:0%")
    near = (value.value - low) / ((high - low) or 1.0) * 100
    told = f"{row['title']} with {', '.join(one['present'])}: {numbers.interval(value)} %"
    single = one if metric == "accuracy" else one["success"]
    if single.get("against_single"):
        told += f"; {points(estimate(single['against_single']))} against {single['single']}"
    return element("td", numbers.percent(value.value), title=told, style=f"--near:{near:.0f}%")


def _worst_loss(figures: Figures, row: Data) -> str:
    """The lowest difference to the best remaining single modality where one modality is gone."""
    wanted = len(figures.data["task"]["modalities"]) - 1
    found = [
        estimate(one["against_single"])
        for one in row["presence"]
        if len(one["present"]) == wanted and one.get("against_single")
    ]
    return points(min(found, key=lambda one: one.value)) if found else "–"


def _with_interval(value: Estimate) -> str:
    return f"{numbers.percent(value.value, 1)} [{numbers.interval(value)}]"


def _table(heads: Sequence[str], body: Sequence[Child], kind: str = "") -> Html:
    head = element("thead", element("tr", [element("th", one, scope="col") for one in heads]))
    table = element("table", head, element("tbody", body), class_=kind or None)
    return element("div", table, class_="wide")
