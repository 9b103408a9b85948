"""A giant PNG scaled down strip by strip, in memory that does not grow with the picture.

The compressed rows are inflated a strip at a time. A strip's rows are still *filtered* against the
row above, pixel by pixel, which only a C decoder does fast. So each strip is wrapped as a small
PNG of its own: the last row of the strip before, unfiltered, and then the filtered rows.
Pillow undoes the filters; only the scaled-down strip is kept.

Source: PNG (W3C, third edition), sections 7.2 (scanlines), 9.2 (filters), 11.2 (chunks).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image, PngImagePlugin

from interlingua.data.gate import decoding
from interlingua.data.image_mode import compose
from interlingua.errors import MediaError

_STRIP_BYTES = 8 << 20
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def shrink_png(data: bytes, where: str, near_size: int) -> Image.Image:
    """Scale down by a whole number while decoding.

    Args:
        data: a PNG with 8 bits per channel that is not interlaced.
        where: a name for messages.
        near_size: the shorter side stays at 2 * near_size or more.

    Returns:
        An RGB picture on white.

    Raises:
        MediaError: ``too_large`` for the kinds that can't be streamed, ``damaged``.
    """
    with decoding("picture", where):
        width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", data[16:29])
    if depth != 8 or interlace or colour not in _CHANNELS:
        raise MediaError(
            f"The picture has {width:,} x {height:,} pixels, and is of a kind (interlaced, "
            "or not 8 bits per channel) that can't be scaled down row by row.",
            reason="too_large",
            where=where,
            next_step="Scale it down, or save it as an ordinary 8-bit PNG.",
        )
    factor = max(1, min(width, height) // (2 * near_size))
    result = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    with decoding("picture", where):
        strips = _strips(data, width, height, colour, factor)
        for top, strip in strips:
            result.paste(compose(strip, factor), (0, top // factor))
    return result


def _strips(
    data: bytes, width: int, height: int, colour: int, factor: int
) -> Iterator[tuple[int, Image.Image]]:
    """Pairs of the first row's number and an unfiltered strip of whole multiples of ``factor``."""
    channels = _CHANNELS[colour]
    row_bytes = width * channels
    rows = max(1, _STRIP_BYTES // row_bytes // factor) * factor
    chunks = _Chunks(data)
    inflate = _Inflate(chunks)
    above = bytes(row_bytes)
    for top in range(0, height, rows):
        count = min(rows, height - top)
        filtered = inflate.take(count * (row_bytes + 1))
        decoded = _unfilter(above, filtered, width, count, channels)
        above = decoded[-row_bytes:]
        strip = Image.frombuffer(_MODES[colour], (width, count), decoded)
        if chunks.palette and colour == 3:
            strip.putpalette(chunks.palette)
        if chunks.transparency is not None:
            strip.info["transparency"] = _transparency(chunks.transparency, colour)
        yield top, strip


def _unfilter(above: bytes, filtered: bytes, width: int, count: int, channels: int) -> bytes:
    # The colour type only tells Pillow how many bytes a pixel has: 0, 4, 2 and 6 have 1 to 4.
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, count + 1, 8, colour, 0, 0, 0)
    body = zlib.compress(b"\x00" + above + filtered, 0)
    small = _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")
    return PngImagePlugin.PngImageFile(io.BytesIO(small)).tobytes()[len(above) :]


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _transparency(body: bytes, colour: int) -> bytes | int | tuple[int, ...]:
    if colour == 3:
        return body
    levels = struct.unpack(f">{len(body) // 2}H", body)
    return levels[0] if colour == 0 else levels


class _Chunks:
    """Walks over the chunks; gives the picture data, keeps palette and transparency."""

    def __init__(self, data: bytes):
        self.data = memoryview(data)
        self.at = len(_SIGNATURE)
        self.palette: bytes | None = None
        self.transparency: bytes | None = None

    def next_data(self) -> memoryview | None:
        """The body of the next IDAT chunk; None after the last."""
        while self.at + 12 <= len(self.data):
            (length,) = struct.unpack(">I", self.data[self.at : self.at + 4])
            name = bytes(self.data[self.at + 4 : self.at + 8])
            body = self.data[self.at + 8 : self.at + 8 + length]
            self.at += 12 + length
            if name == b"IDAT":
                return body
            if name == b"PLTE":
                self.palette = bytes(body)
            elif name == b"tRNS":
                self.transparency = bytes(body)
            elif name == b"IEND":
                return None
        return None


class _Inflate:
    """Exactly as many unpacked bytes as asked for, from as many chunks as it takes."""

    def __init__(self, chunks: _Chunks):
        self.chunks = chunks
        self.unpacker = zlib.decompressobj()
        self.waiting: bytes | memoryview = b""

    def take(self, count: int) -> bytes:
        result = bytearray()
        while len(result) < count:
            if not self.waiting:
                body = self.chunks.next_data()
                if body is None:
                    raise EOFError("the picture data ends early")
                self.waiting = body
            result += self.unpacker.decompress(self.waiting, count - len(result))
            self.waiting = self.unpacker.unconsumed_tail
            if self.unpacker.eof and len(result) < count:
                raise EOFError("the picture data ends early")
        return bytes(result)
