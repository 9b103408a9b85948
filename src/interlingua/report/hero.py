"""One thing, four ways: its views side by side, and how near they lie to one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from interlingua.report import numbers, views
from interlingua.report.data import Thing
from interlingua.report.html import Child, Html, element, words
from interlingua.report.media import MediaStore
from interlingua.report.strips import badge, show_view
from interlingua.report.vectors import placed_views, unit_vectors, usual_cosines

_MOST = 6


def choose_heroes(things: Sequence[Thing], keys: Sequence[str]) -> list[Thing]:
    """The wanted things, or those with the most views, held out first."""
    by_key = {thing.key: thing for thing in things}
    if keys:
        return [by_key[key] for key in keys[:_MOST]]
    ready = [thing for thing in things if len(placed_views(thing)) > 1]
    ready.sort(key=lambda thing: (-len(placed_views(thing)), not thing.held_out))
    return ready[:_MOST]


def hero_section(things: Sequence[Thing], keys: Sequence[str], store: MediaStore) -> Html | None:
    """A card for each hero, chosen by tabs; None where no thing has two views in the space."""
    heroes = choose_heroes(things, keys)
    if not heroes:
        return None
    usual = usual_cosines(things)
    tabs, panels = [], []
    for place, thing in enumerate(heroes):
        picture = thing.views.get("image")
        tabs.append(
            element(
                "button",
                store.image(picture.pixels, "") if picture else None,
                element("span", words(thing.name, longest=24)),
                type="button",
                role="tab",
                id=f"hero-tab-{place}",
                aria_controls=f"hero-{place}",
                aria_selected="true" if place == 0 else "false",
                tabindex="0" if place == 0 else "-1",
            )
        )
        panels.append(
            element(
                "div",
                _ways(thing, store),
                _matrix(thing, usual),
                role="tabpanel",
                id=f"hero-{place}",
                aria_labelledby=f"hero-tab-{place}",
                hidden=place > 0,
                class_="hero",
            )
        )
    list_of_tabs = (
        element("div", tabs, role="tablist", aria_label="Which thing", class_="tabs needs-js")
        if len(tabs) > 1
        else None
    )
    return element("div", list_of_tabs, panels, class_="heroes")


def _ways(thing: Thing, store: MediaStore) -> Html:
    ways = [
        element(
            "li",
            element("h4", views.glyph(name), views.name(name)),
            show_view(name, thing.views[name], thing.name, store),
        )
        for name in placed_views(thing)
    ]
    head = element(
        "p", element("strong", words(thing.name)), badge(thing.held_out), class_="heroname"
    )
    return element("div", head, element("ul", ways, class_="ways"))


def _matrix(thing: Thing, usual: Mapping[tuple[str, str], float]) -> Html:
    names = placed_views(thing)
    vectors = {name: unit_vectors([thing], name)[0] for name in names}
    head = element(
        "tr",
        element("td"),
        [
            element(
                "th", views.glyph(name), element("span", views.name(views.base(name))), scope="col"
            )
            for name in names[:-1]
        ],
    )
    rows = []
    for place, name in enumerate(names[1:], start=1):
        cells: list[Child] = []
        for column, other in enumerate(names[:-1]):
            if column >= place:
                cells.append(element("td", class_="blank"))
                continue
            cosine = float(vectors[name] @ vectors[other])
            apart = usual.get((name, other))
            strength = round(100 * min(max(cosine, 0.0), 1.0))
            cells.append(
                element(
                    "td",
                    element("b", numbers.signed(cosine)),
                    element("small", f"others {numbers.signed(apart)}")
                    if apart is not None
                    else None,
                    style=f"--near:{strength}%",
                    class_="strong" if strength >= 60 else None,
                )
            )
        rows.append(element("tr", element("th", views.label(views.base(name)), scope="row"), cells))
    return element(
        "table",
        element(
            "caption",
            "How near they lie: cosine similarity, 1 is the same place. ",
            element("span", "“Others” is the mean between two different things."),
        ),
        element("thead", head),
        element("tbody", rows),
        class_="matrix",
    )
