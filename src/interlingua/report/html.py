"""Markup that is safe by construction: every plain string is escaped, only ``Html`` is not.

Text from outside (captions, file names) may hold markup, control characters or marks
that turn the reading direction of all that follows. The first are escaped; the others
are shown as what they are, so that nothing on the page can pose as something else.
"""

from __future__ import annotations

import html
import json
import unicodedata
from collections.abc import Iterable
from typing import Any

# Marks that override or embed a direction (Unicode UAX 9): shown by their code point.
_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_VOID = frozenset({"img", "input", "meta", "link", "br", "hr"})


class Html(str):
    """Markup that is already safe; ``element`` makes it."""

    __slots__ = ()


Child = str | int | float | None | Iterable["Child"]


def visible(value: object) -> str:
    """Plain text with control characters and direction marks made visible; not yet escaped."""
    characters = []
    for character in str(value):
        if character in _DIRECTION_MARKS:
            characters.append(f"⟨U+{ord(character):04X}⟩")
        elif character in "\n\t":
            characters.append(" ")
        elif unicodedata.category(character) in ("Cc", "Cs"):
            characters.append("\ufffd")  # also lone surrogates, which UTF-8 can't hold
        else:
            characters.append(character)
    return "".join(characters)


def escape(value: object) -> Html:
    """Text as markup, fit for content and for attribute values."""
    return Html(html.escape(visible(value), quote=True))


def element(tag: str, /, *children: Child, **attributes: object) -> Html:
    """``<tag attributes>children</tag>``.

    An attribute's underscores become hyphens and a last one is dropped (``class_``,
    ``aria_label``); True is a bare attribute, None and False are left out.
    """
    parts = [f"<{tag}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        parts.append(" " + key.rstrip("_").replace("_", "-"))
        if value is not True:
            parts.append(f'="{value if isinstance(value, Html) else escape(value)}"')
    parts.append(">")
    if tag not in _VOID:
        parts.extend(_flatten(children))
        parts.append(f"</{tag}>")
    return Html("".join(parts))


def join(*children: Child) -> Html:
    """Children one after another, without an element around them."""
    return Html("".join(_flatten(children)))


def words(value: str, *, longest: int = 120) -> Html:
    """A stranger's text: isolated in its reading direction, cut, whole in the tooltip."""
    shown = visible(value).strip()
    if len(shown) <= longest:
        return element("bdi", shown)
    return element("bdi", shown[: longest - 1].rstrip() + "…", title=shown[:2000])


def json_block(identifier: str, value: Any) -> Html:
    """Data for the page's script; can't end the script element early, whatever it holds."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return element("script", Html(text), type="application/json", id=identifier)


def _flatten(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if isinstance(child, Html):
            yield str(child)
        elif isinstance(child, (str, int, float)):
            yield str(escape(child))
        elif child is not None:
            yield from _flatten(child)
