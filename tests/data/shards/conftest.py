"""Small sources with real media, and tars made by hand, good and bad."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy
import pytest
import soundfile
from PIL import Image as pillow

from interlingua.content import BytesContent
from interlingua.data.source import ListSource
from interlingua.sample import Audio, Image, Label, Meta, OneOf, Sample, Text


def png(number: int, side: int = 12) -> bytes:
    file = io.BytesIO()
    colour = (number * 37 % 256, number * 11 % 256, 90)
    pillow.new("RGB", (side, side), colour).save(file, "PNG")
    return file.getvalue()


def wav(number: int) -> bytes:
    file = io.BytesIO()
    wave = numpy.sin(numpy.arange(400) / (3 + number % 7)) / 2
    soundfile.write(file, wave, 8_000, format="WAV")
    return file.getvalue()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes of foreign tars go to a cache of the test's own."""
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def things() -> Callable[[int], ListSource]:
    """``things(7)``: samples with pictures, two captions, a label; every third has a sound too."""

    def make(count: int) -> ListSource:
        samples = []
        for number in range(count):
            parts: list[Any] = [
                Image(BytesContent(png(number), f"{number}.png")),
                OneOf((Text(f"thing {number}", "en"), Text(f"Ding {number}", "de")), (2.0, 1.0)),
                Label("odd" if number % 2 else "even"),
            ]
            if number % 3 == 0:
                sound = BytesContent(wav(number), f"{number}.wav")
                parts.append(Audio(sound, "speech", "en", f"thing {number}"))
            meta = Meta(source="things", group="a/b", licence="CC0-1.0", component=number // 2)
            samples.append(Sample(f"some/thing.{number:03d}", tuple(parts), meta=meta))
        return ListSource("things", samples)

    return make


@pytest.fixture(scope="session")
def tar() -> Callable[..., Path]:
    """``tar(path, [("dog.jpg", b"...")], format=tarfile.USTAR_FORMAT)``: a tar of others."""

    def make(
        path: Path, members: Iterable[tuple[str | tarfile.TarInfo, bytes]], **options: Any
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w", **options) as archive:
            for member, data in members:
                info = tarfile.TarInfo(member) if isinstance(member, str) else member
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return path

    return make


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """``picture(3)``: the bytes of a small PNG."""
    return png


@pytest.fixture(scope="session")
def sound() -> Callable[[int], bytes]:
    """``sound(3)``: the bytes of a short WAV."""
    return wav
