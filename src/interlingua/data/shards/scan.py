"""One walk through a tar: where its members are, their CRC, what was refused, where it broke off.

The walk reads every byte once and keeps a megabyte of it. Whatever the headers say, each step
goes forward by 512 bytes or more, a long name is read up to a limit, and nothing is allocated by
a size that a header declares.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from interlingua.data.shards import names, tar_header
from interlingua.data.shards.storage import PIECE, ShardFile, pieces
from interlingua.data.shards.tar_header import BLOCK, BrokenHeaderError, Header
from interlingua.errors import DataError, MediaError

MAX_LONG_HEADER = 64 << 10  # bytes of a pax header or a GNU long name

LINK = "a link"
SPECIAL = "a device or a pipe"
UNKNOWN = "a member of an unknown type"
TOO_LARGE = "a member over 4 GB"
NOT_UTF8 = "a name that is not UTF-8"
CUT = "cut off"
NO_END = "cut off: the end mark is missing"
AFTER_END = "data after the end of the archive"

Refuse = Callable[[str, str], None]  # told (reason, name of the member)


@dataclass(frozen=True, slots=True)
class Member:
    """A plain file in a tar.

    Attributes:
        name: safe to show and to split.
        offset: of its first byte in the tar.
        size: in bytes.
        crc32: of the bytes.
    """

    name: str
    offset: int
    size: int
    crc32: int


class TarScan:
    """The members of a tar, in order.

    Args:
        file: the tar.
        refuse: told of each member that is left out.

    Attributes:
        broke_off: why the walk ended before the tar's end; empty where it didn't.
        end: the byte up to which everything was whole.
        torn: the name of the member whose bytes the break cuts; empty where it cuts none.

    Raises:
        DataError: on iteration, where the file is no tar at all.
    """

    def __init__(self, file: ShardFile, refuse: Refuse = lambda reason, name: None):
        self.file = file
        self.refuse = refuse
        self.broke_off = ""
        self.end = 0
        self.torn = ""
        self._size = file.size()
        self._bytes = _Forward(file, self._size)

    def __iter__(self) -> Iterator[Member]:
        require_tar(self.file, self._size)
        try:
            yield from self._members()
        except BrokenHeaderError as error:
            self.broke_off = str(error)

    def _members(self) -> Iterator[Member]:
        long_name: bytes | None = None
        long_size: int | None = None
        while True:
            block = self._bytes.take(BLOCK)
            if not block:
                raise BrokenHeaderError(NO_END)
            if block == tar_header.EMPTY:
                self._look_behind()
                return
            if len(block) < BLOCK:
                raise BrokenHeaderError(CUT)
            header = tar_header.parse(block)
            if header.kind in (tar_header.PAX, tar_header.PAX_GLOBAL, tar_header.GNU_NAME):
                name, size = self._long_header(header)
                long_name = name if name is not None else long_name
                long_size = size if size is not None else long_size
                continue
            if header.kind == tar_header.GNU_LINK:
                self._long_data(header)
                continue
            whole = Header(
                header.name if long_name is None else long_name,
                header.size if long_size is None else long_size,
                header.kind,
            )
            member = self._member(whole)
            self.end = self._bytes.at
            if member is not None:
                yield member
            long_name = long_size = None

    def _member(self, header: Header) -> Member | None:
        """The member, with its bytes passed; None where it is refused, or a folder."""
        shown = header.name.decode("utf-8", "replace")
        if header.kind in tar_header.LINK + tar_header.SYMLINK:
            self.refuse(LINK, shown)  # its size means nothing: no bytes follow
            return None
        if header.kind in tar_header.DEVICES + tar_header.PIPE:
            self.refuse(SPECIAL, shown)
            return None
        offset = self._bytes.at
        self.torn = shown
        crc32 = self._bytes.crc32(header.size)
        self.torn = ""
        self._bytes.take(-header.size % BLOCK)
        if header.kind == tar_header.FOLDER:
            return None
        if header.kind not in tar_header.REGULAR:
            self.refuse(UNKNOWN, shown)
            return None
        try:
            name = header.name.decode("utf-8")
        except UnicodeDecodeError:
            self.refuse(NOT_UTF8, shown)
            return None
        reason = names.why_unsafe(name) or (TOO_LARGE if header.size > tar_header.MAX_SIZE else "")
        if reason:
            self.refuse(reason, shown)
            return None
        return Member(name, offset, header.size, crc32)

    def _long_header(self, header: Header) -> tuple[bytes | None, int | None]:
        """The name and the size that come ahead of a header; None where nothing is said."""
        data = self._long_data(header)
        if header.kind == tar_header.GNU_NAME:
            return data.partition(b"\0")[0], None
        records = tar_header.pax_records(data)
        if any(key.startswith(b"GNU.sparse") for key in records):
            raise BrokenHeaderError("a sparse file")
        name, digits = records.get(b"path"), records.get(b"size")
        if header.kind == tar_header.PAX_GLOBAL:
            if name is not None or digits is not None:
                raise BrokenHeaderError("one name or one size for all members")
            return None, None
        if digits is not None and not (digits.isdigit() and len(digits) < 19):
            raise BrokenHeaderError("a header with a number that is none")
        return name, None if digits is None else int(digits)

    def _long_data(self, header: Header) -> bytes:
        if header.size > MAX_LONG_HEADER:
            raise BrokenHeaderError("a header over 64 kB")
        padded = header.size + -header.size % BLOCK
        data = self._bytes.take(padded)
        if len(data) < padded:
            raise BrokenHeaderError(CUT)
        return data[: header.size]

    def _look_behind(self) -> None:
        """After the end mark only zeros belong; a second tar behind the first would be lost."""
        self.end = self._bytes.at
        while data := self._bytes.take(PIECE):
            if data.count(0) != len(data):
                self.refuse(AFTER_END, f"{self._size - self.end:,} bytes")
                return


class _Forward:
    """The bytes of a file from its start, in the order they are asked for."""

    def __init__(self, file: ShardFile, size: int):
        self.at = 0
        self._size = size
        local = file.is_local
        self._pieces = pieces(
            file, 0, size, piece=PIECE if local else 8 * PIECE, ahead=0 if local else 2
        )
        self._piece = memoryview(b"")

    def take(self, length: int) -> bytes:
        """The next bytes; fewer at the end."""
        if length <= len(self._piece):  # nearly always
            data, self._piece = bytes(self._piece[:length]), self._piece[length:]
            self.at += length
            return data
        return b"".join(map(bytes, self._next(length)))

    def crc32(self, length: int) -> int:
        """The CRC of the next bytes, which are passed.

        Raises:
            BrokenHeaderError: there are fewer.
        """
        if length > self._size - self.at:
            raise BrokenHeaderError(CUT)
        value = 0
        for part in self._next(length):
            value = zlib.crc32(part, value)
        return value

    def _next(self, length: int) -> Iterator[memoryview]:
        while length > 0:
            if not len(self._piece):
                data = next(self._pieces, b"")
                if not data:
                    return
                self._piece = memoryview(data)
            part, self._piece = self._piece[:length], self._piece[length:]
            self.at += len(part)
            length -= len(part)
            yield part


def require_tar(file: ShardFile, size: int) -> None:
    """Refuse what is no plain tar, by its first bytes.

    Raises:
        DataError: empty, compressed, or something else.
        MediaError: it can't be read.
    """
    head = file.read(0, min(size, BLOCK))
    if (
        head[:2] == b"\x1f\x8b"
        or head[:4] in (b"\x28\xb5\x2f\xfd", b"\xfd7zX")
        or (head[:3] == b"BZh")
    ):
        raise DataError(
            "The shard is compressed, so no sample can be read by its number.",
            where=file.name,
            next_step="Unpack it to a .tar (gunzip, xz -d, zstd -d); pictures and sounds hardly "
            "shrink anyway.",
        )
    what = "is empty" if not size else "is no tar"
    if len(head) == BLOCK:
        if head == tar_header.EMPTY:
            return  # a tar of nothing
        try:
            tar_header.parse(head)
            return
        except BrokenHeaderError:
            pass
    elif size:
        what = "is cut off in its first header"
    raise DataError(
        f"The shard {what}.", where=file.name, next_step="Check the file; fetch it again."
    )


def unreadable(error: MediaError) -> DataError:
    """The same error for a whole shard."""
    return DataError(error.what, where=error.where, next_step=error.next_step)
