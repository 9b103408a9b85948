"""The page of a check: what matters first, then each part with its figures and examples to look at.

A count of damaged or double things says little until some of them are seen; so there are examples
of each, with their keys.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from interlingua.catalogue.cache import write_whole
from interlingua.data.check.result import Check, Finding
from interlingua.data.gate import ImageLimits
from interlingua.report import views
from interlingua.report.check_sections import (
    contents_section,
    languages_section,
    lessons_section,
    media_section,
    texts_section,
    tokens_section,
)
from interlingua.report.check_twins import shared_section, twins_section
from interlingua.report.contact_sheet import MEDIA_BUDGET, document
from interlingua.report.html import Child, Html, element, join, json_block, words
from interlingua.report.media import MediaStore
from interlingua.report.sample_card import CardMaker

_LEVELS = {"refused": "Refused", "warning": "Warning", "note": "Note"}
_SECTIONS = {
    "shared": "Training and test",
    "lessons": "What can be learned",
    "media": "Pictures and sounds",
    "texts": "Texts",
    "tokens": "Tokens",
    "languages": "Languages",
    "twins": "What is there twice",
    "contents": "What the source says",
}


def check_page(found: Check, path: Path, *, limits: ImageLimits | None = None) -> Path:
    """Write the page; it appears whole or not at all.

    Args:
        found: of ``check_source``.
        path: of the page; its folder is made.
        limits: of the pictures that are shown.

    Returns:
        ``path``.

    Raises:
        OSError: the page can't be written.
    """
    maker = CardMaker(MediaStore(MEDIA_BUDGET), limits or ImageLimits(stream_pixels=1_000_000_000))
    title = f"Check of {found.contents['source']}"
    drawn = {
        "shared": shared_section(found, maker),
        "lessons": lessons_section(found),
        "media": media_section(found),
        "texts": texts_section(found),
        "tokens": tokens_section(found),
        "languages": languages_section(found),
        "twins": twins_section(found, maker),
        "contents": contents_section(found),
    }
    there = {name: content for name, content in drawn.items() if content}
    style = resources.files("interlingua.report").joinpath("assets", "check.css")
    body = join(
        element("style", Html(style.read_text(encoding="utf-8"))),
        element(
            "header",
            element("h1", words(title, longest=200)),
            _counts(found),
            _findings(found, set(there)),
            _ways(list(there)),
            class_="top",
        ),
        element(
            "main",
            [
                element("section", element("h2", _SECTIONS[name]), content, id=name)
                for name, content in there.items()
            ],
        ),
        element("footer", "Made by Interlingua. This page asks for nothing from elsewhere."),
        json_block("sounds", maker.store.sounds),
        element("p", id="none", hidden=True),
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, document(title, body).encode())
    return path


def _counts(found: Check) -> Html:
    having = found.contents["samples_with"]
    items: list[Child] = [
        element("li", element("strong", f"{found.contents['samples']:,}"), " samples")
    ]
    for view in (*views.INKS, "label"):
        if having.get(view):
            number = element("strong", f"{having[view]:,}")
            what = views.plural(view) if view != "label" else "a label"
            items.append(element("li", views.glyph(view), number, f" with {what}"))
    if found.shared is not None:
        number = element("strong", f"{found.shared.test_samples:,}")
        items.append(element("li", number, " test samples in ", words(found.shared.test)))
    button = element(
        "button",
        element("span", "Dark", class_="to-dark"),
        element("span", "Light", class_="to-light"),
        type="button",
        id="theme",
        class_="needs-js",
    )
    return element("ul", items, element("li", button, class_="last"), class_="counts")


def _findings(found: Check, parts: set[str]) -> Html:
    if not found.findings:
        return element("p", "Nothing stands out.", class_="fine")
    return element("ul", [_finding(one, parts) for one in found.findings], class_="findings")


def _finding(one: Finding, parts: set[str]) -> Html:
    what: Child = words(one.what, longest=600)
    if one.part in parts:
        what = element("a", what, href=f"#{one.part}")
    return element(
        "li",
        element("strong", _LEVELS[one.level]),
        element("div", what, element("small", words(one.next_step, longest=300))),
        class_=one.level,
    )


def _ways(names: list[str]) -> Html:
    links = [element("li", element("a", _SECTIONS[name], href=f"#{name}")) for name in names]
    return element("nav", element("ul", links), aria_label="Parts of the page")
