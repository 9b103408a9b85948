"""Streaming a PNG down gives what decoding it whole and scaling it down gives."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from interlingua.data import png_stream
from interlingua.data.image_mode import compose
from interlingua.data.png_stream import shrink_png
from interlingua.errors import MediaError


def picture(mode: str) -> Image.Image:
    channels = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "P": 1}[mode]
    values = np.random.default_rng(0).integers(0, 256, (20, 30, channels), dtype=np.uint8)
    small = Image.fromarray(values.squeeze(), "L" if mode == "P" else mode)
    large = small.resize((307, 211), Image.Resampling.BICUBIC)  # smooth: every row filter is used
    if mode != "P":
        return large
    colours = large.convert("RGB").quantize(50)
    colours.info["transparency"] = bytes(range(0, 250, 5))
    return colours


@pytest.mark.parametrize("strip_bytes", [1, 3000, 1 << 20])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P"])
def test_equal_to_the_whole(mode: str, strip_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png_stream, "_STRIP_BYTES", strip_bytes)
    buffer = io.BytesIO()
    original = picture(mode)
    original.save(buffer, "PNG", **original.info)
    data = buffer.getvalue()
    whole = Image.open(io.BytesIO(data))
    whole.load()
    for near_size, factor in ((500, 1), (50, 2), (15, 7)):
        streamed = shrink_png(data, "made.png", near_size)
        expected = compose(whole.copy(), factor)
        assert streamed.size == expected.size
        assert np.array_equal(np.asarray(streamed), np.asarray(expected))


def test_one_clear_colour_is_kept() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (5, 6, 7)).save(buffer, "PNG", transparency=(5, 6, 7))
    assert shrink_png(buffer.getvalue(), "x", 8).getpixel((0, 0)) == (255, 255, 255)


def test_cut_off_data_is_damaged() -> None:
    buffer = io.BytesIO()
    picture("RGB").save(buffer, "PNG")
    for share in (0.3, 0.6, 0.95):
        with pytest.raises(MediaError) as caught:
            shrink_png(buffer.getvalue()[: int(len(buffer.getvalue()) * share)], "x", 20)
        assert caught.value.reason == "damaged"


def test_kinds_that_cannot_be_streamed_are_refused() -> None:
    buffer = io.BytesIO()
    Image.new("1", (64, 64)).save(buffer, "PNG")
    with pytest.raises(MediaError) as caught:
        shrink_png(buffer.getvalue(), "x", 8)
    assert caught.value.reason == "too_large"
