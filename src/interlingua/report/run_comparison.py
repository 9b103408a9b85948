"""The page that sets runs beside each other: settings, figures with paired differences, curves.

One file that needs nothing beside itself. Each run has one colour all over the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from interlingua.evaluate.single_queries import Paired
from interlingua.report import numbers
from interlingua.report.contact_sheet import document
from interlingua.report.curves import curves_section
from interlingua.report.html import Child, Html, element, join, json_block, words
from interlingua.report.page_file import write_page
from interlingua.report.run_differences import Fact, RunDifferences, verdict
from interlingua.report.run_direction_table import (
    directions_of_runs_section,
    run_names,
    wide_table,
)
from interlingua.report.run_settings import Setting

MOST_RUNS = 8  # colours that can be told apart


def run_comparison_page(path: Path, found: RunDifferences, *, title: str = "") -> Path:
    """Write the page; it appears whole or not at all.

    Raises:
        ValueError: more than ``MOST_RUNS`` runs.
        OSError: the page can't be written.
    """
    if len(found.runs) > MOST_RUNS:
        raise ValueError(f"{len(found.runs)} runs are too many for one page")
    title = title or f"{len(found.runs)} runs compared"
    body = join(
        _head(found, title),
        element("main", _sections(found)),
        # the contact sheet's script looks for the page's sounds; there are none
        element("footer", "Made by Interlingua. This page asks for nothing from elsewhere."),
        json_block("sounds", {}),
    )
    return write_page(path, document(title, body))


def shown_setting(value: Any) -> str:
    """A setting's value as a recipe writes it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if value == "":
        return '""'
    return f"{value:g}" if isinstance(value, float) else str(value)


def shown_fact(fact: Fact, value: float) -> str:
    """A count, a time, a rate or bytes for people."""
    if fact.kind == "seconds":
        return numbers.duration(value)
    if fact.kind == "bytes":
        return f"{value / 1e9:.2f}{numbers.THIN}GB"
    return numbers.count(value)


def _head(found: RunDifferences, title: str) -> Html:
    style = resources.files("interlingua.report").joinpath("assets", "run_comparison.css")
    items = [
        element(
            "li",
            element("i"),
            words(name, longest=60),
            element("small", words(folder, longest=120)),
            class_=f"r{place}",
        )
        for place, (name, folder) in enumerate(zip(found.runs, found.folders, strict=True))
    ]
    return element(
        "header",
        element("style", Html(style.read_text(encoding="utf-8"))),
        element("h1", words(title)),
        element("ul", items, class_="key"),
        element("p", [[words(one, longest=400), " "] for one in verdict(found)], class_="lead"),
        class_="top",
    )


def _sections(found: RunDifferences) -> list[Child]:
    compared = sum(
        isinstance(by_k.get(found.k), Paired)
        for row in found.directions
        for by_k in row.against_first.values()
    )
    by_luck = (
        f" Of {compared} differences between runs that are equally good about "
        f"{max(1, round(0.05 * compared))} would stand out by luck."
        if compared > 1
        else ""
    )
    return [
        element("h2", "Settings that differ"),
        _settings(found),
        _section(
            "What is found",
            f"R@{found.k}: how often the right one is among the first {found.k}, in per cent, with "
            f"its 95 % interval. Differences to {found.runs[0]} are in points, paired by query, "
            "resampled by thing; one whose interval lies wholly on one side of 0 is marked."
            + by_luck,
            directions_of_runs_section(found),
        ),
        _section("Losses on held-out things", None, _losses(found)),
        _section("Curves", "By the number of steps.", curves_section(found.panels)),
        _section("What training took", None, _facts(found)),
    ]


def _section(title: str, note: str | None, content: Child) -> Html | None:
    if content is None:
        return None
    about = element("p", words(note, longest=900), class_="note") if note else None
    return element("section", element("h2", title), about, content)


def _settings(found: RunDifferences) -> Html:
    if not found.settings:
        return element("p", "All settings of their recipes are the same.", class_="note")

    def cell(values: Mapping[str, Any], run: str) -> Html:
        if run not in values:
            return element("td", "–", class_="lacks")
        return element("td", element("code", words(shown_setting(values[run]), longest=80)))

    def table(settings: Sequence[Setting]) -> Html:
        rows = [
            element(
                "tr",
                element("th", element("code", words(one.path, longest=90)), scope="row"),
                [cell(one.values, run) for run in found.runs],
            )
            for one in settings
        ]
        return wide_table(["", *run_names(found)], rows)

    telling = [one for one in found.settings if one.tells]
    rest = [one for one in found.settings if not one.tells]
    title = f"{len(rest)} settings that not all recipes have"
    folded = element("details", element("summary", title), table(rest)) if rest else None
    return join(table(telling) if telling else None, folded)


def _facts(found: RunDifferences) -> Html | None:
    if not found.facts:
        return None
    rows = [
        element(
            "tr",
            element("th", fact.name, scope="row"),
            [
                element("td", shown_fact(fact, fact.values[run]) if run in fact.values else "–")
                for run in found.runs
            ],
        )
        for fact in found.facts
    ]
    return wide_table(["", *run_names(found)], rows)


def _losses(found: RunDifferences) -> Html | None:
    if not found.losses:
        return None
    rows = [
        element(
            "tr",
            element("th", words(name), scope="row"),
            [
                element("td", format(values[run], ".3f") if run in values else "–")
                for run in found.runs
            ],
        )
        for name, values in found.losses.items()
    ]
    return wide_table(["", *run_names(found)], rows)
