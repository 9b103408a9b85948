"""The page of a comparison of fusions: one file that needs nothing beside itself.

It takes the plain data of ``comparison.json``; every chart stands with what it means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from interlingua.report import numbers
from interlingua.report.contact_sheet import document
from interlingua.report.curves import curves_section
from interlingua.report.data import Line, Panel
from interlingua.report.fusion_charts import (
    accuracy_chart,
    cost_chart,
    reliability_charts,
    shapley_chart,
)
from interlingua.report.fusion_curves import followed_charts, robustness_charts, standing_out
from interlingua.report.fusion_drawing import colour_key
from interlingua.report.fusion_figures import Data, Figures, names, number
from interlingua.report.fusion_tables import (
    dropout_table,
    figures_table,
    points,
    presence_table,
    success_table,
)
from interlingua.report.html import Child, Html, element, join, json_block, words
from interlingua.report.page_file import write_page


def fusion_page(path: Path, data: Mapping[str, Any]) -> Path:
    """Write the page; it appears whole or not at all.

    Args:
        path: of the page.
        data: of ``comparison.json``.

    Raises:
        OSError: the page can't be written.
    """
    figures = Figures(data)
    title = f"Fusion compared: {data['task']['name']}"
    body = join(_head(figures, title), element("main", _sections(figures)), _foot(figures))
    return write_page(path, document(title, body))


def _head(figures: Figures, title: str) -> Html:
    task = figures.data["task"]
    budget = task["budget"]
    seeds = ", ".join(map(str, task["seeds"]))
    facts = {
        "answers": f"{len(task['classes'])}",
        "modalities": "; ".join(f"{name} ({task['towers'].get(name, '')})"
                                for name in task["modalities"]),
        "things": f"{task['train']:,.0f} to train on, {task['test']:,.0f} to test on, "
        f"{task['clusters']:,} independent",
        "folds": f"{task['folds']}",
        "seeds": seeds,
        "budget": f"{budget.get('steps', 0):,.0f} steps of {budget.get('batch_size', 0):.0f}",
        "chance": numbers.percent(task["chance"], 1),
        "commonest class": numbers.percent(task["majority"], 1),
        "measured in": numbers.duration(figures.data["seconds"]),
    }  # fmt: skip
    items = [
        element("li", element("small", f"{name} "), words(value, longest=300))
        for name, value in facts.items()
    ]
    style = resources.files("interlingua.report").joinpath("assets", "fusion.css")
    return element(
        "header",
        element("style", Html(style.read_text(encoding="utf-8"))),
        element("h1", words(title)),
        element("p", words(task["title"], longest=300), class_="note"),
        element("p", _verdict(figures), class_="lead"),
        element("ul", items, class_="facts"),
        class_="top",
    )


def _verdict(figures: Figures) -> list[Child]:
    """What was found, in two sentences."""
    best = figures.best()
    if best is None:
        return ["No method was trained to its end."]
    value = figures.headline(best)
    said: list[Child] = [
        element("b", best["key"]),
        f" is best with {numbers.percent(value.value, 1)} {figures.metric} "
        f"[{numbers.interval(value)}]",
    ]
    single = figures.data["best_single"]
    against = figures.difference(best["key"], single) if single else None
    if against is not None:
        less = "" if against.excludes(0.0) else ", which is within the interval of no difference"
        said.append(f", {points(against)} points against {single}{less}")
    tied = figures.tied()
    said.append(".")
    if tied:
        said.append(f" Not to be told apart from it: {names(tied)}.")
    return said


def _sections(figures: Figures) -> list[Child]:
    return [
        _section(
            "How good",
            f"{figures.metric.capitalize()} with its 95 % interval; fusions first, then single "
            "modalities alone. The dashed line is the best single modality: what fusion gains "
            "begins there.",
            _one(accuracy_chart(figures)),
        ),
        _section(
            "All figures",
            "★ is the best; ≈ can't be told apart from it. Costs are multiples of the dearest "
            "single modality, frozen towers left out. Calibration is the expected error of the "
            "confidence, 0 is perfect; robust is the area under accuracy while all modalities get "
            "worse, more is better. ! marks parameters that are not within 10 % of the others'.",
            figures_table(figures),
        ),
        _section(
            "What it costs",
            "To the left is cheaper, above is better. Floating point operations of one training "
            "step, on a scale of doublings.",
            _one(cost_chart(figures)),
        ),
        _acting(figures),
        _robustness(figures),
        _section(
            "When a modality is missing",
            "The same models, tested with only these modalities there. Below the line: trained "
            "with modality dropout. Point at a cell for its interval and the difference to the "
            "best single modality.",
            presence_table(figures),
        ),
        _section(
            "What modality dropout costs and brings",
            "Points. The first column is its price with everything there; the others say what is "
            "left when the worst one modality is gone, against the best single modality of the "
            "rest that was trained alone.",
            dropout_table(figures),
        ),
        _section(
            "What each modality adds",
            "Shapley values in points: the mean gain over all orders in which modalities can "
            "come. They add up to the accuracy above always answering the commonest class.",
            _one(shapley_chart(figures)),
        ),
        _followed(figures),
        _reliability(figures),
        _learning(figures),
        _notes(figures),
    ]


def _acting(figures: Figures) -> Html:
    return join(
        _section(
            "Acting in the simulator",
            "How often the goal is reached. With the modality of another episode a method that "
            "uses it falls; one that doesn't, stays.",
            success_table(figures),
        ),
        _section(
            "Acting when a modality is missing",
            "How often the same models reach the goal, in the same episodes, with only these "
            "modalities there. Below the line: trained with modality dropout.",
            presence_table(figures, "success"),
        ),
        _section(
            "What each modality adds to acting",
            "Shapley values of success, in points. They add up to the success above always doing "
            "the commonest action.",
            _one(shapley_chart(figures, "success")),
        ),
    )


def _robustness(figures: Figures) -> Html | None:
    charts = robustness_charts(figures)
    key = colour_key([(row["key"], kind) for row, kind in standing_out(figures)])
    return _section(
        "When a modality gets worse",
        "Accuracy from test things as they are to nothing left of one modality. Grey lines are the "
        "other methods; point at one for its name.",
        join(key, element("div", charts, class_="charts")) if charts else None,
    )


def _followed(figures: Figures) -> Html | None:
    charts = followed_charts(figures)
    return _section(
        "When modalities contradict each other",
        "Things put together from two: whose answer is given.",
        element("div", charts, class_="one") if charts else None,
    )


def _reliability(figures: Figures) -> Html | None:
    charts = reliability_charts(figures)
    return _section(
        "How sure, how right",
        "Confidence to the right, share of right answers upwards; on the dashed line a model is as "
        "sure as it is right. Paler bars stand on fewer answers. The figure is the expected "
        "calibration error.",
        element("div", charts, class_="charts small") if charts else None,
    )


def _learning(figures: Figures) -> Html | None:
    panels = [
        Panel(title, [_curve(row) for row in rows])
        for title, rows in (
            ("Fusions", figures.fusions),
            ("Single modalities", figures.singles),
            ("With modality dropout", figures.dropped),
        )
        if rows
    ]
    return _section(
        "How they learned",
        "Training loss of the classes. Equal steps, batches and rate for all.",
        curves_section(panels),
    )


def _curve(row: Data) -> Line:
    learning = row["learning"]
    return Line(row["key"], learning["steps"], [number(one) for one in learning["loss"]])


def _notes(figures: Figures) -> Html:
    data = figures.data
    notes = [*data["task"]["notes"], *data["notes"]]
    failed = [failure(one) for one in data["failed"]]
    measured = [
        element("li", element("b", f"{name}: "), words(text, longest=600))
        for name, text in data["measured"].items()
    ]
    return join(
        element("h2", "What the reader must know") if notes else None,
        _list(notes),
        element("h2", "Runs that gave nothing") if failed else None,
        _list(failed),
        element("details", element("summary", "How each figure was measured"),
                element("ul", measured, class_="notes")),
    )  # fmt: skip


def failure(one: Data) -> str:
    """A run that gave nothing, and why; of a method that can't be built there is no run."""
    run = f", fold {one['fold']}, seed {one['seed']}" if one["fold"] >= 0 else ""
    return f"{one['key']}{run}: {one['message']}"


def _list(lines: Sequence[str]) -> Html | None:
    if not lines:
        return None
    items = [element("li", words(one, longest=600)) for one in lines]
    return element("ul", items, class_="notes")


def _section(heading: str, meaning: str, content: Child) -> Html | None:
    if content is None:
        return None
    return element("section", element("h2", heading), element("p", meaning, class_="note"), content)


def _one(chart: Html | None) -> Html | None:
    """A chart that isn't to be wider than it reads well."""
    return None if chart is None else element("div", chart, class_="one")


def _foot(figures: Figures) -> Html:
    machine = "; ".join(f"{name} {value}" for name, value in figures.data["machine"].items())
    return join(
        element("footer", f"Made by Interlingua on {machine}. This page asks for nothing from "
                "elsewhere."),
        json_block("sounds", {}),  # the style's script looks for them; there are none
    )  # fmt: skip
