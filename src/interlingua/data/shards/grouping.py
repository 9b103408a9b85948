"""Samples of a tar that has no index: members that stand together and have one key."""

from __future__ import annotations

from dataclasses import dataclass, field

from interlingua.data.shards import names
from interlingua.data.shards.scan import Member, Refuse, TarScan
from interlingua.data.shards.shard_index import IndexBuilder, Place, ShardIndex
from interlingua.data.shards.storage import ShardFile
from interlingua.data.source import Problems

MAX_MEMBERS = 256  # of one sample

TWICE = "a member that is there twice"
TOO_MANY = "more members than a sample may have"
TOO_VARIED = "more endings than a shard may have"


def index_tar(file: ShardFile) -> ShardIndex:
    """Walk through a tar once and make its index.

    Of a tar that breaks off, the samples before the break are taken. The sample that stands last is
    not, unless the break is in a member of the next one: a member of it may be lost.

    Raises:
        DataError: it is no tar.
        MediaError: it can't be read.
    """
    problems = Problems()
    shard = file.name.replace("\\", "/").rpartition("/")[2]

    def refuse(reason: str, member: str) -> None:
        problems.add(reason, f"{shard}::{names.shown(member)}")

    scan = TarScan(file, refuse)
    groups = _Groups(refuse)
    for member in scan:
        groups.add(member)
    size = file.size()
    if scan.broke_off:
        problems.add(scan.broke_off, f"{shard}: at byte {scan.end:,} of {size:,}")
        groups.break_off(scan.torn)
    groups.close()
    return groups.builder.build(shard, size, problems.listed)


@dataclass(slots=True)
class _Groups:
    """The sample that is being collected, and those before it."""

    refuse: Refuse
    builder: IndexBuilder = field(default_factory=IndexBuilder)
    _key: str = ""
    _places: list[Place] = field(default_factory=list)
    _endings: set[str] = field(default_factory=set)

    def add(self, member: Member) -> None:
        """Take the next member of the tar."""
        if names.is_metadata(member.name):
            return
        parts = names.split_name(member.name)
        if parts is None:
            self.refuse(names.NO_KEY, member.name)
            return
        key, ending = parts
        if key != self._key:
            self.close()
            self._key = key
        reason = self._why_not(ending)
        if reason:
            self.refuse(reason, member.name)
            return
        self._endings.add(ending.lower())
        self._places.append(Place(ending, member.offset, member.size, member.crc32))

    def close(self) -> None:
        """The sample is complete."""
        if self._places:
            self.builder.add(self._key, self._places)
        self.drop()

    def break_off(self, torn: str) -> None:
        """Forget the sample that is being collected, if it may go on in what is lost.

        Args:
            torn: the name of the member that is cut; empty where it isn't known.
        """
        next_one = names.split_name(torn)
        if next_one is None or next_one[0] == self._key:
            self.drop()

    def drop(self) -> None:
        """Forget the sample that is being collected."""
        self._key, self._places, self._endings = "", [], set()

    def _why_not(self, ending: str) -> str:
        if names.is_pickled(ending):
            return names.PICKLED
        if ending.lower() in self._endings:
            return TWICE
        if len(self._places) >= MAX_MEMBERS:
            return TOO_MANY
        return "" if self.builder.knows(ending) else TOO_VARIED
