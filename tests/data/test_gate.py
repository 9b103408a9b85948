"""The gate: bytes before kind, kind before header, header before decoding."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path

import pytest

from interlingua.content import BytesContent, FileContent, ZipContent
from interlingua.data.gate import (
    ImageLimits,
    audio_kind,
    decoding,
    describe,
    read_bytes,
    require_audio,
    require_image,
)
from interlingua.errors import MediaError


def test_missing_file_says_so_and_names_it(tmp_path: Path) -> None:
    with pytest.raises(MediaError) as caught:
        read_bytes(FileContent(tmp_path / "gone.png"), 100)
    assert caught.value.reason == "missing"
    assert "gone.png" in str(caught.value)


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.png"
    path.write_bytes(b"")
    with pytest.raises(MediaError) as caught:
        read_bytes(FileContent(path), 100)
    assert caught.value.reason == "empty"


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(MediaError) as caught:
        read_bytes(FileContent(tmp_path), 1 << 20)
    assert caught.value.reason == "unreadable"


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a device file")
def test_an_endless_device_is_not_read(tmp_path: Path) -> None:
    link = tmp_path / "endless.png"
    link.symlink_to("/dev/zero")
    with pytest.raises(MediaError) as caught:
        read_bytes(FileContent(link), 1 << 20)
    assert caught.value.reason == "empty"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    with pytest.raises(MediaError):
        read_bytes(FileContent(pipe), 1 << 20)


def test_size_is_checked_before_anything_is_read() -> None:
    class Huge:
        name = "huge.png"
        suffix = ".png"

        def size(self) -> int:
            return 10**12

        def read(self) -> bytes:
            raise AssertionError("must not be read")

    with pytest.raises(MediaError) as caught:
        read_bytes(Huge(), 1 << 20)
    assert caught.value.reason == "too_large"


def test_size_is_checked_again_after_reading() -> None:
    class Liar:
        name = "liar.png"
        suffix = ".png"

        def size(self) -> int:
            return 1

        def read(self) -> bytes:
            return bytes(200)

    with pytest.raises(MediaError) as caught:
        read_bytes(Liar(), 100)
    assert caught.value.reason == "too_large"


def test_zip_members_missing_and_damaged(tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", b"x" * 500)
    with pytest.raises(MediaError) as caught:
        read_bytes(ZipContent(path, "b.png"), 1000)
    assert caught.value.reason == "missing"
    torn = tmp_path / "torn.zip"
    raw = bytearray(path.read_bytes())
    raw[60] ^= 0xFF  # inside the member: its checksum no longer fits
    torn.write_bytes(raw)
    with pytest.raises(MediaError) as caught:
        read_bytes(ZipContent(torn, "a.png"), 1000)
    assert caught.value.reason == "unreadable"
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"not a zip at all")
    with pytest.raises(MediaError) as caught:
        read_bytes(ZipContent(broken, "a.png"), 1000)
    assert caught.value.reason == "unreadable"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<!DOCTYPE html><html><body><svg/></body></html>", "an HTML page"),
        (b"<html>", "an HTML page"),
        (b"%PDF-1.7", "a PDF"),
        (b"PK\x03\x04rest", "a zip archive"),
        (b"II*\x00rest", "a TIFF picture"),
        (b"\x00\x00\x00\x20ftypisom", "a video or an HEIC/AVIF picture"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
        (b"just some words", "text"),
        (b"\xfe\xed\xfa\xce\x00\x01", "of an unknown kind"),
    ],
)
def test_a_lying_ending_is_told_by_the_bytes(data: bytes, words: str) -> None:
    with pytest.raises(MediaError) as caught:
        require_image(data, "lie.png")
    assert caught.value.reason == "not_an_image"
    assert words in str(caught.value)
    with pytest.raises(MediaError) as caught:
        require_audio(data, "lie.wav")
    assert caught.value.reason == "not_a_sound"


def test_a_sound_is_no_picture_and_a_picture_no_sound() -> None:
    with pytest.raises(MediaError, match="it is a sound file"):
        require_image(b"OggS" + bytes(20), "x.png")
    with pytest.raises(MediaError, match="it is a picture"):
        require_audio(b"\x89PNG\r\n\x1a\n" + bytes(20), "x.wav")


def test_kinds_of_sound() -> None:
    assert audio_kind(b"RIFF\0\0\0\0WAVE") == "wav"
    assert audio_kind(b"RIFF\0\0\0\0WEBP") is None
    assert audio_kind(b"fLaC") == "flac"
    assert audio_kind(b"ID3\x04") == "mp3"
    assert audio_kind(b"\xff\xfb\x90\x00") == "mp3"
    assert audio_kind(b"\xff\xd8\xff\xe0") is None  # JPEG
    assert audio_kind(b"FORM\0\0\0\0AIFF") == "aiff"
    assert audio_kind(b"") is None


def test_text_cut_inside_a_character_is_still_text() -> None:
    assert describe(("x" * 511 + "é").encode()) == "text"


@pytest.mark.parametrize(
    "error", [IndexError("0x7f00dead"), struct.error("0x7f00dead"), BaseException("0x7f00dead")]
)
def test_whatever_a_decoder_raises_becomes_a_fixed_text(error: BaseException) -> None:
    with pytest.raises(MediaError) as caught, decoding("picture", "x.png"):
        raise error
    assert caught.value.reason == "damaged"
    assert "0x7f00dead" not in str(caught.value)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, SystemExit])
def test_interrupts_and_lack_of_memory_pass(error: type[BaseException]) -> None:
    with pytest.raises(error), decoding("picture", "x.png"):
        raise error


def test_limits_reject_nonsense() -> None:
    with pytest.raises(ValueError, match="max_pixels"):
        ImageLimits(max_pixels=0)


def test_bytes_pass_unchanged() -> None:
    assert read_bytes(BytesContent(b"abc"), 3) == b"abc"
