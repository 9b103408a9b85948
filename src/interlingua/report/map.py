"""The space drawn flat: a point for each view of each thing, views of one thing joined on hover.

Two drawings of the same points: as they are, where kinds of media may keep to
themselves (the modality gap), and with each view's mean taken away, which shows
what order there is within the gap. The text beside the map says how wide the gap is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from interlingua.report import views
from interlingua.report.data import Thing
from interlingua.report.html import Child, Html, element, join, json_block, visible
from interlingua.report.media import MediaStore
from interlingua.report.tsne import tsne
from interlingua.report.vectors import placed_views, unit_vectors

_WIDTH, _HEIGHT, _EDGE = 1000, 660, 34
_GROUPS = 9
# Few neighbours: a thing has two to four views, and those should find one another.
_PERPLEXITY = 12.0


def choose_things(things: Sequence[Thing], most_points: int, seed: int = 0) -> list[Thing]:
    """Things with a place in the space; a random sample, held out first, if there are too many."""
    placed = [thing for thing in things if placed_views(thing)]
    if sum(len(placed_views(thing)) for thing in placed) <= most_points:
        return placed
    shuffled = [placed[i] for i in np.random.default_rng(seed).permutation(len(placed))]
    shuffled.sort(key=lambda thing: not thing.held_out)
    kept, points = [], 0
    for thing in shuffled:
        points += len(placed_views(thing))
        if points > most_points:
            break
        kept.append(thing)
    return kept


def layouts(
    things: Sequence[Thing], *, seed: int = 0
) -> tuple[list[tuple[int, str]], dict[str, NDArray[np.float64]]]:
    """The points, as (thing, view), and their places ``[M, 2]`` in each drawing."""
    points = [(i, view) for i, thing in enumerate(things) for view in placed_views(thing)]
    vectors = np.stack([unit_vectors([things[i]], view)[0] for i, view in points])
    kinds = np.array([views.base(view) for _, view in points])
    centred = vectors.copy()
    for kind in set(kinds):
        centred[kinds == kind] -= vectors[kinds == kind].mean(axis=0)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    drawings = {"as": _framed(tsne(vectors, perplexity=_PERPLEXITY, seed=seed))}
    if len(set(kinds)) > 1:
        drawings["centred"] = _framed(tsne(centred, perplexity=_PERPLEXITY, seed=seed))
    return points, drawings


def map_section(
    things: Sequence[Thing], store: MediaStore, *, most_points: int = 1200, seed: int = 0
) -> Html | None:
    """The map with its switches; None where fewer than three points have a place."""
    shown = choose_things(things, most_points, seed)
    if sum(len(placed_views(thing)) for thing in shown) < 3:
        return None
    points, drawings = layouts(shown, seed=seed)
    groups = _group_numbers(shown)
    first = drawings["as"]
    marks = [
        element(
            "path",
            d=views.shape(view),
            class_=f"point {views.ink(view)} g{groups[shown[i].key]}",
            transform=f"translate({x:.0f} {y:.0f})",
        )
        for (i, view), (x, y) in zip(points, first, strict=True)
    ]
    drawing = element(
        "svg",
        element("g", class_="links"),
        element("g", marks, class_="points"),
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        class_="space by-view",
        tabindex="0",
        role="application",
        aria_roledescription="map",
        aria_label=f"Map of {len(points)} points. Arrow keys go from point to point, "
        "Enter keeps the card, Escape closes it.",
    )
    left_out = len([thing for thing in things if placed_views(thing)]) - len(shown)
    data = {
        "things": [_thing_data(thing, store) for thing in shown],
        "points": [[i, views.base(view)] for i, view in points],
        "places": {name: places.round().astype(int).tolist() for name, places in drawings.items()},
    }
    return join(
        _controls(drawings, shown),
        element(
            "div", drawing, element("div", class_="card", aria_live="polite"), class_="mapframe"
        ),
        _legends(points, shown, groups),
        element(
            "p",
            f"A random sample: {left_out} more things are not drawn." if left_out > 0 else None,
            class_="note",
        )
        if left_out > 0
        else None,
        json_block("map-data", data),
    )


def _framed(places: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scaled into the frame, the longer spread along its longer side, proportions kept loosely."""
    centred = places - np.median(places, axis=0)
    if np.ptp(centred[:, 1]) > np.ptp(centred[:, 0]):
        centred = centred[:, ::-1]
    low, high = centred.min(axis=0), centred.max(axis=0)
    room = np.array([_WIDTH, _HEIGHT]) - 2 * _EDGE
    framed: NDArray[np.float64] = (centred - low) / np.maximum(high - low, 1e-12) * room + _EDGE
    return framed


