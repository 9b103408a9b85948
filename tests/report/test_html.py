from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlingua.report.html import element, escape, join, json_block, visible, words

HOSTILE = [
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)",
    "</script><img src=x onerror=alert(1)>",
    "&lt;b&gt;",
    "\u202egnp.exe",
    "\x00\x1b[31m",
    "\ud800",
]


class Reader(HTMLParser):
    """What a browser would make of it: tags with attributes, and text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("text", HOSTILE)
def test_a_strangers_text_stays_text(text: str) -> None:
    read = Reader(element("p", text, title=text))
    assert [tag for tag, _ in read.tags] == ["p"]
    assert set(read.tags[0][1]) == {"title"}
    assert read.text == visible(text) == read.tags[0][1]["title"]


@given(st.text())
def test_any_text_comes_back_as_it_is_shown(text: str) -> None:
    read = Reader(element("p", text, title=text))
    assert read.text == visible(text)
    assert read.tags == [("p", {"title": visible(text)})]
    visible(text).encode("utf-8")


def test_direction_marks_and_controls_are_shown_not_obeyed() -> None:
    assert visible("a\u202eb\u2066c") == "a⟨U+202E⟩b⟨U+2066⟩c"
    assert visible("a\x07b\ud800") == "a\ufffdb\ufffd"
    assert visible("שלום مرحبا") == "שלום مرحبا"


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_data_cannot_end_the_script_element(value: object) -> None:
    block = json_block("data", value)
    inside = block.removeprefix('<script type="application/json" id="data">').removesuffix(
        "</script>"
    )
    assert "<" not in inside
    assert json.loads(inside) == value


def test_long_words_are_cut_and_kept_whole_in_the_tooltip() -> None:
    text = "long " * 50
    read = Reader(words(text, longest=20))
    assert len(read.text) <= 20
    assert read.text.endswith("…")
    assert read.tags[0][1]["title"] == text.strip()


def test_attributes() -> None:
    assert element("input", name="k", checked=True, hidden=False, data_x=None) == (
        '<input name="k" checked>'
    )
    assert element("i", class_="a") == '<i class="a"></i>'


def test_markup_is_not_escaped_twice() -> None:
    inner = element("b", "x & y")
    assert element("p", inner, [inner, None, 3]) == ("<p><b>x &amp; y</b><b>x &amp; y</b>3</p>")
    assert join(escape("<"), "<") == "&lt;&lt;"
