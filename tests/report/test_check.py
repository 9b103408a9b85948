from __future__ import annotations

import re
from pathlib import Path

import numpy
import pytest
from PIL import Image as Pillow

from interlingua.content import BytesContent, FileContent
from interlingua.data.check.run import check_source
from interlingua.data.check.spread import spread_of
from interlingua.data.source import ListSource, Problem
from interlingua.report.check import check_page
from interlingua.report.histogram import file_size, histogram, pixels, seconds
from interlingua.sample import Image, Meta, Sample, Text


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path / "cache"))


def source_of(folder: Path, texts: list[str], name: str = "<b>things</b>") -> ListSource:
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    for number, text in enumerate(texts):
        path = folder / f"{number}.png"
        pixels = numpy.random.default_rng(number).integers(0, 255, (9, 9, 3), dtype=numpy.uint8)
        Pillow.fromarray(pixels).resize((90, 90), Pillow.Resampling.NEAREST).save(path)
        meta = Meta(group="<i>group</i>", licence="CC0-1.0")
        samples.append(Sample(f"<k{number}>", (Image(FileContent(path)), Text(text)), meta=meta))
    samples.append(Sample("bad", (Image(BytesContent(b"<svg>"[:3], "x\u202egnp.png")), Text("z"))))
    return ListSource(name, samples, [Problem("<script>", "file:1")])


def page_of(tmp_path: Path, **options: object) -> str:
    texts = ["<script>alert(1)</script>", "img_1234", "a tree", "a tree", "a house"]
    found = check_source(source_of(tmp_path / "train", texts), **options)
    return check_page(found, tmp_path / "new" / "page.html").read_text("utf-8")


def test_nothing_of_the_data_becomes_markup(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    for wrong in ("<script>alert", "<b>things", "<i>group", "<k0>", "\u202e", "<svg>", "<script>:"):
        assert wrong not in page, wrong
    assert "Check of &lt;b&gt;things" in page
    assert page.count("<script") == 2  # the page's own and the sounds' JSON


def test_counts_findings_and_parts_are_there(tmp_path: Path) -> None:
    page = page_of(tmp_path)
    assert "<strong>6</strong> samples" in page
    assert "1 of 6 pictures can&#x27;t be used: not_an_image 1." in page
    assert re.search(r'class="warning"><strong>Warning</strong>', page)
    targets = set(re.findall(r'href="#([a-z]+)"', page))
    assert targets == {"lessons", "media", "texts", "languages", "twins", "contents"}
    assert all(f'id="{target}"' in page for target in targets)
    assert "“a tree”" in page
    assert "img_1234" in page


def test_what_both_sides_have_is_shown_in_pairs(tmp_path: Path) -> None:
    test = source_of(tmp_path / "test", ["b one", "b two", "c three"], "held out")
    page = page_of(tmp_path, test=test)
    assert 'id="shared"' in page and "the same file" in page
    assert page.count('class="two"') == 4  # three pictures and one name
    assert "4 of 4 test samples are things that" in page


def test_a_refused_source_says_so_first(tmp_path: Path) -> None:
    same = ListSource("same", [Sample(f"{n}", (Text("the same"),)) for n in range(3)])
    page = check_page(check_source(same), tmp_path / "page.html").read_text("utf-8")
    assert page.index("There is nothing to learn from") < page.index('id="lessons"')
    assert '<li class="refused"' in page


def test_nothing_wrong_says_so(tmp_path: Path) -> None:
    fine = ListSource("fine", [Sample(f"{n}", (Text(f"text {n}"),)) for n in "abc"])
    found = check_source(fine)
    text = check_page(found, tmp_path / "page.html").read_text("utf-8")
    assert ("Nothing stands out" in text) == (not found.findings)


def test_a_histogram_marks_what_is_cut() -> None:
    lengths = spread_of([3, 4, 5, 77, 78, 90], whole=True)
    drawn = histogram("Tokens", lengths, str, limit=77, of_limit="cut at 77")
    assert "cut at 77" in drawn and "median" not in drawn.replace("Median", "")
    bins = zip(lengths.edges, lengths.counts, strict=False)
    assert drawn.count('class="over"') == sum(low > 77 and count > 0 for low, count in bins) > 0
    assert drawn.count("<rect") == sum(count > 0 for count in lengths.counts)
    inside = histogram("Tokens", lengths, str, limit=200, of_limit="cut")
    assert 'class="over"' not in inside and ">median<" in inside


def test_one_value_can_be_drawn() -> None:
    drawn = histogram("Size", spread_of([5.0, 5.0]), pixels)
    assert "<svg" not in drawn and "5\u202fpx, all 2." in drawn


def test_numbers_have_their_units() -> None:
    assert [one.replace("\u202f", " ") for one in (pixels(1024), seconds(0.46), seconds(75))] == [
        "1,024 px", "0.46 s", "1 min 15 s"
    ]  # fmt: skip
    assert [file_size(value).replace("\u202f", " ") for value in (0, 999, 1500, 2.5e6)] == [
        "0 B", "999 B", "1.5 kB", "2.5 MB"
    ]  # fmt: skip
