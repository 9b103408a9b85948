"""Pictures and sounds as small data addresses, each stored once, within the page's budget.

Strips and heroes ask first, the map last: what no longer fits in the budget is left
out of the map's cards and counted, never silently.
"""

from __future__ import annotations

import base64
import io
import wave

import numpy as np

from interlingua.report import views
from interlingua.report.data import ByteArray, FloatArray, View
from interlingua.report.html import Child, Html, element

THUMBNAIL_SIDE = 176
LONGEST_SECONDS = 4.0
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_BARS = 44


class MediaStore:
    """Encodes what the page shows and remembers it by identity.

    Args:
        budget: base64 characters of media that the page may hold.
    """

    def __init__(self, budget: int = 6_000_000):
        self.budget = budget
        self.used = 0
        self.left_out = 0
        self.pictures: dict[str, str] = {}
        self.sounds: dict[str, str] = {}
        # The arrays are kept beside their ids: an id alone could be given out again.
        self._known: dict[int, tuple[object, str | None]] = {}

    def picture(self, pixels: ByteArray | None) -> str | None:
        """The name of a stored thumbnail, or None where there is none or no room."""
        if pixels is None:
            return None
        if id(pixels) not in self._known:
            self._known[id(pixels)] = (pixels, self._add(self.pictures, "p", thumbnail(pixels)))
        return self._known[id(pixels)][1]

    def sound(self, view: View) -> str | None:
        """The name of a stored clip, or None where there is none or no room."""
        if view.samples is None or view.samples.size == 0 or view.sample_rate <= 0:
            return None
        if id(view.samples) not in self._known:
            address = clip(view.samples, view.sample_rate)
            self._known[id(view.samples)] = (view.samples, self._add(self.sounds, "s", address))
        return self._known[id(view.samples)][1]

    def _add(self, table: dict[str, str], letter: str, address: str) -> str | None:
        if self.used + len(address) > self.budget:
            self.left_out += 1
            return None
        self.used += len(address)
        name = f"{letter}{len(table)}"
        table[name] = address
        return name

    def image(self, pixels: ByteArray | None, alternative: str) -> Html | None:
        """An ``img`` of the thumbnail; None where there is no picture."""
        name = self.picture(pixels)
        if name is None:
            return None
        return element(
            "img", src=Html(self.pictures[name]), alt=alternative, loading="lazy", decoding="async"
        )

    def player(self, view_name: str, view: View, what: str) -> Html | None:
        """A button with the clip's waveform that plays it; None where there is no sound."""
        name = self.sound(view)
        if name is None or view.samples is None:
            return None
        seconds = view.samples.size / view.sample_rate
        bars = waveform(view.samples[: int(LONGEST_SECONDS * view.sample_rate)])
        length = f"{seconds:.1f} s"
        if seconds > LONGEST_SECONDS + 0.05:
            length = f"{LONGEST_SECONDS:g} of {length}"
        return element(
            "button",
            play_sign(),
            element(
                "svg",
                element("path", d=bars, class_="ground"),
                element("path", d=bars, class_="played"),
                viewBox=f"0 0 {_BARS * 3} 32",
                preserveAspectRatio="none",
                aria_hidden="true",
                class_="wave",
            ),
            element("span", length, class_="seconds"),
            type="button",
            class_=f"play {views.ink(view_name)}",
            data_sound=name,
            aria_label=f"Play the {views.name(view_name)} of {what}, {length}",
        )


def play_sign() -> Html:
    """The triangle that turns into two bars while playing."""
    children: Child = (
        element("path", d="M3 1.5v11l9-5.5z", class_="go"),
        element("path", d="M3 2h3v10H3zM8.5 2h3v10h-3z", class_="hold"),
    )
    return element("svg", children, class_="sign", viewBox="0 0 14 14", aria_hidden="true")


def thumbnail(pixels: ByteArray, side: int = THUMBNAIL_SIDE) -> str:
    """A picture ``[H, W, 3]`` uint8 as a small WebP data address, ``side`` pixels at most."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=72, method=4)
    return _address("image/webp", buffer.getvalue())


def clip(samples: FloatArray, sample_rate: int, longest: float = LONGEST_SECONDS) -> str:
    """A sound ``[T]`` as a data address, cut to ``longest`` seconds with a short fade.

    MP3 where soundfile is there and knows the rate, because every browser plays it; else WAV.
    """
    short = np.nan_to_num(np.asarray(samples, np.float32))[: int(longest * sample_rate)].copy()
    if short.size < samples.size:
        fade = min(short.size, sample_rate // 8)
        short[short.size - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    short = np.clip(short, -1, 1)
    if sample_rate in _MP3_RATES:
        try:
            import soundfile

            buffer = io.BytesIO()
            soundfile.write(buffer, short, sample_rate, format="MP3", compression_level=0.7)
            return _address("audio/mpeg", buffer.getvalue())
        except (ImportError, RuntimeError, TypeError):
            pass  # no soundfile, or one built without MP3: WAV needs neither
    return _address("audio/wav", _wav(short, sample_rate))


def waveform(samples: FloatArray, bars: int = _BARS) -> str:
    """The loudness of a sound over time as an SVG path of vertical bars, 3 x 32 units each."""
    pieces = np.array_split(np.abs(np.nan_to_num(np.asarray(samples, np.float32))), bars)
    peaks = np.array([piece.max() if piece.size else 0.0 for piece in pieces])
    heights = np.sqrt(peaks / max(float(peaks.max()), 1e-6)) * 13.5 + 1
    return "".join(
        f"M{1.5 + 3 * i:g} {16 - height:.1f}v{2 * height:.1f}" for i, height in enumerate(heights)
    )


def _wav(samples: FloatArray, sample_rate: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def _address(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
