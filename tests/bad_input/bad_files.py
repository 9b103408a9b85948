"""Files that are not what they say, made here: none is in the repository, most cost kilobytes."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy
import soundfile


def png_that_says(width: int, height: int, body: bytes = b"") -> bytes:
    """A PNG whose header declares a size; a few bytes unless there is a body."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def zeros_deflated(num_bytes: int, wbits: int) -> bytes:
    """So many zeros, packed a piece at a time: a thousandth of them on disk."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    piece = bytes(1 << 20)
    packed = [packer.compress(piece) for _ in range(num_bytes >> 20)]
    return b"".join([*packed, packer.flush()])


def silence(path: Path, seconds: int, rate: int, kind: str, subtype: str) -> Path:
    """A long silence in a small file."""
    with soundfile.SoundFile(path, "w", rate, 1, format=kind, subtype=subtype) as file:
        for _ in range(seconds // 60):
            file.write(numpy.zeros(60 * rate, numpy.float32))
    return path


def wav(samples: numpy.ndarray, subtype: str = "PCM_16") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 16_000, format="WAV", subtype=subtype)
    return buffer.getvalue()
