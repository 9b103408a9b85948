"""One recording in several files is one thing; another recording, and silence, are not."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from interlingua.content import BytesContent, FileContent
from interlingua.data.component import assign_components
from interlingua.data.gate import AudioLimits
from interlingua.data.recordings import recording_of, same_recordings
from interlingua.sample import Audio, OneOf, Sample, Text

soundfile = pytest.importorskip("soundfile")
RATE = 22_050


def tone(pitch: float, seconds: float = 0.5) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * pitch * time)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    wave = np.round(tone(300) * 32767).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", wave, RATE)
    soundfile.write(tmp_path / "a.flac", wave, RATE)
    soundfile.write(tmp_path / "stereo.wav", np.stack([wave, wave], 1), RATE)
    (tmp_path / "copy.wav").write_bytes((tmp_path / "a.wav").read_bytes())
    soundfile.write(tmp_path / "louder.wav", wave // 2, RATE)
    soundfile.write(tmp_path / "cut.wav", wave[:-1], RATE)
    soundfile.write(tmp_path / "other.wav", np.round(tone(440) * 32767).astype(np.int16), RATE)
    for name in ("silent", "quiet"):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(RATE, np.int16), RATE)
    (tmp_path / "broken.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:300])
    (tmp_path / "broken too.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:300])
    return tmp_path


def sample(folder: Path, name: str) -> Sample:
    return Sample(name, (Audio(FileContent(folder / name)), Text(f"words for {name}")))


NAMES = (
    "a.wav", "other.wav", "a.flac", "louder.wav", "cut.wav", "silent.wav", "quiet.wav", "copy.wav",
    "broken.wav", "broken too.wav", "stereo.wav",
)  # fmt: skip


def test_equal_samples_are_one_recording_whatever_the_file(folder: Path) -> None:
    samples = [sample(folder, name) for name in NAMES]
    pairs = same_recordings(samples)
    assert {(NAMES[left], NAMES[right]) for left, right in pairs} == {
        ("a.wav", "a.flac"), ("a.wav", "copy.wav"), ("a.wav", "stereo.wav")
    }  # fmt: skip
    joined = assign_components(samples, same_sounds=pairs)
    components = {one.key: one.meta.component for one in joined}
    assert len(set(components.values())) == len(NAMES) - 3
    assert components["a.wav"] == components["a.flac"] == components["stereo.wav"]


def test_alternatives_join_too(folder: Path) -> None:
    both = OneOf((Audio(FileContent(folder / "other.wav")), Audio(FileContent(folder / "a.flac"))))
    samples = [sample(folder, "a.wav"), sample(folder, "other.wav"), Sample("both", (both,))]
    assert same_recordings(samples) == [(1, 2), (0, 2)]


def test_without_the_package_equal_files_are_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)  # as where it isn't installed
    samples = [sample(folder, name) for name in ("a.wav", "a.flac", "copy.wav", "other.wav")]
    assert same_recordings(samples) == [(0, 2)]


def test_the_gate_holds(folder: Path) -> None:
    samples = [sample(folder, name) for name in ("a.wav", "copy.wav")]
    assert same_recordings(samples, AudioLimits(max_bytes=100)) == []
    found = recording_of(BytesContent((folder / "a.wav").read_bytes()), AudioLimits())
    assert (found.seconds, found.silent, len(found.digest)) == (0.5, False, 16)
