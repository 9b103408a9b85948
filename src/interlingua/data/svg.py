"""Drawings (SVG) as pixels: cleaned first, then rendered by resvg on a canvas of a chosen size.

A drawing is a program. Left as it comes it may read local files (``<image href="/…">``),
multiply itself (``use`` of ``use``, entities of entities), or hold a picture that unpacks to
gigabytes. So it is parsed here, counted with every reference followed, and written out again
without what could harm: document types, scripts, references to anything outside, filters whose
cost has no bound. System fonts are not used, so that a drawing looks alike everywhere; letters
that are not drawn as outlines are therefore missing.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import zlib
from dataclasses import dataclass, field
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from PIL import Image, PngImagePlugin

from interlingua.data.gate import ImageLimits, check_bytes, decoding
from interlingua.data.image_header import declared_size, image_kind
from interlingua.errors import MediaError, MissingExtraError

DEFAULT_SIDE = 1024


def render_svg(
    data: bytes, where: str, limits: ImageLimits, side: int | None = None
) -> Image.Image:
    """Draw on white.

    Args:
        data: SVG, or SVG packed with gzip.
        where: a name for messages.
        limits: see ``ImageLimits``.
        side: of the longer side of the result, in pixels; the aspect is kept.

    Returns:
        An RGB picture.

    Raises:
        MediaError: ``damaged`` or ``too_large``.
        MissingExtraError: resvg-py is not installed.
    """
    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        raise MissingExtraError("resvg-py", "svg", "Drawing an SVG picture") from error
    side = min(side or DEFAULT_SIDE, int(limits.max_svg_pixels**0.5))
    clean = clean_svg(data, where, limits)
    with decoding("drawing", where):
        drawn = svg_to_bytes(
            svg_string=clean,
            width=side,  # both given: the drawing is fitted into the square, not stretched
            height=side,
            background="#ffffff",
            dpi=96,  # CSS, section 5.2; at resvg's 0 every size in mm would be nothing
            skip_system_fonts=True,
        )
        return PngImagePlugin.PngImageFile(io.BytesIO(drawn)).convert("RGB")


def clean_svg(data: bytes, where: str, limits: ImageLimits) -> str:
    """The same drawing without anything that could harm.

    Raises:
        MediaError: ``damaged`` or ``too_large``.
    """
    if data[:2] == b"\x1f\x8b":
        data = _unpack(data, where, limits.max_svg_bytes)
    check_bytes(len(data), limits.max_svg_bytes, where)
    cleaner = _Cleaner(where, limits)
    with decoding("drawing", where):
        cleaner.parse(data)
    cleaner.check_references()
    return "".join(cleaner.out)


def _unpack(data: bytes, where: str, max_bytes: int) -> bytes:
    with decoding("drawing", where):
        unpacked = zlib.decompressobj(wbits=31).decompress(data, max_bytes + 1)
    check_bytes(len(unpacked), max_bytes, where)
    return unpacked


def _too_large(what: str, where: str) -> MediaError:
    return MediaError(
        f"The drawing {what}.",
        reason="too_large",
        where=where,
        next_step="Simplify it, save it as a PNG, or raise the svg limits.",
    )


@dataclass(slots=True)
class _Node:
    """An element, as far as its cost matters."""

    name: str
    repeat: int  # how often a marker on it is drawn
    references: list[str]
    children: list[_Node] = field(default_factory=list)
    cost: tuple[int, int] | None = None  # elements and depth with references followed


class _Cleaner:
    """Parses with expat and writes clean markup while it counts."""

    def __init__(self, where: str, limits: ImageLimits):
        self.where = where
        self.limits = limits
        self.out: list[str] = []
        self.stack: list[_Node] = []
        self.root: _Node | None = None
        self.by_id: dict[str, _Node] = {}
        self.elements = 0
        self.characters = 0
        self.pixels = 0
        self.dropping = 0

    def parse(self, data: bytes) -> None:
        parser = expat.ParserCreate()
        parser.ordered_attributes = False
        parser.buffer_text = True
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.EntityDeclHandler = self._entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.Parse(data, True)

    def _entity(self, name: str, _is_parameter: bool, value: str | None, *_rest: object) -> None:
        # Drawing programs declare namespaces as entities; nothing else needs them.
        if value is not None and ("&" in value or "%" in value or len(value) > 256):
            raise _too_large("declares entities that could multiply", self.where)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        if self.dropping or local in _DROPPED:
            self.dropping += 1
            return
        self.elements += 1
        self._count(sum(map(len, attributes.values())))
        if self.elements > self.limits.max_svg_elements:
            raise _too_large(f"has over {self.limits.max_svg_elements:,} elements", self.where)
        if len(self.stack) >= _MAX_DEPTH:
            raise _too_large(f"is nested over {_MAX_DEPTH} deep", self.where)
        kept = {
            key: value
            for key, value in attributes.items()
            if key.rpartition(":")[2] != "href" or self._is_allowed(local, value)
        }
        self._remember(local, kept)
        written = "".join(f" {key}={quoteattr(value)}" for key, value in kept.items())
        self.out.append(f"<{name}{written}>")

    def _remember(self, local: str, attributes: dict[str, str]) -> None:
        references = [match for value in attributes.values() for match in _URL.findall(value)]
        references += [
            value.strip()[1:]
            for key, value in attributes.items()
            if key.rpartition(":")[2] == "href" and value.strip().startswith("#")
        ]
        has_marker = any("marker" in key or "marker" in value for key, value in attributes.items())
        path = attributes.get("d") or attributes.get("points") or ""
        node = _Node(local, 1 + len(path) // 4 if has_marker else 1, references)
        if self.stack:
            self.stack[-1].children.append(node)
        else:
            self.root = node
        self.stack.append(node)
        if "id" in attributes:
            self.by_id.setdefault(attributes["id"], node)

    def _is_allowed(self, local: str, value: str) -> bool:
        value = value.strip()
        if value.startswith("#"):
            return True
        if local != "image" or not value.startswith("data:"):
            return False
        head, _, body = value.partition(",")
        if not head.endswith(";base64"):
            return False
        try:
            picture = base64.b64decode("".join(body.split()), validate=False)
        except (binascii.Error, ValueError):
            return False
        kind = image_kind(picture)
        if kind not in ("png", "jpeg", "gif", "webp"):
            return False
        width, height = declared_size(picture, kind) or (0, 0)
        self.pixels += width * height
        if self.pixels > self.limits.max_pixels:
            raise _too_large(
                f"holds pictures of over {self.limits.max_pixels:,} pixels", self.where
            )
        return width > 0 and height > 0

    def _end(self, name: str) -> None:
        if self.dropping:
            self.dropping -= 1
            return
        self.stack.pop()
        self.out.append(f"</{name}>")

    def _text(self, text: str) -> None:
        if not self.dropping:
            self._count(len(text))
            self.out.append(escape(text))

    def _count(self, characters: int) -> None:
        # Expat follows entities, so what comes out may be more than what went in.
        self.characters += characters
        if self.characters > 2 * self.limits.max_svg_bytes:
            raise _too_large("unpacks to too much text", self.where)

    def check_references(self) -> None:
        """Refuse a drawing that becomes huge or endlessly deep once references are followed."""
        if self.root is None:
            return
        try:
            elements, depth = self._cost(self.root, frozenset())
        except RecursionError:
            elements, depth = 0, _MAX_DEPTH + 1
        if elements > self.limits.max_svg_elements or depth > _MAX_DEPTH:
            raise _too_large("multiplies itself by its references", self.where)

    def _cost(self, node: _Node, above: frozenset[int]) -> tuple[int, int]:
        if node.cost is not None:
            return node.cost
        elements, depth = 1, 1
        inside = above | {id(node)} if node.references or node.children else above
        for child in node.children:
            count, level = self._cost(child, inside)
            elements, depth = elements + count, max(depth, level + 1)
        for name in node.references:
            target = self.by_id.get(name)
            if target is None or id(target) in inside or "Gradient" in target.name:
                continue  # resvg itself drops a reference to what it stands in
            count, level = self._cost(target, inside)
            elements, depth = elements + count * node.repeat, max(depth, level + 1)
        node.cost = (elements, depth)
        return node.cost


_MAX_DEPTH = 100
_URL = re.compile(r"url\(\s*['\"]?#([^'\")]+)")
# Scripts and animations are never run; metadata is not drawn; of the filters these
# cost (radius, octaves, kernel) times the canvas, without a bound.
_DROPPED = frozenset(
    {"script", "foreignObject", "metadata", "namedview"}
    | {"animate", "animateTransform", "animateMotion", "set"}
    | {"feImage", "feMorphology", "feTurbulence", "feConvolveMatrix"}
)
