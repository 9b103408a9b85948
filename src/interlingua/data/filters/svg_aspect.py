"""The aspect that a drawing declares, from its first element alone.

Source: SVG 2, section 8.2 (``viewBox``) and 8.6 (``width`` and ``height`` in units of CSS).
"""

from __future__ import annotations

import re
import zlib
from contextlib import suppress
from xml.parsers import expat

_HEAD_BYTES = 65_536
_LENGTH = re.compile(r"\s*([\d.]+(?:e[+-]?\d+)?)\s*(px|pt|pc|mm|cm|in|q)?\s*$", re.IGNORECASE)
_PIXELS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4}
_PIXELS |= {"cm": 96 / 2.54, "in": 96.0, "q": 96 / 101.6}


class _Found(Exception):
    """The first element, with its attributes."""


def svg_aspect(head: bytes) -> float:
    """The longer side over the shorter one; 1 where the drawing doesn't say.

    Args:
        head: the first bytes of an SVG, or of one packed with gzip.
    """
    if head[:2] == b"\x1f\x8b":
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, _HEAD_BYTES)
        except zlib.error:
            return 1.0
    attributes: dict[str, str] = {}

    def start(_name: str, found: dict[str, str]) -> None:
        attributes.update(found)
        raise _Found

    parser = expat.ParserCreate()
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.StartElementHandler = start
    with suppress(_Found, expat.ExpatError, ValueError):
        parser.Parse(head, False)
    sides = _sides(attributes)
    return max(sides) / min(sides) if min(sides) > 0 else 1.0


def _sides(attributes: dict[str, str]) -> tuple[float, float]:
    """Width and height, of the view box where they are lacking or relative."""
    width, height = (_length(attributes.get(name, "")) for name in ("width", "height"))
    if width and height:
        return width, height
    try:
        box = [float(number) for number in re.split(r"[\s,]+", attributes["viewBox"].strip())]
        return box[2], box[3]
    except (KeyError, ValueError, IndexError):
        return 0.0, 0.0


def _length(text: str) -> float:
    match = _LENGTH.match(text)
    try:
        return float(match[1]) * _PIXELS[(match[2] or "").lower()] if match else 0.0
    except ValueError:
        return 0.0
