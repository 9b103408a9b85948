"""Sounds: decoding, refusals, and the log-mel spectrogram against Whisper's own."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from interlingua.content import BytesContent, FileContent
from interlingua.data.gate import AudioLimits
from interlingua.data.sound import (
    log_mel,
    mel_filters,
    padded_length,
    read_sound,
    real_frames,
    sound_seconds,
    to_frames,
)
from interlingua.errors import MediaError
from interlingua.towers.tower import AudioPreprocess

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")

PREPROCESS = AudioPreprocess()


def tone(seconds: float, rate: int = 16_000, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype("f4")


def encoded(
    wave: np.ndarray, rate: int = 16_000, kind: str = "WAV", **options: str
) -> BytesContent:
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, rate, format=kind, **options)
    return BytesContent(buffer.getvalue(), f"made.{kind.lower()}")


def wav(
    data: bytes, *, rate: int = 16_000, form: int = 1, bits: int = 16, says: int | None = None
) -> bytes:
    width = bits // 8
    fmt = struct.pack("<HHIIHH", form, 1, rate, rate * width, width, bits)
    size = len(data) if says is None else says
    body = b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", len(body) & 0xFFFFFFFF) + body


def reason(data: bytes, limits: AudioLimits | None = None) -> str:
    with pytest.raises(MediaError) as caught:
        read_sound(BytesContent(data, "made.wav"), 16_000, limits or AudioLimits())
    assert caught.value.next_step
    return caught.value.reason


# Decoding ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("WAV", {}),
        ("WAV", {"subtype": "FLOAT"}),
        ("WAV", {"subtype": "PCM_U8"}),
        ("WAV", {"subtype": "PCM_24"}),
        ("RF64", {}),
        ("FLAC", {}),
        ("OGG", {}),
        ("OGG", {"subtype": "OPUS"}),
        ("MP3", {}),
        ("AIFF", {}),
        ("AU", {}),
    ],
)
@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_formats_and_rates(kind: str, options: dict[str, str], rate: int) -> None:
    result = read_sound(encoded(tone(0.6, rate), rate, kind, **options), 16_000)
    assert result.dtype == np.float32
    assert abs(len(result) / 16_000 - 0.6) < 0.12  # MP3 pads to whole frames
    middle = result[3000:7096] * np.hanning(4096)
    assert abs(np.abs(np.fft.rfft(middle)).argmax() * 16_000 / 4096 - 440) < 5


def test_channels_are_averaged() -> None:
    stereo = np.stack([tone(0.2), -0.5 * tone(0.2)], axis=1)
    result = read_sound(encoded(stereo, subtype="FLOAT"), 16_000)
    assert np.allclose(result, 0.25 * tone(0.2), atol=1e-6)


def test_only_the_first_seconds() -> None:
    content = encoded(tone(25.0), subtype="FLOAT")
    assert len(read_sound(content, 16_000, first_seconds=12.5)) == 200_000
    assert np.array_equal(
        read_sound(content, 16_000, first_seconds=12.5), read_sound(content, 16_000)[:200_000]
    )


def test_declared_seconds() -> None:
    assert sound_seconds(encoded(tone(1.5))) == pytest.approx(1.5)


# Bad input ---------------------------------------------------------------------------------------


def test_no_sound_at_all() -> None:
    assert reason(b"") == "empty"
    assert reason(wav(b"")) == "empty"
    assert reason(encoded(np.zeros(0, np.float32), kind="FLAC").data) == "empty"


@pytest.mark.parametrize("says", [0x7FFF_FFFF, 0xFFFF_FFF0, 0xFFFF_FFFF, 40_000])
def test_a_header_that_promises_more_than_there_is(says: int) -> None:
    assert reason(wav(bytes(32_000), says=says)) == "damaged"


def test_headers_without_sense() -> None:
    assert reason(wav(bytes(3200), rate=0)) == "damaged"
    assert reason(wav(bytes(3200), rate=7)) == "damaged"
    assert reason(wav(bytes(3200), rate=2**30)) == "damaged"
    assert reason(wav(bytes(3200), form=0x7777)) == "damaged"
    assert reason(wav(bytes(3200), bits=0)) == "damaged"
    assert reason(wav(bytes(3200))[:36]) == "damaged"  # no data chunk
    assert reason(wav(bytes(3200))[:20]) == "damaged"
    assert reason(encoded(np.zeros((100, 9), np.float32)).data) == "damaged"  # channels


def test_a_ten_millisecond_sound_is_a_sound() -> None:
    result = read_sound(encoded(tone(0.01)), 16_000)
    frames, seconds = to_frames(result, PREPROCESS)
    assert seconds == pytest.approx(0.01)
    assert frames.shape == (80, 200)
    assert frames.isfinite().all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_numbers(value: float) -> None:
    wave = tone(0.1)
    wave[50] = value
    assert reason(wav(wave.tobytes(), form=3, bits=32)) == "not_finite"


def test_samples_far_beyond_full_scale() -> None:
    assert reason(wav((tone(0.1) * 1e30).tobytes(), form=3, bits=32)) == "too_loud"


def test_silence_is_a_sound() -> None:
    frames, _ = to_frames(read_sound(encoded(np.zeros(16_000, np.float32)), 16_000), PREPROCESS)
    assert frames.isfinite().all()


def test_lying_endings() -> None:
    with pytest.raises(MediaError) as caught:
        read_sound(BytesContent(b"<html>404</html>", "bark.ogg"), 16_000)
    assert caught.value.reason == "not_a_sound"
    assert "an HTML page" in str(caught.value)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_a_sound_cut_or_torn_anywhere_ends_in_samples_or_one_clean_error(kind: str) -> None:
    data = encoded(tone(0.5) + 0.1 * np.random.default_rng(0).standard_normal(8000), kind=kind).data
    random = np.random.default_rng(1)
    cases = [data[: len(data) * percent // 100] for percent in range(0, 100, 4)]
    for _ in range(60):
        torn = bytearray(data)
        for position in random.integers(0, len(data), 4):
            torn[position] = random.integers(256)
        cases.append(bytes(torn))
    refused = 0
    for case in cases:
        try:
            wave = read_sound(BytesContent(case), 16_000)
        except MediaError:
            refused += 1
        else:
            assert np.isfinite(wave).all()
            assert 0 < len(wave) < 20 * 16_000
    assert refused > 0


def test_too_long_is_counted_while_decoding() -> None:
    limits = AudioLimits(max_seconds=20)
    assert reason(encoded(tone(21)).data, limits) == "too_long"
    assert reason(encoded(tone(21), kind="OGG").data, limits) == "too_long"
    assert len(read_sound(encoded(tone(21)), 16_000, limits, first_seconds=5)) == 80_000


HOUR = """
import resource, sys
from pathlib import Path
from interlingua.content import FileContent
from interlingua.data.sound import read_sound
from interlingua.errors import MediaError
def peak():
    unit = 2**20 if sys.platform == 'darwin' else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
