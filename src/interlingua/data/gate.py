"""The one gate for media: how much is read and decoded, settled before anything is allocated.

Every picture, sound and text goes through here. The order of the checks is the
point: the number of bytes, then what kind of file the bytes are, then the size
that their header declares, then what is really decoded. A file ending is never
believed. Messages have fixed texts: what a decoder says is not repeated.

Source: the advisories listed for vLLM CVE-2026-100650 (limits applied too late)
and CVE-2026-22778 (a decoder's error text gave an address away).
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from interlingua.config import Config
from interlingua.content import Content
from interlingua.data.image_header import ImageKind, image_kind
from interlingua.errors import InterlinguaError, MediaError

MEBIBYTE = 2**20
AudioKind = Literal["wav", "flac", "ogg", "mp3", "aiff", "au"]


class ImageLimits(Config):
    """How large a picture may be.

    Attributes:
        max_bytes: of the file.
        max_pixels: declared by the header, of what is decoded in one piece.
        max_side: in pixels.
        stream_pixels: a larger PNG up to this many pixels is scaled down row by row in little
            memory instead of being refused; 0 = refuse. About a second per 70 megapixels.
        max_svg_bytes, max_svg_elements: of a drawing, once unpacked and with every
            ``use`` element followed.
        max_svg_pixels: of the canvas that a drawing is rendered on.
    """

    max_bytes: PositiveInt = 64 * MEBIBYTE
    max_pixels: PositiveInt = 40_000_000
    max_side: PositiveInt = 16_384
    stream_pixels: int = Field(default=0, ge=0)
    max_svg_bytes: PositiveInt = 16 * MEBIBYTE
    max_svg_elements: PositiveInt = 200_000
    max_svg_pixels: PositiveInt = 4_000_000


class AudioLimits(Config):
    """How long and how large a sound may be.

    Attributes:
        max_bytes: of the file.
        max_seconds: counted while decoding; a header is not believed.
        max_channels: of the file; they are averaged to one.
        min_rate, max_rate: sampling rate in Hz.
        max_peak: of a floating-point file, where 1.0 is full scale.
    """

    max_bytes: PositiveInt = 64 * MEBIBYTE
    max_seconds: PositiveFloat = 600.0
    max_channels: PositiveInt = 8
    min_rate: PositiveInt = 1_000
    max_rate: PositiveInt = 384_000
    max_peak: PositiveFloat = 64.0


class TextLimits(Config):
    """How long a text may be."""

    max_characters: PositiveInt = 1_000_000


class MediaLimits(Config):
    """The limits of every kind together."""

    image: ImageLimits = ImageLimits()
    audio: AudioLimits = AudioLimits()
    text: TextLimits = TextLimits()


def read_bytes(content: Content, max_bytes: int) -> bytes:
    """All bytes of a picture or a sound, if they are few enough.

    Raises:
        MediaError: ``missing``, ``unreadable``, ``empty`` or ``too_large``.
    """
    with reading(content):
        size = content.size()
    if size == 0:  # also what devices and pipes say, which would be endless
        raise MediaError(
            "The file is empty.",
            reason="empty",
            where=content.name,
            next_step="Fetch or export it again, or leave it out.",
        )
    check_bytes(size, max_bytes, content.name)
    with reading(content):
        data = content.read()
    check_bytes(len(data), max_bytes, content.name)
    return data


def check_bytes(size: int, max_bytes: int, where: str) -> None:
    """Refuse more than ``max_bytes``.

    Raises:
        MediaError: ``too_large``.
    """
    if size > max_bytes:
        raise MediaError(
            f"The file has {size:,} bytes; the limit is {max_bytes:,}.",
            reason="too_large",
            where=where,
            next_step="Make it smaller, or raise max_bytes in the limits.",
        )


@contextmanager
def reading(content: Content) -> Iterator[None]:
    """Turns whatever goes wrong while bytes are fetched into a ``MediaError``."""
    try:
        yield
    except InterlinguaError:
        raise
    except (OSError, KeyError, ValueError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        missing = isinstance(error, (FileNotFoundError, KeyError))
        raise MediaError(
            "The file is missing." if missing else "The file can't be read.",
            reason="missing" if missing else "unreadable",
            where=content.name,
            next_step="Check the path and its permissions; fetch it again.",
        ) from error
    except (RuntimeError, NotImplementedError) as error:  # zipfile: a password, another packing
        raise MediaError(
            "The archive's member can't be unpacked.",
            reason="unreadable",
            where=content.name,
            next_step="Pack it again without a password, as an ordinary zip.",
        ) from error


@contextmanager
def decoding(what: str, where: str) -> Iterator[None]:
    """Turns whatever a decoder raises into a ``MediaError`` with a fixed text.

    Only the decoder's own call belongs inside: decoders raise anything at all on
    damaged files (IndexError, SyntaxError, struct.error; resvg's panics are not
    even an ``Exception``), so no list of types is complete. Running out of memory
    and being interrupted pass.

    Raises:
        MediaError: ``damaged``.
    """
    try:
        yield
    except (InterlinguaError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise MediaError(
            f"The {what} is damaged or incomplete.",
            reason="damaged",
            where=where,
            next_step="Try it in another program; save it again or leave it out.",
        ) from error


def audio_kind(head: bytes) -> AudioKind | None:
    """What kind of sound file these first bytes are; None = none that is read."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        return "ogg"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if head[:4] == b".snd":
        return "au"
    if head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2):
        return "mp3"
    return None


def require_image(data: bytes, where: str) -> ImageKind:
    """The kind of picture that the bytes are.

    Raises:
        MediaError: ``not_an_image``, for HTML with the ending .png for instance.
    """
    kind = image_kind(data)
    if kind is None:
        raise MediaError(
            f"This is not a picture: it is {describe(data)}.",
            reason="not_an_image",
            where=where,
            next_step="Pictures are read as PNG, JPEG, WebP, GIF, BMP and SVG.",
        )
    return kind


def require_audio(data: bytes, where: str) -> AudioKind:
    """The kind of sound file that the bytes are.

    Raises:
        MediaError: ``not_a_sound``.
    """
    kind = audio_kind(data)
    if kind is None:
        raise MediaError(
            f"This is not a sound file: it is {describe(data)}.",
            reason="not_a_sound",
            where=where,
            next_step="Sounds are read as WAV, FLAC, Ogg (Vorbis, Opus), MP3, AIFF and AU.",
        )
    return kind


def describe(data: bytes) -> str:
    """A few words for bytes of the wrong kind, never a part of them."""
    if image_kind(data) is not None:
        return "a picture"
    if audio_kind(data) is not None:
        return "a sound file"
    head = data[:512].lstrip().lower()
    for start, name in _OTHERS:
        if head.startswith(start):
            return name
    if data[4:8] == b"ftyp":
        return "a video or an HEIC/AVIF picture"
    try:
        data[:512].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < 500:  # not merely a character cut in two at the end
            return "of an unknown kind"
    return "text"


_OTHERS = (
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<?xml", "an XML file"),
    (b"%pdf", "a PDF"),
    (b"pk\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"ii*\x00", "a TIFF picture"),
    (b"mm\x00*", "a TIFF picture"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
)
