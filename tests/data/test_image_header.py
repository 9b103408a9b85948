"""Kind and size from the first bytes agree with what Pillow finds after opening."""

from __future__ import annotations

import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from interlingua.data.image_header import declared_size, image_kind

SIZES = [(1, 1), (3, 500), (640, 479)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("png", {}),
        ("jpeg", {}),
        ("jpeg", {"progressive": True, "comment": b"x" * 5000}),
        ("gif", {}),
        ("bmp", {}),
        ("webp", {}),
        ("webp", {"lossless": True}),
        ("webp", {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}),  # the extended header
    ],
)
def test_declared_size(kind: str, options: dict[str, object], size: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, kind.upper(), **options)
    data = buffer.getvalue()
    found = image_kind(data)
    assert found == kind
    assert declared_size(data, found) == size
    for cut in (*range(3, 40), 100):  # a header that is cut off gives no wrong answer
        if cut < len(data) and (short := image_kind(data[:cut])) is not None:
            assert declared_size(data[:cut], short) in (None, size)


def test_top_down_bitmap() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (7, 5)).save(buffer, "BMP")
    data = bytearray(buffer.getvalue())
    data[22:26] = (2**32 - 5).to_bytes(4, "little")
    assert declared_size(bytes(data), "bmp") == (7, 5)


@pytest.mark.parametrize(
    "text",
    [
        '<svg xmlns="http://www.w3.org/2000/svg"/>',
        '\ufeff<?xml version="1.0"?>\n<!-- <html> -->\n<svg:svg xmlns:svg="x"/>',
        '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "svg11.dtd" [\n'
        '<!ENTITY ns "http://x">\n]>\n<svg/>',
        "<!-- " + "long " * 5000 + "--><svg>",
    ],
)
def test_drawings_are_known(text: str) -> None:
    assert image_kind(text.encode()) == "svg"
    assert image_kind(gzip.compress(text.encode())) == "svg"
    assert image_kind(text.encode("utf-16")) == "svg"


@pytest.mark.parametrize(
    "data",
    [
        b"<html><svg/></html>",
        b"<!-- x --><html><svg/></html>",
        b'<?xml version="1.0"?><rss><svg/></rss>',
        gzip.compress(b"a tarball"),
        b"\x1f\x8b but not gzip",
        b"<!-- never closed <svg>",
        b"",
    ],
)
def test_what_is_no_picture(data: bytes) -> None:
    assert image_kind(data) is None


@given(
    st.binary(max_size=64),
    st.sampled_from([b"\xff\xd8\xff", b"BM", b"RIFF\0\0\0\0WEBP", b"GIF89a"]),
)
def test_no_bytes_break_the_header_reader(tail: bytes, start: bytes) -> None:
    kind = image_kind(start + tail)
    if kind is not None and kind != "svg":
        size = declared_size(start + tail, kind)
        assert size is None or min(size) >= 0
