"""Recordings that are the same sound, whatever their files: equal samples have one digest.

A WAV and the FLAC that was made of it are one recording, so is a file with another title in its
header. What was cut, made louder or compressed with losses is another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from interlingua.content import Content
from interlingua.data.gate import AudioLimits, read_bytes
from interlingua.data.sound import read_sound
from interlingua.errors import MediaError, MissingExtraError
from interlingua.sample import Audio, Sample

RATE = 16_000  # Hz at which sounds are looked at and compared
SILENCE = 1e-3  # of full scale: -60 dB, under what a microphone's noise is


@dataclass(frozen=True, slots=True)
class Recording:
    """What a decoded sound is known by.

    Attributes:
        seconds: its length.
        silent: nothing of it is louder than ``SILENCE``.
        digest: 16 bytes of SHA-256 of its samples: mono, float32, ``RATE``.
    """

    seconds: float
    silent: bool
    digest: bytes


def recording_of(content: Content, limits: AudioLimits) -> Recording:
    """Decode a sound and say what it is known by.

    Raises:
        MediaError: as ``read_sound``.
        MissingExtraError: soundfile or soxr is not installed.
    """
    wave = read_sound(content, RATE, limits)
    silent = bool(np.abs(wave).max() < SILENCE)
    digest = hashlib.sha256(wave.tobytes()).digest()[:16]
    return Recording(round(len(wave) / RATE, 3), silent, digest)


def same_recordings(
    samples: Sequence[Sample], limits: AudioLimits | None = None
) -> list[tuple[int, int]]:
    """(place of the first sample, place of a later one) that have a recording in common.

    Each sound is decoded once, in threads. Silence is no recording: two silent files are not one
    thing. A sound that can't be decoded is like no other one; without the package that decodes,
    files of equal bytes are one recording.

    Args:
        samples: of any sources.
        limits: of the sounds that are decoded.
    """
    sounds = [
        (place, part.content)
        for place, sample in enumerate(samples)
        for part in sample.all_parts()
        if isinstance(part, Audio)
    ]
    gate = limits or AudioLimits()
    with ThreadPoolExecutor() as pool:
        marks = pool.map(lambda one: _mark(one[1], gate), sounds)
        return pairs_of_equals(
            (place, mark) for (place, _), mark in zip(sounds, marks, strict=True)
        )


def pairs_of_equals(marked: Iterable[tuple[int, Hashable]]) -> list[tuple[int, int]]:
    """(first place, later place) of each mark that several places bear; an empty mark is none."""
    first: dict[Hashable, int] = {}
    found: dict[tuple[int, int], None] = {}
    for place, mark in marked:
        if mark and first.setdefault(mark, place) != place:
            found[first[mark], place] = None
    return list(found)


def _mark(content: Content, limits: AudioLimits) -> bytes:
    try:
        recording = recording_of(content, limits)
    except MediaError:
        return b""
    except MissingExtraError:
        return _digest_of_file(content, limits)
    return b"" if recording.silent else recording.digest


def _digest_of_file(content: Content, limits: AudioLimits) -> bytes:
    try:
        return hashlib.sha256(read_bytes(content, limits.max_bytes)).digest()[:16]
    except MediaError:
        return b""
