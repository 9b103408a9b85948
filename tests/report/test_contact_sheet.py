"""The contact sheet shows every sample, plays every sound, and can do no harm."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from interlingua.content import BytesContent, FileContent
from interlingua.report.contact_sheet import contact_sheet
from interlingua.sample import Audio, Image, Label, Meta, OneOf, Sample, Text

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")


class Elements(HTMLParser):
    """All start tags with their attributes, and the text outside scripts and styles."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside not in ("script", "style"):
            self.texts.append(data)

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [
            attributes
            for name, attributes in self.found
            if name == tag
            and all(
                value in (attributes.get(key.rstrip("_")) or "").split()
                for key, value in wanted.items()
            )
        ]


def picture(colour: str = "red", size: tuple[int, int] = (300, 200)) -> BytesContent:
    buffer = io.BytesIO()
    Pillow.new("RGB", size, colour).save(buffer, "PNG")
    return BytesContent(buffer.getvalue(), f"{colour}.png")


def sound(seconds: float = 0.5, hertz: float = 440) -> BytesContent:
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * 16_000)) / 16_000)
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, 16_000, format="OGG")
    return BytesContent(buffer.getvalue(), "tone.ogg")


def dog() -> Sample:
    names = OneOf((Text("A dog."), Text("a hound, rarely")), (3.0, 1.0))
    spoken = OneOf(
        (
            Audio(sound(hertz=300), use="speech", language="en", transcript="A dog."),
            Audio(sound(hertz=500), use="speech", language="fr", transcript="Un chien."),
        )
    )
    meta = Meta(source="made", group="animals/mammals", name="dog", component=7)
    return Sample("dog-1", (Image(picture()), names, Audio(sound()), spoken), meta=meta)


def read(path: Path) -> tuple[str, Elements]:
    page = path.read_text("utf-8")
    return page, Elements(page)


def test_a_card_with_everything(tmp_path: Path) -> None:
    path = contact_sheet([dog()], tmp_path / "new" / "sheet.html", title="Source made")
    page, elements = read(path)
    (card,) = elements.all("li", class_="card")
    assert card["data-group"] == "animals"
    assert card["data-views"] == "image sound speech text"
    texts = " ".join(elements.texts)
    for words in ("Source made", "A dog.", "a hound, rarely", "75%", "Un chien.", "component 7"):
        assert words in texts
    (image,) = elements.all("img")
    data = base64.b64decode(str(image["src"]).partition(",")[2])
    assert max(Pillow.open(io.BytesIO(data)).size) <= 200
    buttons = [attributes for attributes in elements.all("button") if "data-sound" in attributes]
    assert len(buttons) == 3
    stored = re.search(r'<script type="application/json" id="sounds">(.*?)</script>', page)
    addresses = json.loads(stored.group(1))
    for button in buttons:
        head, _, body = addresses[button["data-sound"]].partition(",")
        assert head.startswith("data:audio/")
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(body)))
        assert abs(len(samples) / rate - 0.5) < 0.15
        assert np.abs(samples).max() > 0.2
    assert buttons[2]["aria-label"] == "Play in French: Un chien."


def test_the_page_needs_and_allows_nothing_from_elsewhere(tmp_path: Path) -> None:
    page, elements = read(contact_sheet([dog()], tmp_path / "sheet.html"))
    for _, attributes in elements.found:
        for name in ("src", "href", "action", "data", "poster"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert not re.search(r"@import|url\((?!data:)", page)
    (policy,) = [
        a["content"] for a in elements.all("meta", **{"http-equiv": "Content-Security-Policy"})
    ]
    assert "default-src 'none'" in policy
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_what_strangers_write_stays_text(tmp_path: Path) -> None:
    evil = "</script></li><script>alert(1)</script><img src=x onerror=alert(2)>\"'\u202egnp.exe"
    sample = Sample(
        evil,
        (
            Text(evil),
            Label(evil),
            Image(BytesContent(b"<html>", evil)),
            Audio(sound(), use="speech", language=evil, transcript=evil),
        ),
        meta=Meta(group=evil, name=evil),
    )
    page, elements = read(contact_sheet([sample, dog()], tmp_path / "sheet.html", title=evil))
    assert len(elements.all("script")) == 2
    assert all("onerror" not in attributes for _, attributes in elements.found)
    assert len(elements.all("li", class_="card")) == 2
    assert "\u202e" not in page


def test_damaged_media_are_shown_and_counted(tmp_path: Path) -> None:
    bad = Sample(
        "bad",
        (
            Image(BytesContent(b"<!doctype html>", "bad.png")),
            Audio(FileContent(tmp_path / "gone.ogg")),
            Audio(BytesContent(b"", "empty.ogg"), use="speech", language="en"),
        ),
    )
    _, elements = read(contact_sheet([bad, dog()], tmp_path / "sheet.html"))
    assert len(elements.all("div", class_="failure")) == 3
    texts = " ".join(elements.texts)
    assert "3 pictures or sounds can't be decoded" in texts
    for reason in ("not_an_image 1", "missing 1", "empty 1"):
        assert reason in texts


def test_counts_and_filters(tmp_path: Path) -> None:
    words = Sample("w", (Text("only words"),), meta=Meta(group="words"))
    _, elements = read(contact_sheet([dog(), words, words], tmp_path / "sheet.html"))
    texts = re.sub(r"\s+", " ", "".join(elements.texts))
    assert "3 samples shown" in texts
    assert "1 with pictures" in texts
    assert "1 with spoken names in 2 languages" in texts
    options = [attributes["value"] for attributes in elements.all("option")]
    assert options == ["", "animals", "words", "", "image", "sound", "speech", "text"]


def test_many_texts_and_clips_are_cut_with_their_number(tmp_path: Path) -> None:
    texts = OneOf(tuple(Text(f"text {n}") for n in range(9)))
    clips = OneOf(tuple(Audio(sound(0.1), use="speech", language=f"x{n}") for n in range(15)))
    _, elements = read(contact_sheet([Sample("many", (texts, clips))], tmp_path / "sheet.html"))
    shown = " ".join(elements.texts)
    assert "and 4 more" in shown
    assert "and 3 more" in shown


def test_a_conversation_shows_its_texts_in_order(tmp_path: Path) -> None:
    turns = Sample("q", (Image(picture()), Text("What?"), Text("Red.", role="target")), "sequence")
    _, elements = read(contact_sheet([turns], tmp_path / "sheet.html"))
    shown = " ".join(elements.texts)
    assert shown.index("What?") < shown.index("Red.")


def test_nothing_to_show(tmp_path: Path) -> None:
    _, elements = read(contact_sheet([], tmp_path / "sheet.html"))
    assert "There is nothing in this source." in elements.texts


@pytest.mark.parametrize("columns", [0, 13, -1])
def test_columns_are_checked(tmp_path: Path, columns: int) -> None:
    with pytest.raises(ValueError, match="columns"):
        contact_sheet([dog()], tmp_path / "sheet.html", columns=columns)
    assert not list(tmp_path.iterdir())


def test_same_samples_same_page(tmp_path: Path) -> None:
    first = contact_sheet([dog()], tmp_path / "a.html").read_bytes()
    assert contact_sheet([dog()], tmp_path / "b.html").read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "b.html"]
