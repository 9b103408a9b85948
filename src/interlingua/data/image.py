"""Pictures: from bytes to an RGB picture on white, and from that to what a tower takes.

Transparency is laid on white, EXIF orientation applied, 16 bits scaled to 8, palettes and
CMYK converted; of a moving picture the first frame counts. Colour profiles are ignored, as
the pretrained towers' own preprocessing does.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageChops,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)
from torch import Tensor

from interlingua.content import Content
from interlingua.data.gate import ImageLimits, decoding, read_bytes, require_image
from interlingua.data.image_header import ImageKind, declared_size
from interlingua.data.image_mode import compose
from interlingua.data.png_stream import shrink_png
from interlingua.data.resize import resized_part
from interlingua.data.svg import render_svg
from interlingua.errors import MediaError
from interlingua.towers.tower import ImagePreprocess

DEFAULT_LIMITS = ImageLimits()

# The readers are named, so that no other of Pillow's many formats can be reached, and its
# process-wide size check, which only warns, plays no part.
_READERS: dict[ImageKind, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "png": PngImagePlugin.PngImageFile,
    "jpeg": JpegImagePlugin.JpegImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
}
_STRIP_PIXELS = 1 << 20  # large pictures are composed in strips of about this many pixels
_TRIM_TOLERANCE = 8  # of 255: what JPEG noise does to a plain border


def open_image(
    content: Content, limits: ImageLimits = DEFAULT_LIMITS, near_size: int | None = None
) -> Image.Image:
    """Decode a picture.

    Args:
        content: where its bytes are; the file ending is not believed.
        limits: what is refused, before anything is allocated.
        near_size: the side in pixels that the picture will be resized to later. A larger one is
            then scaled down by whole numbers while it is decoded, its shorter side
            staying at 2 * near_size or more. None: full size.

    Returns:
        An RGB picture on white, upright.

    Raises:
        MediaError: ``missing``, ``unreadable``, ``empty``, ``too_large``, ``not_an_image``,
            ``damaged``.
        MissingExtraError: an SVG without resvg-py.
    """
    where = content.name
    data = read_bytes(content, limits.max_bytes)
    kind = require_image(data, where)
    if kind == "svg":
        # Drawn, not resampled, so half as much again as the target is sharp enough: 35 a second
        # a core instead of 22 at twice the size.
        return render_svg(data, where, limits, None if near_size is None else near_size * 3 // 2)
    size = declared_size(data, kind)
    if size is None or 0 in size:
        raise MediaError(
            "The picture is damaged: its header gives no size.",
            reason="damaged",
            where=where,
            next_step="Fetch or export it again, or leave it out.",
        )
    if kind == "png" and limits.max_pixels < size[0] * size[1] <= limits.stream_pixels:
        return shrink_png(data, where, near_size or 512)
    check_size(size, limits, where)
    return _decode(data, kind, where, limits, near_size)


def check_size(size: tuple[int, int], limits: ImageLimits, where: str) -> None:
    """Refuse a size that is beyond the limits.

    Raises:
        MediaError: ``too_large``.
    """
    width, height = size
    if width * height > limits.max_pixels or max(size) > limits.max_side:
        raise MediaError(
            f"The picture has {width:,} x {height:,} pixels; the limit is "
            f"{limits.max_pixels:,} in all and {limits.max_side:,} a side.",
            reason="too_large",
            where=where,
            next_step="Scale it down, or raise max_pixels in the limits.",
        )


def _decode(
    data: bytes, kind: ImageKind, where: str, limits: ImageLimits, near_size: int | None
) -> Image.Image:
    with decoding("picture", where):
        image = _READERS[kind](io.BytesIO(data))
    check_size(image.size, limits, where)  # a GIF's first frame may be larger than its screen
    with decoding("picture", where):
        if near_size is not None:
            image.draft(None, (2 * near_size, 2 * near_size))  # JPEG: fewer coefficients
        image.load()
        upright = _upright(image)
        return _on_white(upright, _reduction(upright.size, near_size))


def _upright(image: Image.Image) -> Image.Image:
    """EXIF orientation applied; damaged EXIF counts as none."""
    try:
        orientation = image.getexif().get(0x0112, 1)
    except Exception:  # the pixels are whole, so a broken note about them is no reason to refuse
        return image
    method = _ORIENTATIONS.get(orientation)
    if method is None:
        return image
    turned = image.transpose(method)
    turned.info.update(image.info)  # a transparent colour stays one
    return turned


_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _reduction(size: tuple[int, int], near_size: int | None) -> int:
    return 1 if near_size is None else max(1, min(size) // (2 * near_size))


def _on_white(image: Image.Image, factor: int) -> Image.Image:
    """RGB on white, scaled down by a whole number, in strips so that no second copy exists."""
    width, height = image.size
    if width * height <= 2 * _STRIP_PIXELS:
        return compose(image, factor)
    rows = max(factor, _STRIP_PIXELS // width // factor * factor)
    result = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(height, top + rows)))
        strip.info = image.info
        result.paste(compose(strip, factor), (0, top // factor))
    return result


def to_pixels(image: Image.Image, preprocess: ImagePreprocess) -> Tensor:
    """Trim, cut or pad, and resize with antialiasing.

    Args:
        image: RGB.
        preprocess: the tower's.

    Returns:
        [3, size, size] uint8, a view of channels-last memory.
    """
    if preprocess.trim:
        image = trimmed(image)
    resize = {"crop": _crop, "pad": _pad, "squash": _squash}[preprocess.fit]
    return resize(image, preprocess)


def decode_pixels(
    content: Content, preprocess: ImagePreprocess, limits: ImageLimits = DEFAULT_LIMITS
) -> Tensor:
    """``to_pixels`` of ``open_image``, decoded no larger than needed: [3, size, size] uint8.

    Raises:
        MediaError: as ``open_image``.
    """
    # What is left after trimming may be a small part of the picture.
    near_size = 2 * preprocess.size if preprocess.trim else preprocess.size
    return to_pixels(open_image(content, limits, near_size), preprocess)


def trimmed(image: Image.Image) -> Image.Image:
    """Without a border of one plain colour, if all four corners have it; else as it was."""
    width, height = image.size
    corners = [image.getpixel((x, y)) for x in {0, width - 1} for y in {0, height - 1}]
    spread = np.ptp(np.asarray(corners, dtype=np.int16), axis=0).max()
    if spread > _TRIM_TOLERANCE:
        return image
    plain = Image.new(image.mode, image.size, corners[0])
    red, green, blue = ImageChops.difference(image, plain).split()
    largest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    box = largest.point([0] * (_TRIM_TOLERANCE + 1) + [255] * (255 - _TRIM_TOLERANCE)).getbbox()
    return image if box is None else image.crop(box)


def _crop(image: Image.Image, preprocess: ImagePreprocess) -> Tensor:
    """The centre square once the shorter side has ``size / crop_fraction`` pixels.

    On whole pixels, as torchvision's ``Resize`` and ``CenterCrop`` do it: half a pixel off changes
    line art.
    """
    size, shorter = preprocess.size, min(image.size)
    inner = round(size / preprocess.crop_fraction)
    width, height = (inner * side // shorter for side in image.size)
    start = round((width - size) / 2), round((height - size) / 2)
    return resized_part(image, (width, height), start, (size, size), preprocess.interpolation)


def _squash(image: Image.Image, preprocess: ImagePreprocess) -> Tensor:
    """Made square whatever its shape, then the centre of it, on whole pixels."""
    size = preprocess.size
    whole = round(size / preprocess.crop_fraction)
    start = (whole - size) // 2
    return resized_part(
        image, (whole, whole), (start, start), (size, size), preprocess.interpolation
    )


def _pad(image: Image.Image, preprocess: ImagePreprocess) -> Tensor:
    """All of it, with the background's colour on both sides of the shorter one."""
    size = preprocess.size
    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    inner = resized_part(image, (width, height), (0, 0), (width, height), preprocess.interpolation)
    result = torch.tensor(preprocess.background, dtype=torch.uint8).repeat(size, size, 1)
    pixels = result.permute(2, 0, 1)
    left, top = (size - width) // 2, (size - height) // 2
    pixels[:, top : top + height, left : left + width] = inner
    return pixels
