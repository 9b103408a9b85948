"""Where the bytes of a picture or a sound are: a file, a member of a zip, or memory.

Samples carry a ``Content`` instead of decoded media, so a source of a million
pictures costs as much memory as its list of names.
"""

from __future__ import annotations

import hashlib
import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from interlingua.errors import MediaError


class Content(Protocol):
    """Bytes that can be read when they are needed."""

    @property
    def name(self) -> str:
        """A name for messages: a path, or ``archive::member``."""

    @property
    def suffix(self) -> str:
        """The lower-case file ending, with its dot; may lie about the bytes."""

    def size(self) -> int:
        """The number of bytes, known before they are read."""

    def read(self) -> bytes:
        """All bytes.

        Raises:
            MediaError: the bytes can't be had.
        """


def digest(content: Content) -> str:
    """SHA-256 of the bytes, in hex."""
    return hashlib.sha256(content.read()).hexdigest()


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file on disk."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def suffix(self) -> str:
        return self.path.suffix.lower()

    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise _unreadable(self.name, error) from error

    def read(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise _unreadable(self.name, error) from error


@dataclass(frozen=True, slots=True)
class BytesContent:
    """Bytes in memory, with a name for messages."""

    data: bytes
    label: str = "<bytes>"

    @property
    def name(self) -> str:
        return self.label

    @property
    def suffix(self) -> str:
        return Path(self.label).suffix.lower()

    def size(self) -> int:
        return len(self.data)

    def read(self) -> bytes:
        return self.data


@dataclass(frozen=True, slots=True)
class ZipContent:
    """A member of a zip archive, a wheel for instance."""

    archive: Path
    member: str

    @property
    def name(self) -> str:
        return f"{self.archive}::{self.member}"

    @property
    def suffix(self) -> str:
        return Path(self.member).suffix.lower()

    def is_there(self) -> bool:
        """Whether the archive has such a member.

        Raises:
            OSError, zipfile.BadZipFile: the archive can't be read.
        """
        with _ZIP_LOCK:
            return self.member in _open_zip(self.archive).NameToInfo

    def size(self) -> int:
        with _ZIP_LOCK:
            return _open_zip(self.archive).getinfo(self.member).file_size

    def read(self) -> bytes:
        try:
            with _ZIP_LOCK:  # ZipFile shares one file position between threads
                return _unpacked(_open_zip(self.archive), self.member)
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise _unreadable(self.name, error) from error


_ZIP_PIECE = 1 << 20
_ZIP_LOCK = threading.Lock()
_OPEN_ZIPS: dict[Path, zipfile.ZipFile] = {}


def _open_zip(path: Path) -> zipfile.ZipFile:
    if path not in _OPEN_ZIPS:
        _OPEN_ZIPS[path] = zipfile.ZipFile(path)
    return _OPEN_ZIPS[path]


def _unpacked(archive: zipfile.ZipFile, member: str) -> bytes:
    """The member, unpacked in pieces; one that is longer than its archive says is refused.

    ``ZipFile.read`` would unpack all that there is first, and bzip2 and LZMA even by the piece:
    a kilobyte that says to be a hundred bytes costs a gigabyte.
    """
    how = archive.getinfo(member).compress_type
    if how not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile("neither stored nor deflated")
    with archive.open(member) as file:
        return b"".join(iter(lambda: file.read(_ZIP_PIECE), b""))


def _unreadable(name: str, error: Exception) -> MediaError:
    missing = isinstance(error, (FileNotFoundError, KeyError))
    return MediaError(
        "The file is missing." if missing else "The file can't be read.",
        reason="missing" if missing else "unreadable",
        where=name,
        next_step="Check the path and its permissions.",
    )
