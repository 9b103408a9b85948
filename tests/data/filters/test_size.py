from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
from PIL import Image as Pillow

from interlingua.content import BytesContent, FileContent
from interlingua.data.filters.svg_aspect import svg_aspect
from interlingua.sample import Image, OneOf, Sample, Text


def svg(attributes: str) -> bytes:
    return f'<?xml version="1.0"?><!-- x --><svg xmlns="s" {attributes}><rect/></svg>'.encode()


def test_small_and_long_pictures_go(make_sample, make_png, run_filter, taken) -> None:
    samples = [
        make_sample("fine", "a", make_png(64, 64)),
        make_sample("low", "a", make_png(200, 63)),
        make_sample("long", "a", make_png(193, 64)),
        make_sample("just", "a", make_png(64, 192)),
        make_sample("words", "a"),
        make_sample("empty", "a", b""),
        make_sample("text", "a", b"hello"),
        make_sample("cut", "a", make_png(64, 64)[:20]),
    ]
    done = run_filter("size", samples, min_side=64)
    assert taken(done) == [
        ("low", "a", "short side", 63, True),
        ("long", "a", "aspect", 3.02, True),
        ("empty", "a", "size unknown", "empty", True),
        ("text", "a", "size unknown", "not_an_image", True),
        ("cut", "a", "size unknown", "damaged", True),
    ]
    assert [one.key for one in done.kept] == ["fine", "just", "words"]


def test_a_missing_file_has_no_size(run_filter, taken, tmp_path: Path) -> None:
    gone = Sample("gone", (Image(FileContent(tmp_path / "gone.png")),))
    assert taken(run_filter("size", [gone])) == [("gone", "", "size unknown", "missing", True)]


def test_only_the_head_of_a_file_is_read(run_filter, make_png, tmp_path: Path) -> None:
    # the picture ends after its header: a decoder would refuse it
    (tmp_path / "a.png").write_bytes(make_png(300, 300)[:40])
    sample = Sample("a", (Image(FileContent(tmp_path / "a.png")),))
    assert run_filter("size", [sample]).kept == [sample]


def test_a_jpeg_with_a_long_preface_is_measured(run_filter, taken) -> None:
    file = io.BytesIO()
    Pillow.new("RGB", (90, 50)).save(file, "JPEG")
    data = file.getvalue()
    preface = b"\xff\xe2\xff\xff" + b"\0" * 65_533
    long = data[:2] + preface * 3 + data[2:]
    sample = Sample("a", (Image(BytesContent(long)),))
    assert taken(run_filter("size", [sample])) == [("a", "", "short side", 50, True)]


def test_of_several_pictures_the_worst_counts(make_png, run_filter, taken) -> None:
    both = OneOf(tuple(Image(BytesContent(make_png(side, 64))) for side in (64, 32)))
    sample = Sample("a", (both, Text("a")))
    assert taken(run_filter("size", [sample], min_side=64)) == [("a", "a", "short side", 32, True)]


def test_a_drawing_has_an_aspect_alone(make_sample, run_filter, taken) -> None:
    samples = [
        make_sample("tiny", "a", svg('width="8" height="8"')),
        make_sample("long", "a", svg('viewBox="0 0 100 20"')),
        make_sample("packed", "a", gzip.compress(svg('width="1in" height="4in"'))),
    ]
    assert taken(run_filter("size", samples)) == [
        ("long", "a", "aspect", 5.0, True),
        ("packed", "a", "aspect", 4.0, True),
    ]


@pytest.mark.parametrize(
    ("attributes", "aspect"),
    [
        ('width="10" height="20"', 2.0),
        ('width="1in" height="48px"', 2.0),
        ('width="2.54cm" height="12.7mm"', 2.0),
        ('width="100%" height="100%" viewBox="0,0 30 10"', 3.0),
        ('width="100%"', 1.0),
        ('viewBox="0 0 a b"', 1.0),
        ('viewBox="0 0 5"', 1.0),
        ('width="0" height="0"', 1.0),
        ('width="-3" height="1.2.3" viewBox="0 0 8 2"', 4.0),
        ("", 1.0),
    ],
)
def test_what_a_drawing_declares(attributes: str, aspect: float) -> None:
    assert svg_aspect(svg(attributes)) == pytest.approx(aspect)


def test_a_damaged_drawing_has_no_aspect() -> None:
    assert svg_aspect(b"<svg") == svg_aspect(b"\x1f\x8bxx") == svg_aspect(b"") == 1.0
