from __future__ import annotations

import re
from pathlib import Path

from PIL import Image as Pillow

from interlingua.config import resolve
from interlingua.content import FileContent
from interlingua.data.filters.chain import apply_filters
from interlingua.report.filters import filters_page
from interlingua.sample import Image, OneOf, Sample, Text


def steps_of(folder: Path, texts: list[str], **settings):
    samples = []
    for number, text in enumerate(texts):
        path = folder / f"{number}.png"
        Pillow.new("RGB", (20, 20), (number, 90, 200)).save(path)
        samples.append(Sample(f"key {number}", (Image(FileContent(path)), Text(text))))
    config = resolve("data.filters", "text_length").Config(**settings)
    return apply_filters(samples, [config])


def test_numbers_and_examples_are_on_the_page(tmp_path: Path) -> None:
    texts = ["<script>alert(1)</script> a b", "one", *("w " * 30 for _ in range(9))]
    page = filters_page(
        steps_of(tmp_path, texts), tmp_path / "new" / "page.html", title="A & B", examples=4
    ).read_text("utf-8")
    assert "<script>alert" not in page and "A &amp; B" in page
    assert page.count('class="card"') == 1 + 4
    assert "too many words: 9, of which 4 are shown" in page
    assert "too few words: 1, of which 1 are shown" in page
    assert "<strong>11</strong> samples" in page and "<strong>10</strong> removed" in page
    assert "min_words 3" in page
    assert len(re.findall("data:image", page)) == 5


def test_a_sample_that_keeps_other_texts_says_so(tmp_path: Path) -> None:
    sample = Sample("a", (OneOf((Text("dog"), Text("a big dog"))),))
    config = resolve("data.filters", "text_length").Config()
    page = filters_page(apply_filters([sample], [config]), tmp_path / "page.html")
    assert "other texts of it stay" in page.read_text("utf-8")


def test_nothing_taken_is_a_page_too(tmp_path: Path) -> None:
    page = filters_page(steps_of(tmp_path, ["a b c"]), tmp_path / "page.html").read_text("utf-8")
    assert "0.0%" in page and 'class="card"' not in page
    assert filters_page([], tmp_path / "none.html").exists()


def test_a_damaged_picture_is_shown_as_such(tmp_path: Path) -> None:
    steps = steps_of(tmp_path, ["one"])
    (tmp_path / "0.png").write_bytes(b"no picture")
    assert "No picture" in filters_page(steps, tmp_path / "page.html").read_text("utf-8")
