"""A contact sheet: what a source holds, on one page to look at and listen to.

Every sample is a card: its picture, its words, its sounds to play, and what is known of it.
What can't be decoded is shown as such, with the reason, never left out silently.
The page needs nothing beside itself and may run no script but its own.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

from interlingua.data.gate import ImageLimits
from interlingua.report import views
from interlingua.report.html import Child, Html, element, join, json_block, words
from interlingua.report.media import MediaStore
from interlingua.report.page_file import write_page
from interlingua.report.sample_card import CardMaker, top_group
from interlingua.sample import Audio, Sample

MEDIA_BUDGET = 24_000_000  # base64 characters: what a browser still opens at once


def contact_sheet(
    samples: Iterable[Sample],
    path: Path,
    *,
    columns: int = 6,
    title: str = "Contact sheet",
    limits: ImageLimits | None = None,
) -> Path:
    """Write a page of samples; it appears whole or not at all.

    Args:
        samples: shown in this order, each as a card.
        path: of the page; its folder is made.
        columns: cards in a row on a wide screen, 1 to 12; fewer on a narrow one.
        title: the heading.
        limits: of the pictures; a giant PNG is scaled down row by row by default.

    Returns:
        ``path``.

    Raises:
        ValueError: ``columns`` outside 1 to 12.
        OSError: the page can't be written.
    """
    if not 1 <= columns <= 12:
        raise ValueError(f"columns must be 1 to 12, not {columns}")
    limits = limits or ImageLimits(stream_pixels=1_000_000_000)
    text = _render(list(samples), title, columns, limits)
    return write_page(path, text)


def _render(samples: Sequence[Sample], title: str, columns: int, limits: ImageLimits) -> str:
    maker = CardMaker(MediaStore(MEDIA_BUDGET), limits)
    cards = [maker.card(sample) for sample in samples]
    groups = Counter(top_group(sample) for sample in samples)
    body = join(
        element(
            "header",
            element("h1", words(title)),
            _counts(samples),
            _notes(maker),
            _filters(samples, groups),
            class_="top",
        ),
        element(
            "main",
            element("ul", cards, class_="sheet", style=f"--columns:{columns}")
            if cards
            else element("p", "There is nothing in this source.", class_="nothing"),
            element("p", "No sample fits.", id="none", hidden=True, class_="nothing"),
        ),
        element("footer", "Made by Interlingua. This page asks for nothing from elsewhere."),
        json_block("sounds", maker.store.sounds),
    )
    return document(title, body)


def _notes(maker: CardMaker) -> Html | None:
    """What the page does not show, in one line each."""
    lines = []
    if maker.damaged:
        reasons = ", ".join(f"{reason} {n}" for reason, n in maker.damaged.most_common())
        lines.append(f"{maker.damaged.total()} pictures or sounds can't be decoded: {reasons}.")
    if maker.store.left_out:
        lines.append(f"{maker.store.left_out} are not in this page, to keep it small.")
    return element("p", " ".join(lines), class_="warning") if lines else None


def _counts(samples: Sequence[Sample]) -> Html:
    """How many samples there are, and in how many each view is found."""
    having = Counter(view for sample in samples for view in {part.view for part in sample.parts})
    order = [view for view in (*views.INKS, "label") if having[view]]
    tongues = {
        part.language
        for sample in samples
        for part in sample.alternatives("speech")
        if isinstance(part, Audio) and part.language
    }
    items = [element("li", element("strong", f"{len(samples):,}"), " samples shown")]
    for view in order:
        more = f" in {len(tongues)} languages" if view == "speech" and tongues else ""
        items.append(
            element(
                "li",
                views.glyph(view),
                element("strong", f"{having[view]:,}"),
                f" with {views.plural(view)}{more}",
            )
        )
    return element("ul", items, class_="counts")


def _filters(samples: Sequence[Sample], groups: Counter[str]) -> Html | None:
    if len(samples) < 2:
        return None
    options = [element("option", f"All groups ({len(samples):,})", value="")]
    options += [
        element("option", f"{group or 'no group'} ({count:,})", value=group or "-")
        for group, count in sorted(groups.items())
    ]
    kinds = sorted({part.view for sample in samples for part in sample.parts})
    found = [element("option", "With anything", value="")]
    found += [element("option", f"With {views.plural(view)}", value=view) for view in kinds]
    return element(
        "form",
        element("input", type="search", id="words", placeholder="Words", aria_label="Words"),
        element("select", options, id="group", aria_label="Group") if len(groups) > 1 else None,
        element("select", found, id="view", aria_label="What it has") if len(kinds) > 1 else None,
        element("output", id="shown"),
        element(
            "button",
            element("span", "Dark", class_="to-dark"),
            element("span", "Light", class_="to-light"),
            type="button",
            id="theme",
        ),
        class_="filters needs-js",
    )


def document(title: str, body: Html) -> str:
    """A page in the contact sheet's style around its body."""
    style, script = _asset("contact_sheet.css"), _asset("contact_sheet.js")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    policy = (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    head: list[Child] = [
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} · Interlingua"),
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
    file = resources.files("interlingua.report").joinpath("assets", name)
    return file.read_text(encoding="utf-8")
