"""What a picture's first bytes say: its kind and its size, without any decoder.

Decoders allocate as soon as they open some files (WebP keeps two whole canvases),
so the declared size is read here first. Sources: PNG (W3C, 11.2.2), JPEG (ITU T.81,
B.2.2), GIF89a (18), BMP (BITMAPINFOHEADER), WebP (RFC 9649, 2.5-2.7).
"""

from __future__ import annotations

import re
import zlib
from typing import Literal

ImageKind = Literal["png", "jpeg", "webp", "gif", "bmp", "svg"]


def image_kind(data: bytes) -> ImageKind | None:
    """What kind of picture the bytes are; None = none that is read."""
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if data[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if data[:2] == b"BM" and len(data) > 18 and data[14:18] in _BMP_HEADERS:
        return "bmp"
    return "svg" if _looks_like_svg(data) else None


def declared_size(data: bytes, kind: ImageKind) -> tuple[int, int] | None:
    """Width and height in pixels that the header declares; None where it is cut off.

    A drawing (SVG) has no size in pixels and must not be asked for one.
    """
    if kind == "png":
        return _pair(data, 16, 4, "big") if data[12:16] == b"IHDR" else None
    if kind == "gif":
        return _pair(data, 6, 2, "little")
    if kind == "bmp":
        return _bmp_size(data)
    if kind == "webp":
        return _webp_size(data)
    if kind == "jpeg":
        return _jpeg_size(data)
    raise ValueError(f"a {kind} file declares no size in pixels")


# OS/2 1.x, Windows 3, 4, 5 and the two in between, by the size of their own header.
_BMP_HEADERS = tuple(size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124))


def _pair(
    data: bytes, at: int, width: int, order: Literal["big", "little"]
) -> tuple[int, int] | None:
    if len(data) < at + 2 * width:
        return None
    first = int.from_bytes(data[at : at + width], order)
    return first, int.from_bytes(data[at + width : at + 2 * width], order)


def _bmp_size(data: bytes) -> tuple[int, int] | None:
    if data[14:18] == _BMP_HEADERS[0]:
        return _pair(data, 18, 2, "little")
    size = _pair(data, 18, 4, "little")
    if size is None:
        return None
    width, height = size
    return width, (2**32 - height if height >= 2**31 else height)  # negative: top row first


def _webp_size(data: bytes) -> tuple[int, int] | None:
    chunk = data[12:16]
    if len(data) < 30:
        return None
    if chunk == b"VP8X":
        width = int.from_bytes(data[24:27], "little")
        return width + 1, int.from_bytes(data[27:30], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        size = _pair(data, 26, 2, "little")
        return None if size is None else (size[0] & 0x3FFF, size[1] & 0x3FFF)
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """The largest frame declared before the first scan."""
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            size = _pair(data, at + 5, 2, "big")
            return None if size is None else (size[1], size[0])
        elif marker in (0x01, *range(0xD0, 0xD8)):  # no length follows
            at += 2
        elif marker in (0xD8, 0xD9, 0xDA):
            return None
        else:
            at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None


def _looks_like_svg(data: bytes) -> bool:
    """Whether the first element is ``svg``, behind any declaration, comment and document type."""
    if data[:2] == b"\x1f\x8b":
        try:
            data = zlib.decompressobj(wbits=31).decompress(data[:_HEAD_BYTES], _HEAD_BYTES)
        except zlib.error:
            return False
    text = data[:_HEAD_BYTES]
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = text.decode("utf-16", "replace").encode("utf-8", "replace")
    text = text.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    while text.startswith((b"<?", b"<!")):
        end = b"?>" if text.startswith(b"<?") else b"-->" if text.startswith(b"<!--") else b">"
        if end == b">" and b"[" in text[: text.find(b">")]:
            end = b"]"  # an internal subset has elements of its own
        at = text.find(end)
        if at < 0:
            return b"<!doctype svg" in text
        text = text[at + len(end) :].lstrip(b" \t\r\n>")
    return _SVG_TAG.match(text) is not None


_HEAD_BYTES = 65_536
_SVG_TAG = re.compile(rb"<([\w.-]+:)?svg[\s>/]")
