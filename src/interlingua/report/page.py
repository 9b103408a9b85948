"""The report: one HTML page that needs nothing beside itself, neither network nor library.

A content security policy inside the page forbids every request and every script but
the page's own (named by its hash), so text from a data set can't reach out even if
an escape were missed.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from pathlib import Path

from interlingua.report import views
from interlingua.report.curves import curves_section
from interlingua.report.data import ReportData
from interlingua.report.directions import directions_section
from interlingua.report.facts import (
    command_block,
    machine_list,
    skipped_list,
    sources_table,
    stages_table,
    towers_table,
)
from interlingua.report.headline import headline_section
from interlingua.report.hero import choose_heroes, hero_section
from interlingua.report.html import Child, Html, element, join, json_block, words
from interlingua.report.limits import limits_section
from interlingua.report.map import map_section
from interlingua.report.media import MediaStore
from interlingua.report.page_file import write_page
from interlingua.report.strips import strips_section
from interlingua.report.vectors import placed_views


def write_report(run: Path, data: ReportData, *, name: str = "report.html") -> Path:
    """Write the page into the run folder; it appears whole or not at all.

    Args:
        run: an existing or new folder.
        data: everything that the page shows.
        name: the file's name.

    Returns:
        The path of the page.
    """
    return write_page(run / name, render_page(data))


def render_page(data: ReportData, *, media_budget: int = 6_000_000) -> str:
    """The page as text.

    Args:
        data: everything that the page shows.
        media_budget: characters of pictures and sounds; what no longer fits is left out of
            the map's cards and counted on the page.
    """
    store = MediaStore(media_budget)
    things = {thing.key: thing for thing in data.things}
    # In this order, because the first to ask for media gets them.
    hero = hero_section(data.things, data.heroes, store)
    strips = strips_section(data.strips, things, store)
    space = map_section(data.things, store)
    sections = [
        _section("ways", _ways_title(data), None, hero),
        _section("search", "What it finds", data.strips_note or None, strips),
        _section(
            "directions",
            "Every direction, with its doubt",
            "How often the right thing is among the first answers. A figure is worth "
            "something where its whole interval lies right of chance and of the controls.",
            directions_section(data.directions),
        ),
        _section(
            "map",
            "The space, drawn flat",
            "Near points have near vectors (t-SNE: neighbourhoods can be trusted, distances "
            "and empty areas can't). Point at one to see the thing and its other views.",
            space,
        ),
        _section("training", "How it learned", None, curves_section(data.panels)),
        _section("facts", "What was trained on what", None, _facts(data)),
        _section(
            "skipped", "What was left out", None, join(skipped_list(data.skipped), _unshown(store))
        ),
        _section("limits", "Its limits", None, limits_section(data)),
    ]
    kept = [section for section in sections if section is not None]
    return _document(
        data.title,
        join(
            _top(data, [(identifier, title) for identifier, title, _ in kept]),
            element(
                "main",
                headline_section(data),
                [section for _, _, section in kept],
                id="content",
            ),
            element(
                "footer", "Made by Interlingua. This page holds all it shows and asks for nothing."
            ),
            json_block("pictures", store.pictures),
            json_block("sounds", store.sounds),
        ),
    )


def _ways_title(data: ReportData) -> str:
    heroes = choose_heroes(data.things, data.heroes)
    most = max((len(placed_views(thing)) for thing in heroes), default=0)
    return f"One thing, {({2: 'two', 3: 'three', 4: 'four'}).get(most, 'several')} ways"


def _section(
    identifier: str, title: str, lead: str | None, content: Html | None
) -> tuple[str, str, Html] | None:
    if not content:
        return None
    section = element(
        "section",
        element("h2", title),
        element("p", words(lead, longest=600), class_="lead") if lead else None,
        content,
        id=identifier,
        class_="part",
    )
    return identifier, title, section


def _facts(data: ReportData) -> Html | None:
    blocks = [
        sources_table(data.sources),
        towers_table(data.towers),
        stages_table(data.stages),
        machine_list(data.facts),
        command_block(data.facts.command),
    ]
    return join(*blocks) or None


def _unshown(store: MediaStore) -> Html | None:
    if not store.left_out:
        return None
    return element(
        "p",
        f"{store.left_out} pictures or sounds of the map are not in this page, to keep it small.",
        class_="note",
    )


def _top(data: ReportData, sections: list[tuple[str, str]]) -> Html:
    short = {
        "ways": "Ways", "search": "Finds", "directions": "Directions", "map": "Map",
        "training": "Training", "facts": "Facts", "skipped": "Left out", "limits": "Limits",
    }  # fmt: skip
    mark = element(
        "svg",
        [
            element(
                "path",
                d=views.shape(view),
                transform=f"translate({x} {y}) scale(1.25)",
                class_=views.ink(view),
            )
            for view, x, y in (
                ("image", 8, 8),
                ("text", 16, 8),
                ("sound", 8, 16),
                ("speech", 16, 16),
            )
        ],
        viewBox="0 0 24 24",
        class_="mark",
        aria_hidden="true",
    )
    links = [
        element("li", element("a", short[identifier], href=f"#{identifier}", title=title))
        for identifier, title in sections
    ]
    about = [item for item in (data.facts.recipe, data.facts.created) if item]
    return join(
        element("a", "To the content", href="#content", class_="skip"),
        element(
            "header",
            element("p", mark, element("strong", words(data.title)), class_="run"),
            element("p", words(" · ".join(about)), class_="about") if about else None,
            element("nav", element("ul", links), aria_label="Parts of the report"),
            element(
                "button",
                element("span", "Dark", class_="to-dark"),
                element("span", "Light", class_="to-light"),
                type="button",
                id="theme",
                class_="needs-js",
            ),
            class_="top",
        ),
    )


def _document(title: str, body: Html) -> str:
    style, script = _asset("page.css"), _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    policy = (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    icon = (
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
        "%3Ccircle cx='6' cy='6' r='5' fill='%230079bd'/%3E"
        "%3Cpath d='M10 4l5.5 6-5.5 6-5.5-6z' fill='%23c22f7c' fill-opacity='.85'/%3E%3C/svg%3E"
    )
    head: list[Child] = [
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", f"{title} · Interlingua report"),
        element("link", rel="icon", href=Html(icon)),
        element("style", Html(style)),
    ]
    page = element(
        "html",
        element("head", head),
        element("body", body, element("script", Html(script))),
        lang="en",
    )
    return f"<!doctype html>\n{page}\n"


def _asset(name: str) -> str:
    return (
        resources.files("interlingua.report").joinpath("assets", name).read_text(encoding="utf-8")
    )
