"""A file that kills, hangs or bloats its decoder is refused alone; all others go on."""

from __future__ import annotations

import io
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from interlingua.content import BytesContent
from interlingua.data.gate import AudioLimits, ImageLimits
from interlingua.data.image import decode_pixels
from interlingua.data.isolation import IsolatedDecoder
from interlingua.data.loader import decode
from interlingua.data.sound import decode_wave
from interlingua.errors import MediaError
from interlingua.sample import Image, Part
from interlingua.towers.tower import AudioPreprocess, ImagePreprocess

PIXELS = ImagePreprocess(size=32)
LIMITS = ImageLimits()

# A worker whose decoder obeys the file: the crashes are real, only their cause is arranged.
EVIL = """
import ctypes, os, sys, time
import numpy as np
from interlingua.data import decode_worker
from interlingua.errors import MediaError
def decode(request, data):
    if data.startswith(b"SEGV"): ctypes.string_at(0)
    if data.startswith(b"EXIT"): os._exit(0)
    if data.startswith(b"HANG"): time.sleep(3600)
    if data.startswith(b"EAT"): return np.ones(1 << 34, np.uint8)
    if data.startswith(b"PRINT"): os.write(1, b"noise from a decoder"); print("more")
    if data.startswith(b"SHAPE"): return np.zeros((3, 9999, 2), np.uint8)
    if data.startswith(b"TYPE"): return np.zeros((3, 32, 32), np.float64)
    if data.startswith(b"FORGE"): raise MediaError("\\x1b[2Jowned\\n" * 999, reason="a\\nb" * 99)
    if data.startswith(b"BUG"): raise TypeError("a bug")
    return decode_worker.decode_request(request, data.removeprefix(b"PRINT"))
decode_worker.serve(decode)
"""


def picture(colour: str = "red") -> BytesContent:
    buffer = io.BytesIO()
    Pillow.new("RGB", (60, 50), colour).save(buffer, "PNG")
    return BytesContent(buffer.getvalue(), f"{colour}.png")


@pytest.fixture(scope="module")
def decoder():
    with IsolatedDecoder(1) as isolated:
        yield isolated


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory):
    script = tmp_path_factory.mktemp("worker") / "evil.py"
    script.write_text(EVIL)
    command = (sys.executable, str(script))
    with IsolatedDecoder(1, seconds=1.0, memory=1 << 30, command=command) as isolated:
        yield isolated


def test_same_pixels_and_samples_as_in_this_process(decoder: IsolatedDecoder) -> None:
    expected = decode_pixels(picture(), PIXELS)
    assert torch.equal(decoder.pixels(picture(), PIXELS, LIMITS), expected)
    pytest.importorskip("soundfile")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(np.random.default_rng(0).integers(-9000, 9000, 8_000, "<i2").tobytes())
    content = BytesContent(buffer.getvalue(), "noise.wav")
    there = decoder.wave(content, AudioPreprocess(), AudioLimits())
    assert np.array_equal(there, decode_wave(content, AudioPreprocess()))


def test_refusals_come_back_with_reason_and_place(decoder: IsolatedDecoder) -> None:
    with pytest.raises(MediaError) as caught:
        decoder.pixels(BytesContent(b"<html>", "lie.png"), PIXELS, LIMITS)
    assert caught.value.reason == "not_an_image"
    assert caught.value.where == "lie.png"
    assert "an HTML page" in str(caught.value)
    with pytest.raises(MediaError) as caught:
        decoder.pixels(picture(), PIXELS, ImageLimits(max_pixels=10))
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ("SEGV", "crashed"),
        ("EXIT", "crashed"),
        ("BUG", "crashed"),
        ("SHAPE", "crashed"),
        ("TYPE", "crashed"),
        ("EAT", "too_large"),
    ],
)
def test_only_the_evil_file_fails(evil: IsolatedDecoder, order: str, reason: str) -> None:
    if order == "EAT" and not Path("/proc/self/statm").exists():
        pytest.skip("memory is limited on Linux only")
    with pytest.raises(MediaError) as caught:
        evil.pixels(BytesContent(order.encode(), "evil.png"), PIXELS, LIMITS)
    assert caught.value.reason == reason
    assert caught.value.where == "evil.png"
    assert evil.pixels(picture(), PIXELS, LIMITS)[0].min() == 255


def test_a_worker_cannot_forge_messages(evil: IsolatedDecoder) -> None:
    with pytest.raises(MediaError) as caught:
        evil.pixels(BytesContent(b"FORGE", "evil.png"), PIXELS, LIMITS)
    assert "\x1b" not in str(caught.value)
    assert "\n" not in caught.value.what
    assert len(caught.value.what) <= 500
    assert caught.value.reason == ("ab" * 99)[:32]


def test_a_decoder_that_hangs_is_ended(evil: IsolatedDecoder) -> None:
    evil.pixels(picture(), PIXELS, LIMITS)  # the worker has started
    begin = time.monotonic()
    with pytest.raises(MediaError) as caught:
        evil.pixels(BytesContent(b"HANG", "evil.png"), PIXELS, LIMITS)
    assert caught.value.reason == "too_slow"
    assert time.monotonic() - begin < 60  # it would have slept an hour


def test_a_decoder_that_prints_does_not_speak_for_the_worker(evil: IsolatedDecoder) -> None:
    content = BytesContent(b"PRINT" + picture().data, "chatty.png")
    assert evil.pixels(content, PIXELS, LIMITS)[0].min() == 255


def test_through_the_loader(evil: IsolatedDecoder) -> None:
    parts: list[Part] = [Image(picture()), Image(BytesContent(b"SEGV")), Image(picture("blue"))]
    seen: list[tuple[int, str]] = []
    (chunk,) = decode(
        parts,
        PIXELS,
        threads=3,
        isolated=evil,
        on_error=lambda number, part, error: seen.append((number, error.reason)),
    )
    assert chunk.index == [0, 2]
    assert chunk.values[:, :, 16, 16].tolist() == [[255, 0, 0], [0, 0, 255]]
    assert seen == [(1, "crashed")]


def test_closing_ends_the_processes() -> None:
    with IsolatedDecoder(1) as isolated:
        isolated.pixels(picture(), PIXELS, LIMITS)
        worker = isolated._free.get()
        isolated._free.put(worker)
    assert worker.process.poll() is not None
