"""A decoded picture of any mode as RGB on white.

Modes: 1 and 16 bits, grey, palette, CMYK, each with or without transparency, which PNG may give
as a channel, as one clear colour, or as a list over the palette.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops


def compose(image: Image.Image, factor: int = 1) -> Image.Image:
    """One loaded picture of any mode as RGB on white, each side divided by ``factor``."""
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bit(image)
    if image.mode == "1":
        image = image.convert("L")
    has_clear_colour = "transparency" in image.info and image.mode in ("P", "L", "RGB")
    if has_clear_colour or image.mode in ("LA", "PA", "La"):
        image = image.convert("RGBA")
    if image.mode != "RGBA":
        rgb = image.convert("RGB")
        return rgb.reduce(factor) if factor > 1 else rgb
    if factor > 1:
        image = image.convert("RGBa").reduce(factor)  # premultiplied: clear pixels have no colour
    else:
        image = image.convert("RGBa")
    red, green, blue, alpha = image.split()
    rest = ImageChops.invert(alpha)
    return Image.merge("RGB", [ImageChops.add(channel, rest) for channel in (red, green, blue)])


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit grey, its transparent level as an alpha channel."""
    values = np.asarray(image)
    if values.dtype == np.float32:
        values = np.nan_to_num(values)
    grey = Image.fromarray((np.clip(values, 0, 65_535) / 257 + 0.5).astype(np.uint8))
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return grey
