"""The check in worker processes: the same report, and what ends a worker ends nothing else."""

from __future__ import annotations

import io
import json
import sys
from functools import partial
from pathlib import Path

import numpy
import pytest
import soundfile
from PIL import Image as Pillow

from interlingua.content import BytesContent, FileContent
from interlingua.data.check import media
from interlingua.data.check.result import to_json
from interlingua.data.check.run import check_source
from interlingua.data.isolation import IsolatedDecoder
from interlingua.data.source import ListSource
from interlingua.sample import Audio, Image, Sample, Text

# A worker whose decoder obeys the file: the crashes are real, only their cause is arranged.
EVIL = """
import ctypes
import numpy as np
from interlingua.data import decode_worker
def decode(request, data):
    if data.startswith(b"SEGV"): ctypes.string_at(0)
    if data.startswith(b"EAT"): return np.ones(1 << 34, np.uint8)
    if data.startswith(b"LIE"): return np.frombuffer(b'{"kind": "png", "seconds": -1}', np.uint8)
    return decode_worker.decode_request(request, data)
decode_worker.serve(decode)
"""


def png(seed: int) -> bytes:
    pixels = numpy.random.default_rng(seed).integers(0, 255, (24, 24, 3), dtype=numpy.uint8)
    file = io.BytesIO()
    Pillow.fromarray(pixels).resize((48, 48)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(media, "_WORTH_A_WORKER", 8)  # so that these few take two


@pytest.fixture
def mixed(tmp_path: Path) -> ListSource:
    """Pictures and sounds, whole, equal, plain, cut off, and no media at all."""
    noise = numpy.random.default_rng(0).integers(-9000, 9000, 4_000, dtype=numpy.int16)
    soundfile.write(tmp_path / "a.wav", noise, 8_000)
    soundfile.write(tmp_path / "a.flac", noise, 8_000)
    soundfile.write(tmp_path / "silent.wav", noise * 0, 16_000)
    contents = [Image(BytesContent(png(number), f"{number}.png")) for number in range(20)]
    plain = io.BytesIO()
    Pillow.new("RGB", (30, 20), "red").save(plain, "JPEG")
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h5v5z"/>'
    contents += [
        Image(BytesContent(png(3), "copy.png")),
        Image(BytesContent(plain.getvalue(), "plain.jpg")),
        Image(BytesContent(drawing + b"</svg>", "drawing.svg")),
        Image(BytesContent(png(4)[:100], "cut.png")),
        Image(BytesContent(b"<html>", "page.png")),
        Image(BytesContent(b"", "empty.png")),
        Image(FileContent(tmp_path / "missing.png")),
        *(Audio(FileContent(tmp_path / name)) for name in ("a.wav", "a.flac", "silent.wav")),
        Audio(BytesContent((tmp_path / "a.wav").read_bytes()[:99], "cut.wav"), "speech"),
    ]
    samples = [
        Sample(f"{number}", (part, Text(f"words of the sample of number {number}")))
        for number, part in enumerate(contents)
    ]
    return ListSource("mixed", samples)


def test_the_report_is_the_same_for_any_number_of_workers(mixed: ListSource) -> None:
    one, two, none = (check_source(mixed, workers=number) for number in (1, 2, 0))
    assert one.media[0].damaged == {"damaged": 1, "not_an_image": 1, "empty": 1, "missing": 1}
    assert (one.media[1].count, one.media[1].silent, one.media[2].damaged) == (3, 1, {"damaged": 1})
    assert to_json(one) == to_json(two) == to_json(none)
    assert [sample.meta.component for sample in one.samples] == [
        sample.meta.component for sample in none.samples
    ]
    assert one.media == none.media  # with what the page shows of the damaged ones


def test_equal_recordings_are_one_thing(mixed: ListSource) -> None:
    found = check_source(mixed)
    places = [one.key for one in found.samples if isinstance(one.parts[0], Audio)]
    of = {one.key: one.meta.component for one in found.samples}
    assert of[places[0]] == of[places[1]] != of[places[2]]
    test = ListSource("test", [mixed[int(places[1])]])
    train = ListSource("train", [mixed[0], mixed[int(places[0])]])
    shared = check_source(train, test=test).shared
    assert (shared.components, shared.files) == (1, 0)
    assert [one.why for one in shared.examples] == ["the same recording"]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is limited on Linux only")
def test_files_that_end_their_worker_are_counted_and_the_check_goes_on(
    mixed: ListSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "evil.py"
    script.write_text(EVIL)
    command = (sys.executable, str(script))
    evil = partial(IsolatedDecoder, command=command, memory=1 << 30)
    monkeypatch.setattr(media, "IsolatedDecoder", evil)
    orders = {"SEGV": Image, "EAT": Audio, "LIE": Image}
    samples = [
        Sample(order, (kind(BytesContent(order.encode(), order)), Text(f"the words of {order}")))
        for order, kind in orders.items()
    ]
    whole = [one for one in mixed if one.key in ("0", "1", "2")]
    found = check_source(ListSource("evil", [*samples, *whole]), workers=1)
    image, sound = found.media
    assert (image.damaged, image.kinds) == ({"crashed": 2}, {"png": 3})
    assert sound.damaged == {"too_large": 1}
    assert {one.key for one in (*image.examples, *sound.examples)} == set(orders)
    assert "2 of 5 pictures can't be used: crashed 2." in json.dumps(to_json(found))
