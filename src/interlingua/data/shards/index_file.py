"""The index as a file beside its tar: one line of JSON about the shard, then one for each sample.

    {"format": "interlingua-shard-index", "version": 1, "shard": "a-000000.tar", "bytes": 20480, …}
    ["dog", ["png", 512, 1830, 2949673445], ["txt", 3072, 9, 823464823]]

The number of a sample is that of its line, from 0; a member's name is its key, a dot and its
ending; then come the offset of its bytes in the tar, their number and their CRC-32. The first line
holds the SHA-256 of all others, so a torn or changed index is noticed and made anew.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlingua.data.shards import names
from interlingua.data.shards.shard_index import IndexBuilder, ShardIndex
from interlingua.data.shards.tar_header import BLOCK, MAX_SIZE
from interlingua.data.source import Problem
from interlingua.errors import DataError

ENDING = ".index.jsonl"  # after the tar's own name
FORMAT = "interlingua-shard-index"
VERSION = 1
MAX_HEAD = 4 << 20  # bytes of the first line
BLOCK_BYTES = 1 << 18  # of lines that are read together; no line is longer


class DamagedIndexError(ValueError):
    """The bytes are no whole index of this format."""


def max_bytes(shard_bytes: int) -> int:
    """More than an index of a shard of this size can have: each member takes 512 bytes there."""
    return MAX_HEAD + 3 * shard_bytes


def to_bytes(index: ShardIndex) -> bytes:
    """The index as it is written."""
    body = bytearray()
    for line in _lines(index):
        body += line
    head = {
        "format": FORMAT,
        "version": VERSION,
        "shard": index.shard,
        "bytes": index.num_bytes,
        "samples": len(index),
        "members": len(index.block),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    if index.samples_of is not None:
        head["samples_of"] = list(index.samples_of)
    if index.problems:
        head["left_out"] = [[one.reason, one.where, one.count] for one in index.problems]
    return json.dumps(head).encode() + b"\n" + bytes(body)


def from_bytes(data: bytes, where: str) -> ShardIndex:
    """Read an index.

    Args:
        data: of the file.
        where: its name, for messages.

    Raises:
        DamagedIndexError: torn, changed, or not an index.
        DataError: it is of a newer format.
    """
    end = data.find(b"\n", 0, MAX_HEAD)
    head, body = (_parsed(data[:end]), data[end + 1 :]) if end > 0 else (None, b"")
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise DamagedIndexError("no index of a shard")
    version = head.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise DataError(
            f"The index has format version {version!r}; this program reads up to {VERSION}.",
            where=where,
            next_step="Update interlingua, or remove the index: it is made again from the shard.",
        )
    if hashlib.sha256(body).hexdigest() != head.get("sha256"):
        raise DamagedIndexError("its bytes have changed")
    num_bytes = head.get("bytes")
    if not isinstance(num_bytes, int) or num_bytes < 0:
        raise DamagedIndexError("a wrong first line")
    builder = IndexBuilder()
    for lines in _blocks(body):
        _add(builder, lines, num_bytes)
    if len(builder) != head.get("samples"):
        raise DamagedIndexError("samples are missing")
    return builder.build(
        str(head.get("shard", "")),
        num_bytes,
        list(_problems(head.get("left_out", []))),
        _range(head.get("samples_of")),
    )


def _lines(index: ShardIndex) -> Iterator[bytes]:
    columns = zip(
        (index.endings[number] for number in index.ending.tolist()),
        (block * BLOCK for block in index.block.tolist()),
        index.size.tolist(),
        index.crc32.tolist(),
        strict=True,
    )
    for key, count in zip(index.all_keys(), np.diff(index.first).tolist(), strict=True):
        yield json.dumps([key, *itertools.islice(columns, count)]).encode() + b"\n"


def _blocks(body: bytes) -> Iterator[bytes]:
    """The lines, as many at a time as are quick to read together."""
    start = 0
    while start < len(body):
        end = body.rfind(b"\n", start, start + BLOCK_BYTES)
        if end < 0:
            raise DamagedIndexError("a line that doesn't end")
        yield body[start:end]
        start = end + 1


def _add(builder: IndexBuilder, lines: bytes, num_bytes: int) -> None:
    """Add the samples of some lines, which may say anything.

    Raises:
        DamagedIndexError: they are no samples of a shard of so many bytes.
    """
    rows = _parsed(b"[" + lines.replace(b"\n", b",") + b"]")
    if not isinstance(rows, list) or not all(type(row) is list and len(row) > 1 for row in rows):
        raise DamagedIndexError("a line that is no sample")
    keys = [row[0] for row in rows]
    members = [member for row in rows for member in row[1:]]
    if not all(type(member) is list and len(member) == 4 for member in members):
        raise DamagedIndexError("a line that is no sample")
    endings = [member[0] for member in members]
    if not all(type(one) is str for one in itertools.chain(keys, endings)):
        raise DamagedIndexError("a line that is no sample")
    for name in itertools.chain(keys, (f"x.{one}" for one in set(endings))):
        if names.why_unsafe(name) or not name:
            raise DamagedIndexError("an unsafe name")
    if any(map(names.is_pickled, set(endings))):
        raise DamagedIndexError("an unsafe name")
    offset, size, crc32 = (_numbers(member[place] for member in members) for place in (1, 2, 3))
    inside = (offset > 0) & (offset % BLOCK == 0) & (offset // BLOCK < 1 << 32)
    inside &= (size >= 0) & (size <= MAX_SIZE) & (size <= num_bytes - offset)
    if not (inside & (crc32 >= 0) & (crc32 < 1 << 32)).all() or (np.diff(offset) <= 0).any():
        raise DamagedIndexError("a member outside its shard, or out of order")
    counts = [len(row) - 1 for row in rows]
    if not builder.add_many(keys, counts, endings, offset // BLOCK, size, crc32):
        raise DamagedIndexError("too many endings")


def _numbers(values: Iterable[Any]) -> NDArray[np.int64]:
    """Whole numbers as an array; a text, a fraction or a giant among them is refused."""
    try:
        found = np.array(list(values))
    except (ValueError, OverflowError):
        found = np.empty(0)
    if found.dtype != np.int64 or found.ndim != 1:
        raise DamagedIndexError("a line that is no sample")
    return found


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _problems(rows: Any) -> Iterable[Problem]:
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, list) and len(row) == 3 and isinstance(row[2], int):
            yield Problem(str(row[0])[:200], str(row[1])[:1000], row[2])


def _range(value: Any) -> tuple[int, int] | None:
    if isinstance(value, list) and len(value) == 2 and all(isinstance(n, int) for n in value):
        return value[0], value[1]
    return None
