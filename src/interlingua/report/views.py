"""How each view is called and marked on the page: one word, one ink, one shape.

The four inks are those of four-colour printing, as the four views are printed over
one another in one space. A shape goes with each ink, so that colour is never alone.
"""

from __future__ import annotations

import re

from interlingua.report.html import Html, element

INKS = ("image", "text", "sound", "speech")
_NAMES = {"image": "picture", "text": "words", "sound": "sound", "speech": "spoken name"}
_PLURALS = {
    "image": "pictures",
    "text": "words",
    "sound": "sounds",
    "speech": "spoken names",
}
_LANGUAGES = {
    "be": "Belarusian", "bg": "Bulgarian", "ca": "Catalan", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "es": "Spanish", "fr": "French", "it": "Italian",
    "nl": "Dutch", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sv": "Swedish",
}  # fmt: skip
_SHAPES = {
    "image": "M0-5A5 5 0 1 1 0 5A5 5 0 1 1 0-5Z",
    "text": "M-4.4-4.4H4.4V4.4H-4.4Z",
    "sound": "M0-5.6L5.4 4.2H-5.4Z",
    "speech": "M0-6.2L5.4 0 0 6.2-5.4 0Z",
    "other": "M-5.2-1.7H-1.7V-5.2H1.7V-1.7H5.2V1.7H1.7V5.2H-1.7V1.7H-5.2Z",
}


def base(view: str) -> str:
    """``speech`` for ``speech[fr]``."""
    return view.partition("[")[0]


def language(view: str) -> str:
    """The language code in ``speech[fr]``, or an empty string."""
    match = re.search(r"\[([^\]]*)\]", view)
    return match.group(1) if match else ""


def language_name(code: str) -> str:
    """The English name of a language, or its code where no name is known."""
    return _LANGUAGES.get(code.split("-")[0].lower(), code)


def name(view: str) -> str:
    """The reader's word for a view: ``picture``, ``spoken name, French``."""
    word = _NAMES.get(base(view), base(view))
    return f"{word}, {language_name(language(view))}" if language(view) else word


def short(view: str) -> str:
    """``spoken, French``, for narrow cells."""
    if base(view) == "speech" and language(view):
        return f"spoken, {language_name(language(view))}"
    return name(view)


def plural(view: str) -> str:
    """``pictures`` for ``image``."""
    word = _PLURALS.get(base(view), base(view))
    return f"{word}, {language_name(language(view))}" if language(view) else word


def ink(view: str) -> str:
    """The class that gives the view's colour."""
    return f"v-{base(view)}" if base(view) in INKS else "v-other"


def shape(view: str) -> str:
    """The path of the view's shape, about 10 units wide, centred on 0, 0."""
    return _SHAPES.get(base(view), _SHAPES["other"])


def glyph(view: str) -> Html:
    """The view's shape in its ink, as tall as a letter."""
    return element(
        "svg",
        element("path", d=shape(view)),
        class_=f"glyph {ink(view)}",
        viewBox="-7 -7 14 14",
        aria_hidden="true",
    )


def label(view: str) -> Html:
    """Shape and short word together."""
    return element("span", glyph(view), short(view), class_="viewname")
