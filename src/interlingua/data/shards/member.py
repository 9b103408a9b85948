"""The bytes of one member of a shard, read where they lie when they are needed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

from interlingua.data.shards.storage import LocalFile, ShardFile
from interlingua.errors import MediaError


@dataclass(frozen=True, slots=True)
class MemberContent:
    """A file in a tar, known by its place; a ``Content``.

    Attributes:
        file: the shard.
        member: the name in it.
        offset: of the first byte.
        length: in bytes.
        crc32: that the bytes must have.
    """

    file: ShardFile
    member: str
    offset: int
    length: int
    crc32: int

    @property
    def name(self) -> str:
        return f"{self.file.name}::{self.member}"

    @property
    def shard(self) -> str:
        """The name of the shard."""
        return self.file.name

    @property
    def suffix(self) -> str:
        return f".{self.member.rpartition('.')[2].lower()}"

    @property
    def archive(self) -> Path | None:
        """The path of the shard; None where it is no file of this machine."""
        return self.file.path if isinstance(self.file, LocalFile) else None

    def size(self) -> int:
        return self.length

    def read(self) -> bytes:
        data = self.file.read(self.offset, self.length)
        if zlib.crc32(data) != self.crc32:
            raise MediaError(
                "The bytes in the shard are not those that its index was made of.",
                reason="checksum",
                where=self.name,
                next_step="Copy or fetch the shard again; if it was changed on purpose, remove "
                "its index.",
            )
        return data