read_sound(FileContent(Path(sys.argv[1])), 16000)
before = peak()
try:
    read_sound(FileContent(Path(sys.argv[2])), 16000)
except MediaError as error:
    print(peak() - before, error.reason)
"""


def test_hours_of_silence_in_a_small_file_cost_little_memory(tmp_path: Path) -> None:
    small, bomb = tmp_path / "small.flac", tmp_path / "bomb.flac"
    small.write_bytes(encoded(tone(0.1, 48_000), 48_000, "FLAC").data)
    with soundfile.SoundFile(bomb, "w", 8_000, 1, format="FLAC") as file:
        for _ in range(4 * 6):
            file.write(np.zeros(8_000 * 600, np.int16))  # 4 hours: 440 MiB as float32
    assert bomb.stat().st_size < 2_000_000
    done = subprocess.run(
        [sys.executable, "-c", HOUR, str(small), str(bomb)],
        capture_output=True,
        text=True,
        check=True,
        env={
            "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src"),
            "OMP_NUM_THREADS": "1",
            "PATH": "",
        },
    )
    grown, why = done.stdout.split()
    assert why == "too_long"
    assert float(grown) < 60


# The spectrogram ---------------------------------------------------------------------------------


def reference(wave: np.ndarray) -> torch.Tensor:
    transformers = pytest.importorskip("transformers")
    extractor = transformers.WhisperFeatureExtractor()
    return extractor(wave, sampling_rate=16_000, return_tensors="pt")["input_features"][0]


def sounds() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    noise = random.standard_normal(30_000).astype("f4") * 0.1
    quiet = random.standard_normal(5_555).astype("f4") * 1e-4
    speechlike = (random.standard_normal(60_001) * np.sin(np.arange(60_001) / 2000) ** 4).astype(
        "f4"
    )
    return [tone(1.3), noise, quiet, speechlike, tone(31.0)]


def test_filters_equal_the_references() -> None:
    transformers = pytest.importorskip("transformers")
    theirs = torch.tensor(transformers.WhisperFeatureExtractor().mel_filters.T, dtype=torch.float32)
    assert (mel_filters(16_000, 400, 80) - theirs).abs().max() < 1e-7


@pytest.mark.parametrize("number", range(5))
def test_log_mel_equals_whispers(number: int) -> None:
    wave = sounds()[number]
    theirs = reference(wave)
    ours, _ = to_frames(wave, AudioPreprocess(bucket_seconds=30.0))
    assert ours.shape == theirs.shape == (80, 3000)
    assert (ours - theirs).abs().max() <= 1e-4
    short, _ = to_frames(wave, PREPROCESS)  # in a bucket of 2 s
    assert short.shape[1] < 3000 or len(wave) > 28 * 16_000
    assert (short - theirs[:, : short.shape[1]]).abs().max() <= 1e-4


def test_a_sound_that_fills_its_bucket_differs_in_two_frames_only() -> None:
    wave = sounds()[1][: 2 * 16_000 - 2000]
    wave = np.concatenate([wave, wave[:2000]])[: 2 * 16_000]
    wave = np.resize(wave, 32_000)
    ours, _ = to_frames(wave, PREPROCESS)
    assert ours.shape == (80, 200)
    difference = (ours - reference(wave)[:, :200]).abs().amax(0)
    assert difference[:-2].max() <= 1e-4


def test_a_batch_gives_what_one_by_one_gives() -> None:
    waves = np.stack([sounds()[1][:16_000], sounds()[3][:16_000]])
    both = log_mel(waves, PREPROCESS)
    for row in range(2):
        assert torch.allclose(both[row], log_mel(waves[row], PREPROCESS), atol=1e-5)


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, 2), (0.01, 2), (2.0, 2), (2.001, 4), (29, 30), (99, 30)]
)
def test_buckets(seconds: float, bucket: int) -> None:
    length = padded_length(round(seconds * 16_000), PREPROCESS)
    assert length == bucket * 16_000


@pytest.mark.parametrize("bucket_seconds", [0.001, 0.033, 1.7, 2.0, 30.0])
def test_frames_are_always_even(bucket_seconds: float) -> None:
    preprocess = AudioPreprocess(bucket_seconds=bucket_seconds)
    for samples in (1, 199, 201, 16_001, 47_777):
        frames, seconds = to_frames(tone(5)[:samples], preprocess)
        assert frames.shape[1] % 2 == 0
        assert real_frames(seconds, preprocess) <= frames.shape[1]


def test_a_file_gives_the_same_bits_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    path.write_bytes(encoded(tone(0.7, 44_100), 44_100, "OGG").data)
    first = read_sound(FileContent(path), 16_000)
    assert np.array_equal(first, read_sound(BytesContent(path.read_bytes()), 16_000))
