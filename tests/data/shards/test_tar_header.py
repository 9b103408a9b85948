"""Headers as POSIX and GNU tar write them, and as nobody should."""

from __future__ import annotations

import contextlib
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlingua.data.shards import tar_header
from interlingua.data.shards.tar_header import BrokenHeaderError, parse


@pytest.mark.parametrize("length", [1, 99, 100, 101, 156, 200, 255, 256, 257, 700])
@pytest.mark.parametrize("step", [7, 1000])
def test_others_read_what_is_written(length: int, step: int) -> None:
    name = "".join("/" if place % step == step - 1 else "n" for place in range(length - 1)) + "n"
    data = b"x" * 700
    file = tar_header.make(name, len(data)) + data + bytes(-len(data) % 512) + bytes(1024)
    with tarfile.open(fileobj=io.BytesIO(file)) as archive:
        [member] = archive.getmembers()
        assert (member.name, member.size, member.mtime) == (name, 700, 0)
        assert member.isreg()
        assert archive.extractfile(member).read() == data


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_others_write_is_read(kind: int) -> None:
    info = tarfile.TarInfo("folder/" * 20 + "dog.png")
    info.size = 12_345
    block = info.tobuf(kind)[-512:]  # a long name may come ahead
    header = parse(block)
    assert header.size == 12_345
    assert header.kind == b"0"
    if kind == tarfile.USTAR_FORMAT:
        assert header.name.decode() == info.name


def test_a_size_in_binary_is_read() -> None:
    info = tarfile.TarInfo("dog.png")
    info.size = 1 << 40
    assert parse(info.tobuf(tarfile.GNU_FORMAT)).size == 1 << 40


def with_checksum(block: bytearray) -> bytes:
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def broken(place: slice, value: bytes) -> bytes:
    block = bytearray(tar_header.make("dog.png", 10))
    block[place] = value
    return with_checksum(block)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (b"x" * 512, "number|checksum"),
        (b"short", "cut off"),
        (broken(slice(124, 136), b"\xff" * 12), "negative"),
        (broken(slice(124, 136), b"\x80" + b"\xff" * 11), "none"),
        (broken(slice(124, 136), b"99999999999\0"), "none"),
        (broken(slice(124, 136), b"-0000000010\0"), "none"),
        (tar_header.make("dog.png", 10)[:-1] + b"x", "checksum"),
    ],
)
def test_lies_are_refused(block: bytes, message: str) -> None:
    with pytest.raises(BrokenHeaderError, match=message):
        parse(block)


def test_the_signed_checksum_of_old_programs_is_taken() -> None:
    block = bytearray(tar_header.make("dog", 1))
    block[0] = 0xE9
    block[148:156] = b" " * 8
    signed = sum(byte - 256 if byte > 127 else byte for byte in block)
    block[148:156] = b"%06o\0 " % signed
    assert parse(bytes(block)).size == 1


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=512, max_size=512))
def test_any_bytes_are_a_header_or_an_error(block: bytes) -> None:
    for candidate in (block, with_checksum(bytearray(block))):
        try:
            header = parse(candidate)
        except BrokenHeaderError:
            continue
        assert 0 <= header.size < 1 << 62


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=600))
def test_any_long_header_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(BrokenHeaderError):
        tar_header.pax_records(data)


@pytest.mark.parametrize(
    "data",
    [
        b"0 path=x\n",
        b"99999999999999 path=x\n",
        b"-9 path=x\n",
        b"13 path=x.png",
        b"12 pathxx=x\n" * 3 + b"1",
    ],
)
def test_wrong_lengths_of_records_are_refused(data: bytes) -> None:
    with pytest.raises(BrokenHeaderError):
        tar_header.pax_records(data)


def test_records_are_read() -> None:
    assert tar_header.pax_records(b"16 path=dog.png\n12 size=100\n") == {
        b"path": b"dog.png",
        b"size": b"100",
    }
