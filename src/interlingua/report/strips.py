"""Query strips: what was asked, and the five nearest answers with the right ones marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np

from interlingua.report import numbers, views
from interlingua.report.data import FloatArray, Hit, Strip, Thing, View
from interlingua.report.html import Child, Html, element, join, words
from interlingua.report.media import MediaStore
from interlingua.report.vectors import same, unit, unit_vectors


def draw_strips(
    things: Sequence[Thing],
    query: str,
    target: str,
    *,
    number: int = 3,
    best: int = 5,
    held_out: bool = True,
    seed: int = 0,
) -> list[Strip]:
    """Strips for things drawn at random, never picked by how well they do.

    Everything among ``things`` that has the target view is searched, held out or not.

    Args:
        query: the view that asks.
        target: the view that is searched.
        number: how many strips at most.
        best: answers a strip.
        held_out: whether the things asked for were kept from training.
        seed: of the draw.
    """
    askers = [
        thing
        for thing in things
        if thing.held_out == held_out
        and _vector(thing, query) is not None
        and target in thing.views
    ]
    chosen = np.random.default_rng(seed).permutation(len(askers))[:number]
    return [
        strip_for(
            {query: askers[i].views[query]},
            things,
            target,
            wanted=askers[i],
            best=best,
        )
        for i in chosen
    ]


def strip_for(
    query: Mapping[str, View],
    things: Sequence[Thing],
    target: str,
    *,
    wanted: Thing | None = None,
    best: int = 5,
) -> Strip:
    """Search ``things`` by the normalised sum of the query's vectors.

    Args:
        query: one view, or several for a mixed query; each needs a vector.
        wanted: the thing that is right, with all others of its component; None for a free query.

    Raises:
        ValueError: a view of the query has no vector, or nothing can be searched.
    """
    asked = [view.vector for view in query.values() if view.vector is not None]
    gallery = [thing for thing in things if _vector(thing, target) is not None]
    if len(asked) != len(query) or not asked or not gallery:
        raise ValueError("a strip needs vectors for its query and for something to search")
    vector = unit(np.sum([unit(v) for v in asked], axis=0))
    scores = unit_vectors(gallery, target) @ vector
    order = np.argsort(-scores, kind="stable")
    right = [wanted is not None and same(thing, wanted) for thing in gallery]
    ranks = [place for place, i in enumerate(order, start=1) if right[i]]
    return Strip(
        query=query,
        target=target,
        hits=[Hit(gallery[i].key, target, float(scores[i]), right[i]) for i in order[:best]],
        name=wanted.name if wanted else "",
        held_out=wanted.held_out if wanted else None,
        rank=ranks[0] if ranks else None,
        gallery=len(gallery),
    )


def _vector(thing: Thing, view: str) -> FloatArray | None:
    return thing.views[view].vector if view in thing.views else None


def strips_section(
    strips: Sequence[Strip], things: Mapping[str, Thing], store: MediaStore
) -> Html | None:
    """Strips grouped by what asks and what is searched, in the order they came in."""
    if not strips:
        return None

    def kind(strip: Strip) -> tuple[tuple[str, ...], str]:
        return tuple(views.base(view) for view in strip.query), views.base(strip.target)

    groups = []
    for (asking, target), members in groupby(strips, key=kind):
        heading = element(
            "h3",
            [[views.glyph(view), views.name(view), " + "] for view in asking[:-1]],
            views.glyph(asking[-1]),
            views.name(asking[-1]),
            element("span", " → ", class_="arrow"),
            views.glyph(target),
            views.plural(target),
        )
        drawn = [_strip(strip, things, store) for strip in members]
        groups.append(element("section", heading, drawn, class_="stripgroup"))
    return join(*groups)


def badge(held_out: bool | None) -> Html | None:
    """``held out`` or ``seen in training``."""
    if held_out is None:
        return None
    if held_out:
        return element("span", "held out", class_="badge held")
    return element("span", "seen in training", class_="badge seen")


def _strip(strip: Strip, things: Mapping[str, Thing], store: MediaStore) -> Html:
    asked = [
        show_view(name, view, strip.name or "the query", store)
        for name, view in strip.query.items()
    ]
    shows_words = any(views.base(name) == "text" for name in strip.query)
    return element(
        "div",
        element(
            "div",
            element("div", asked, class_="asked"),
            None if shows_words or not strip.name else element("p", words(strip.name), class_="is"),
            element("p", badge(strip.held_out), " ", _placed(strip), class_="about"),
            class_="query",
        ),
        element("ol", [_hit(hit, things[hit.thing], store) for hit in strip.hits], class_="hits"),
        class_="strip",
    )


def _placed(strip: Strip) -> Html | None:
    if strip.rank is None:
        return None
    shown = strip.rank <= len(strip.hits)
    text = f"right one {numbers.ordinal(strip.rank)} of {numbers.count(strip.gallery)}"
    return element("span", text, class_="placed" if shown else "placed missed")


def show_view(name: str, view: View, what: str, store: MediaStore) -> Html:
    """A view as people meet it: the picture, the words, or a player."""
    shown: Child = None
    if view.pixels is not None:
        image = store.image(view.pixels, what)
        shown = image and element("span", image, class_="picture")
    elif view.samples is not None:
        player = store.player(name, view, what)
        code = view.language or views.language(name)
        shown = player and [
            player,
            element(
                "span",
                words(view.text, longest=60) if view.text else None,
                " ",
                element("small", views.language_name(code)) if code else None,
                class_="transcript",
            )
            if view.text or code
            else None,
        ]
    elif view.text:
        shown = element("q", words(view.text, longest=90), lang=view.language or None)
    if shown is None:
        shown = element("span", f"no {views.name(name)} kept", class_="absent")
    return element("div", shown, class_=f"view {views.ink(name)}")


def _hit(hit: Hit, thing: Thing, store: MediaStore) -> Html:
    view = thing.views.get(hit.view, View())
    is_words = view.pixels is None and view.samples is None and bool(view.text)
    verdict: Child = None
    if hit.right:
        tick = element("path", d="M2.5 7.5l3 3 6-7")
        verdict = element(
            "span",
            element("svg", tick, viewBox="0 0 14 14", aria_hidden="true"),
            "right",
            class_="verdict",
        )
    return element(
        "li",
        element("div", show_view(hit.view, view, thing.name, store), verdict, class_="tile"),
        None if is_words else element("span", words(thing.name, longest=48), class_="thing"),
        element(
            "span",
            numbers.signed(hit.score),
            None
            if thing.held_out
            else element("span", "seen", title="seen in training", class_="seen"),
            class_="score",
        ),
        class_="right" if hit.right else None,
    )
