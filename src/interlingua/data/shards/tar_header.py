"""The 512 bytes before each member of a tar: read with suspicion, written always the same.

Checked here and not by ``tarfile``, whose reader had holes (CVE-2025-4517, CVE-2025-8194: a
negative size, an endless loop). Format: POSIX.1-2001, "pax", ustar interchange format; GNU tar
manual, "Basic Tar Format".
"""

from __future__ import annotations

from dataclasses import dataclass

BLOCK = 512
MAX_SIZE = (1 << 32) - 1  # of a member, as the index keeps it
EMPTY = bytes(BLOCK)

REGULAR = b"0\x007"  # 7 is "contiguous", a plain file everywhere
FOLDER, LINK, SYMLINK, DEVICES, PIPE = b"5", b"1", b"2", b"34", b"6"
PAX, PAX_GLOBAL, GNU_NAME, GNU_LINK = b"x", b"g", b"L", b"K"


class BrokenHeaderError(ValueError):
    """The bytes are no header; the message is a short fixed phrase."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says.

    Attributes:
        name: as it stands there, before any longer name that comes ahead of it.
        size: in bytes.
        kind: the type flag, one byte.
    """

    name: bytes
    size: int
    kind: bytes


def parse(block: bytes) -> Header:
    """Read a header.

    Raises:
        BrokenHeaderError: the checksum is wrong, or a number is none.
    """
    if len(block) != BLOCK:
        raise BrokenHeaderError("a header that is cut off")
    stated = _number(block[148:156])
    total = sum(block) - sum(block[148:156]) + 8 * 32  # its own field counts as spaces
    if stated != total and stated != _signed_total(block):
        raise BrokenHeaderError("a header with a wrong checksum")
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
        name = prefix + b"/" + name  # GNU's own magic keeps other things there
    kind = block[156:157]
    if kind == b"\0" and name.endswith(b"/"):  # before POSIX a folder was told by its name
        kind = FOLDER
    return Header(name, _number(block[124:136]), kind)


def make(name: str, size: int) -> bytes:
    """The header, or headers, of a file: owner, mode and time are always the same.

    Args:
        name: ASCII.
        size: in bytes.
    """
    encoded = name.encode("ascii")
    if (parts := _split(encoded)) is not None:
        return _block(*parts, size, b"0")
    record = _pax_record(b"path", encoded)
    padded = record + bytes(-len(record) % BLOCK)
    return (
        _block(b"", b"././@PaxHeader", len(record), PAX)
        + padded
        + _block(b"", encoded[:100], size, b"0")
    )


def pax_records(data: bytes) -> dict[bytes, bytes]:
    """The records of a pax header: ``length key=value`` and a line break each.

    Raises:
        BrokenHeaderError: a length that isn't true.
    """
    records: dict[bytes, bytes] = {}
    while data.rstrip(b"\0"):
        digits, space, _ = data[:12].partition(b" ")
        if not (space and digits.isdigit()):
            raise BrokenHeaderError("a long header with a wrong length")
        length = int(digits)
        record = data[len(digits) + 1 : length]
        key, equals, value = record.partition(b"=")
        if length > len(data) or not equals or not value.endswith(b"\n"):
            raise BrokenHeaderError("a long header with a wrong length")
        records[key] = value[:-1]
        data = data[length:]
    return records


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    """An octal number, or a binary one for what is too large; never negative."""
    if field[0] == 0x80:
        value = int.from_bytes(field[1:], "big")
    elif field[0] & 0x80:  # binary and negative
        raise BrokenHeaderError("a header with a negative number")
    else:
        digits = field.strip(b" \0")
        if digits.strip(b"01234567"):
            raise BrokenHeaderError("a header with a number that is none")
        value = int(digits or b"0", 8)
    if value >= 1 << 62:
        raise BrokenHeaderError("a header with a number that is none")
    return value


def _signed_total(block: bytes) -> int:
    """The checksum as some old programs made it, with signed bytes."""
    rest = block[:148] + b" " * 8 + block[156:]
    return sum(rest) - 256 * sum(byte > 127 for byte in rest)


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """(prefix, name) that fit the fields; None where the name is too long for them."""
    if len(name) <= 100:
        return b"", name
    at = name.rfind(b"/", 0, 156)
    if at < 1 or not 0 < len(name) - at - 1 <= 100:
        return None
    return name[:at], name[at + 1 :]


def _block(prefix: bytes, name: bytes, size: int, kind: bytes) -> bytes:
    before = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size
    before += b"00000000000\0"  # the time: always 1970, so that equal samples give equal bytes
    after = kind + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\0" * 2
    after += prefix.ljust(155, b"\0") + bytes(12)
    total = sum(before) + 8 * 32 + sum(after)
    return before + b"%06o\0 " % total + after


def _pax_record(key: bytes, value: bytes) -> bytes:
    """A record says its own length, the digits of the length included."""
    rest = len(key) + len(value) + 3  # space, equals sign, line break
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)
