from __future__ import annotations

import base64
import io
import wave

import numpy as np
import pytest
from PIL import Image

from interlingua.report.data import View
from interlingua.report.media import (
    LONGEST_SECONDS,
    THUMBNAIL_SIDE,
    MediaStore,
    clip,
    thumbnail,
    waveform,
)


def payload(address: str) -> bytes:
    return base64.b64decode(address.partition(",")[2])


def test_a_thumbnail_is_small_and_keeps_shape_and_colour() -> None:
    pixels = np.zeros((300, 600, 3), np.uint8)
    pixels[:, :300] = (200, 30, 30)
    address = thumbnail(pixels)
    image = Image.open(io.BytesIO(payload(address))).convert("RGB")
    assert address.startswith("data:image/webp;base64,")
    assert image.size == (THUMBNAIL_SIDE, THUMBNAIL_SIDE // 2)
    assert np.allclose(image.getpixel((20, 40)), (200, 30, 30), atol=12)
    assert np.allclose(image.getpixel((150, 40)), 0, atol=12)


def test_a_small_picture_is_not_blown_up() -> None:
    image = Image.open(io.BytesIO(payload(thumbnail(np.zeros((8, 5, 3), np.uint8)))))
    assert image.size == (5, 8)


def test_a_long_sound_is_cut_with_a_fade() -> None:
    soundfile = pytest.importorskip("soundfile")
    time = np.arange(16000 * 10) / 16000
    address = clip(np.sin(time * 2 * np.pi * 440).astype(np.float32) * 0.5, 16000)
    samples, rate = soundfile.read(io.BytesIO(payload(address)))
    assert address.startswith("data:audio/mpeg;base64,")
    assert rate == 16000
    assert len(samples) / rate == pytest.approx(LONGEST_SECONDS, abs=0.2)
    assert np.abs(samples[16000:32000]).max() == pytest.approx(0.5, abs=0.1)
    assert len(payload(address)) < 40_000


def test_a_rate_that_mp3_lacks_becomes_wav() -> None:
    address = clip(np.array([0.0, 0.5, -2.0, np.nan], np.float32), 12345)
    with wave.open(io.BytesIO(payload(address))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (12345, 1, 4)
        values = np.frombuffer(file.readframes(4), "<i2")
    assert values.tolist() == [0, 16383, -32767, 0]


def test_bars_are_as_tall_as_the_sound_is_loud() -> None:
    quiet_then_loud = np.concatenate([np.full(800, 0.01), np.full(800, 0.8)])
    bars = waveform(quiet_then_loud.astype(np.float32), bars=2)
    first, second = (float(bar.split("v")[1]) for bar in bars.split("M")[1:])
    assert first < second / 3
    assert second == pytest.approx(29, abs=0.1)


@pytest.mark.parametrize("samples", [np.zeros(100), np.full(10, np.nan), np.zeros(3)])
def test_silence_and_nonsense_still_have_bars(samples: np.ndarray) -> None:
    bars = waveform(samples.astype(np.float32))
    assert bars.count("M") == 44
    assert "nan" not in bars


def test_each_medium_is_stored_once() -> None:
    store = MediaStore()
    pixels = np.zeros((10, 10, 3), np.uint8)
    assert store.picture(pixels) == store.picture(pixels)
    assert store.picture(pixels.copy()) != store.picture(pixels)
    assert len(store.pictures) == 2


def test_what_exceeds_the_budget_is_left_out_and_counted() -> None:
    pixels = [np.full((10, 10, 3), i, np.uint8) for i in range(5)]
    size = len(thumbnail(pixels[0]))
    store = MediaStore(budget=2 * size + size // 2)
    names = [store.picture(p) for p in pixels]
    assert names[2:] == [None] * 3
    assert None not in names[:2]
    assert store.left_out == 3
    assert store.used <= store.budget


def test_a_view_without_media_has_no_player() -> None:
    store = MediaStore()
    assert store.picture(None) is None
    assert store.player("sound", View(text="bark"), "a dog") is None
    assert (
        store.player("sound", View(samples=np.zeros(0, np.float32), sample_rate=8000), "x") is None
    )
    assert store.left_out == 0


def test_a_player_says_what_it_plays_and_how_much_of_it() -> None:
    samples = np.zeros(16000 * 6, np.float32)
    player = MediaStore().player("speech[fr]", View(samples=samples, sample_rate=16000), 'a "dog"')
    assert player is not None
    assert 'aria-label="Play the spoken name, French of a &quot;dog&quot;, 4 of 6.0 s"' in player
    assert 'data-sound="s0"' in player
