"""What filters took, on one page: a table of numbers, then samples of each reason to look at.

Whether a filter takes noise or good pairs shows in no number; one has to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from interlingua.catalogue.cache import write_whole
from interlingua.data.filters.chain import by_reason, spread
from interlingua.data.filters.filter import Filtered, Removal, pictures
from interlingua.data.gate import ImageLimits
from interlingua.report.contact_sheet import MEDIA_BUDGET, document
from interlingua.report.html import Child, Html, element, join, json_block, words
from interlingua.report.media import MediaStore
from interlingua.report.sample_card import CardMaker

_STYLE = (
    "table{border-collapse:collapse;margin-top:1.4rem}td,th{padding:.3rem .9rem .3rem 0;"
    "text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}"
    ".n{text-align:right}h2{margin:2.6rem 0 0;font-size:1.2rem}h2 small{font-weight:400}"
    ".why{color:var(--warn)}"
)


def filters_page(
    steps: Sequence[Filtered],
    path: Path,
    *,
    title: str = "What filters take",
    examples: int = 24,
    columns: int = 8,
    limits: ImageLimits | None = None,
) -> Path:
    """Write the page; it appears whole or not at all.

    Args:
        steps: what each filter did, in order.
        path: of the page; its folder is made.
        title: the heading.
        examples: removed pairs that are shown of each reason, spread over all of them.
        columns: cards in a row on a wide screen.
        limits: of the pictures.

    Returns:
        ``path``.
    """
    maker = CardMaker(MediaStore(MEDIA_BUDGET), limits or ImageLimits(stream_pixels=1_000_000_000))
    sections = [_section(step, maker, examples, columns) for step in steps]
    body = join(
        element("style", Html(_STYLE)),
        element("header", element("h1", words(title)), _counts(steps), _table(steps), class_="top"),
        element("main", sections),
        element("footer", "Made by Interlingua. This page asks for nothing from elsewhere."),
        json_block("sounds", {}),
        element("p", id="none", hidden=True),
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, document(title, body).encode())
    return path


def _counts(steps: Sequence[Filtered]) -> Html | None:
    if not steps:
        return None
    given, kept = steps[0].given, len(steps[-1].kept)
    items = [
        element("li", element("strong", f"{number:,}"), f" {what}")
        for number, what in ((given, "samples"), (given - kept, "removed"), (kept, "kept"))
    ]
    return element("ul", items, class_="counts")


def _table(steps: Sequence[Filtered]) -> Html:
    head = ("filter", "reason", "samples", "share", "pairs", "given")
    rows: list[Child] = [element("tr", [element("th", name) for name in head])]
    for step in steps:
        shown: list[tuple[str, int, int | None]] = [("", step.removed, step.removed_texts)]
        shown += [
            (reason, sum(one.whole for one in found), None)
            for reason, found in by_reason(step).items()
        ]
        for number, (reason, samples, texts) in enumerate(shown):
            rows.append(
                element(
                    "tr",
                    element("td", "" if number else element("strong", words(step.name))),
                    element("td", words(reason)),
                    element("td", f"{samples:,}", class_="n"),
                    element("td", f"{samples / max(1, step.given):.1%}", class_="n"),
                    element("td", "" if texts is None else f"{texts:,}", class_="n"),
                    element("td", "" if number else f"{step.given:,}", class_="n"),
                )
            )
    return element("table", rows)


def _section(step: Filtered, maker: CardMaker, examples: int, columns: int) -> Html:
    settings = ", ".join(
        f"{key} {value}"
        for key, value in step.settings.items()
        if key != "name" and value not in (None, [], {})
    )
    parts: list[Child] = []
    for reason, removals in by_reason(step).items():
        chosen = spread(removals, examples)
        heading = f"{reason}: {len(removals):,}, of which {len(chosen)} are shown"
        cards = [_card(one, maker) for one in chosen]
        parts += [
            element("h2", words(step.name), " ", element("small", words(heading, longest=200))),
            element("small", words(settings, longest=400)),
            element("ul", cards, class_="sheet", style=f"--columns:{columns}"),
        ]
    return element("section", parts)


def _card(removal: Removal, maker: CardMaker) -> Html:
    """Picture, the text that went, and the measured value."""
    sample = removal.sample
    text = removal.shown_text
    name = text or sample.key
    stays = "" if removal.whole or removal.text is None else "other texts of it stay"
    return element(
        "li",
        [maker.picture(part, name) for part in pictures(sample)[:1]],
        element(
            "div",
            element("ul", element("li", words(text, longest=140)), class_="texts")
            if text
            else None,
            element(
                "p",
                element("span", words(str(removal.value), longest=80), class_="why"),
                element("code", words(sample.key, longest=80)),
                element("span", stays) if stays else None,
                class_="known",
            ),
            class_="about",
        ),
        class_="card",
        data_words=f"{name} {sample.key}".lower()[:2000],
        data_group="-",
        data_views="image text",
    )