def _first_level(thing: Thing) -> str:
    return thing.group.split("/")[0].strip()


def _group_numbers(things: Sequence[Thing]) -> dict[str, int]:
    """Each thing's colour: the largest groups have their own, the others share the last."""
    largest = [name for name, _ in Counter(map(_first_level, things)).most_common() if name]
    number = {name: place for place, name in enumerate(largest[:_GROUPS])}
    return {thing.key: number.get(_first_level(thing), _GROUPS) for thing in things}


def _thing_data(thing: Thing, store: MediaStore) -> list[object]:
    picture = thing.views.get("image")
    clips = [
        [views.base(name), views.name(name), store.sound(thing.views[name])]
        for name in placed_views(thing)
        if thing.views[name].samples is not None
    ]
    return [
        visible(thing.name)[:80],
        visible(thing.group)[:80],
        int(thing.held_out),
        store.picture(picture.pixels) if picture else None,
        [clip for clip in clips if clip[2]],
    ]


def _controls(drawings: dict[str, NDArray[np.float64]], things: Sequence[Thing]) -> Html:
    def choice(name: str, legend: str, options: Sequence[tuple[str, str]]) -> Html:
        labels = [
            element(
                "label",
                element("input", type="radio", name=name, value=value, checked=i == 0),
                element("span", text),
            )
            for i, (value, text) in enumerate(options)
        ]
        return element("fieldset", element("legend", legend), labels, class_="switch")

    parts: list[Child] = []
    if any("image" in thing.views for thing in things):
        parts.append(choice("dots", "Show", [("pictures", "pictures"), ("dots", "points")]))
    parts.append(choice("colour", "Colour by", [("view", "kind"), ("group", "group")]))
    if "centred" in drawings:
        options = [("as", "as it is"), ("centred", "each kind centred")]
        parts.append(choice("places", "Places", options))
    names = [
        element("option", value=name) for name in sorted({visible(t.name)[:80] for t in things})
    ]
    find = element(
        "input", type="search", id="find", list="names", placeholder="a name", autocomplete="off"
    )
    parts.append(element("label", element("span", "Find"), find, class_="find"))
    parts.append(element("datalist", names, id="names"))
    return element("form", parts, class_="controls needs-js")


def _legends(
    points: Sequence[tuple[int, str]], things: Sequence[Thing], groups: dict[str, int]
) -> Html:
    kinds = Counter(views.base(view) for _, view in points)
    of_views = [
        element(
            "li",
            element(
                "label",
                element("input", type="checkbox", checked=True, value=kind, class_="kind"),
                views.glyph(kind),
                views.plural(kind),
                element("small", str(kinds[kind])),
            ),
        )
        for kind in sorted(kinds, key=lambda k: views.INKS.index(k) if k in views.INKS else 9)
    ]
    sizes = Counter(groups.values())
    names = {groups[thing.key]: _first_level(thing) for thing in things}
    of_groups = [
        element(
            "li",
            element("i", class_=f"swatch g{number}"),
            "other" if number == _GROUPS else names[number],
            element("small", str(sizes[number])),
        )
        for number in sorted(sizes)
    ]
    return join(
        element("ul", of_views, class_="key kinds"),
        element("ul", of_groups, class_="key groups", hidden=True),
    )
