"""What people have in their hands, as sample parts: paths, bytes, pictures, arrays of samples.

Shape legend: H, W picture height and width, T audio samples.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from interlingua.content import BytesContent, Content, FileContent
from interlingua.data.gate import audio_kind, describe
from interlingua.data.image_header import image_kind
from interlingua.errors import DataError, MediaError
from interlingua.sample import Audio, AudioUse, Image, Label, Part, Text

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

HEAD_BYTES = 65_536  # an SVG's first element may stand behind a long comment

Wave = npt.NDArray[Any]


def as_parts(argument: str, value: Any, audio_use: AudioUse = "sound") -> list[Part]:
    """The parts that one argument of ``Space.embed`` stands for.

    Args:
        argument: ``items``, ``texts``, ``images``, ``sounds`` or ``speech``.
        value: one thing, or a list or tuple of things.
        audio_use: what a sound counts as where the argument doesn't say.

    Raises:
        DataError: a thing of the wrong type.
        MediaError: see ``as_part``.
    """
    things = value if isinstance(value, (list, tuple)) and not is_wave(value) else [value]
    if argument == "texts":
        return [_as_text(thing) for thing in things]
    if argument == "images":
        return [as_image(thing) for thing in things]
    if argument in ("sounds", "speech"):
        use = "speech" if argument == "speech" else audio_use
        return [as_sound(thing, use) for thing in things]
    return [as_part(thing, audio_use) for thing in things]


def as_part(item: Any, audio_use: AudioUse = "sound") -> Part:
    """A part from anything: a ``str`` is text; a ``Path`` or bytes are what the bytes say.

    Args:
        item: what was given.
        audio_use: what a sound file counts as.

    Raises:
        MediaError: a file that is missing, empty, or neither picture nor sound.
        DataError: something that is none of all these.
    """
    if isinstance(item, (Text, Image, Audio, Label)):
        return item
    if isinstance(item, str):
        return Text(item)
    if is_wave(item):
        return as_sound(item, audio_use)
    if isinstance(item, (os.PathLike, bytes)) or _is_content(item):
        content = _content(item, "item")
        return _sniffed(content, audio_use)
    return as_image(item)


def as_image(item: Any) -> Image:
    """A picture from a path, bytes, a PIL image, uint8 pixels [H, W, 3] or [H, W], or a content.

    Raises:
        DataError: something else.
    """
    if isinstance(item, Image):
        return item
    if isinstance(item, (str, os.PathLike, bytes)) or _is_content(item):
        return Image(_content(item, "picture"))
    from PIL import Image as pillow

    if isinstance(item, np.ndarray):
        is_grey, is_rgb = item.ndim == 2, item.ndim == 3 and item.shape[2] in (3, 4)
        if item.dtype != np.uint8 or not (is_grey or is_rgb) or not item.size:
            raise DataError(
                f"A picture can't be made of an array {item.dtype} {list(item.shape)}.",
                next_step="Give uint8 pixels [H, W, 3] in 0..255.",
            )
        item = pillow.fromarray(item)
    if isinstance(item, pillow.Image):
        return Image(BytesContent(_png(item), "<picture>.png"))
    raise DataError(
        f"A picture can't be made of a {type(item).__name__}.",
        next_step="Give a path, bytes, a PIL image or uint8 pixels [H, W, 3].",
    )


def as_sound(item: Any, use: AudioUse = "sound") -> Audio:
    """A sound from a path, bytes, a content, or a pair (samples [T] in -1..1 or int16, rate).

    Raises:
        DataError: something else.
    """
    if isinstance(item, Audio):
        return item
    if isinstance(item, (str, os.PathLike, bytes)) or _is_content(item):
        return Audio(_content(item, "sound"), use=use)
    if is_wave(item):
        return Audio(BytesContent(_wav(*item), "<sound>.wav"), use=use)
    raise DataError(
        f"A sound can't be made of a {type(item).__name__}.",
        next_step="Give a path, bytes or a pair (samples [T], rate in Hz).",
    )


def is_wave(item: Any) -> bool:
    """Whether this is a pair of samples and rate."""
    return (
        isinstance(item, tuple)
        and len(item) == 2
        and isinstance(item[0], np.ndarray)
        and isinstance(item[1], (int, np.integer))
    )


def _as_text(item: Any) -> Text:
    if isinstance(item, Text):
        return item
    if isinstance(item, str):
        return Text(item)
    raise DataError(f"A text can't be a {type(item).__name__}.", next_step="Give a str.")


def _content(item: Any, name: str) -> Content:
    if isinstance(item, bytes):
        return BytesContent(item, f"<{name}>")
    if isinstance(item, (str, os.PathLike)):
        return FileContent(Path(item).expanduser())
    content: Content = item
    return content


def _is_content(item: Any) -> bool:
    return all(hasattr(item, name) for name in ("name", "suffix", "size", "read")) and not (
        isinstance(item, os.PathLike)
    )


def _sniffed(content: Content, audio_use: AudioUse) -> Part:
    head = _head(content)
    if image_kind(head) is not None:
        return Image(content)
    if audio_kind(head) is not None:
        return Audio(content, use=audio_use)
    raise MediaError(
        f"This is neither a picture nor a sound file: it is {describe(head)}."
        if head
        else "The file is empty.",
        reason="not_media" if head else "empty",
        where=content.name,
        next_step="Give a picture or a sound file; text is given as a str, not as a Path.",
    )


def _head(content: Content) -> bytes:
    if not isinstance(content, FileContent):
        return content.read()[:HEAD_BYTES]
    try:
        with content.path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise MediaError(
            "There is no such file." if missing else "The file can't be read.",
            reason="missing" if missing else "unreadable",
            where=content.name,
            next_step="Check the path and its permissions; text is given as a str.",
        ) from error


def _png(picture: Picture) -> bytes:
    from PIL import ImageOps

    picture = ImageOps.exif_transpose(picture)  # PNG would lose the camera's orientation
    if picture.mode not in ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA"):
        picture = picture.convert("RGBA" if picture.mode in ("PA", "La", "RGBa") else "RGB")
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _wav(wave: Wave, rate: int) -> bytes:
    """A float32 WAV file in memory, so that samples pass the same gate as files."""
    if wave.ndim != 1 or wave.dtype.kind not in "fi" or not 0 < int(rate) < 2**31:
        raise DataError(
            f"A sound can't be made of an array {wave.dtype} {list(wave.shape)} at {rate} Hz.",
            next_step="Give mono samples [T], floating point in -1..1 or int16.",
        )
    scale = 1.0 if wave.dtype.kind == "f" else float(np.iinfo(wave.dtype).max) + 1
    data = (wave.astype(np.float64) / scale).astype("<f4").tobytes()
    if len(data) > 2**31:
        raise DataError("The sound is longer than a WAV file can be.", next_step="Cut it.")
    form = struct.pack("<HHIIHH", 3, 1, int(rate), int(rate) * 4, 4, 32)  # 3 = IEEE float
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(form)) + form
    body += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body
