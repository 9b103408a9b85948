"""Any source as shards: the same bytes each time, each shard whole or not there, resumed by shard.

A folder of shards is ``NAME-000000.tar``, its index beside it, and so on, with ``_shards.json``,
which says what they are of.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from interlingua import durable, file_lock
from interlingua.data.errors_log import SkipLog
from interlingua.data.gate import MediaLimits
from interlingua.data.shards import index_file, names, tar_header
from interlingua.data.shards.members import members_of
from interlingua.data.shards.sample_choice import USED_BEFORE
from interlingua.data.shards.shard_folder import LOCK_FILE, ShardFolder, stop_of
from interlingua.data.shards.shard_index import IndexBuilder, Place, ShardIndex
from interlingua.data.shards.tar_header import BLOCK
from interlingua.data.source import Problem, Problems, Source, count_reasons
from interlingua.errors import DataError, MediaError
from interlingua.sample import Sample

DEFAULT_MEGABYTES = 256.0
END = bytes(1024)  # two empty blocks end a tar

OnProgress = Callable[[int, int], None]  # (samples done, samples in all)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a source.

    Attributes:
        folder: of the shards.
        shards, samples, num_bytes: that are there now.
        before: shards that were there already.
        left_out: samples that were not written, and why.
    """

    folder: Path
    shards: int
    samples: int
    num_bytes: int
    before: int
    left_out: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Packed:
    """A sample, ready to be written.

    Attributes:
        number: in the source.
        key: that its members' names begin with.
        members: (ending, header, bytes) of each.
    """

    number: int
    key: str
    members: list[tuple[str, bytes, bytes]]

    @property
    def num_bytes(self) -> int:
        """That it takes in the tar."""
        return sum(len(header) + len(data) + -len(data) % BLOCK for _, header, data in self.members)


@dataclass(slots=True)
class _Job:
    """One call of ``write_shards``."""

    source: Source
    folder: ShardFolder
    limits: MediaLimits
    on_progress: OnProgress
    log: SkipLog = field(default_factory=SkipLog)
    seen: set[int] = field(default_factory=set)  # hashes of the keys that are written
    pending: _Packed | None = None  # what didn't fit the shard before
    next_sample: int = 0


def write_shards(
    source: Source,
    folder: Path,
    *,
    name: str = "",
    samples_per_shard: int | None = None,
    megabytes: float | None = None,
    limits: MediaLimits | None = None,
    on_progress: OnProgress = lambda done, total: None,
) -> Written:
    """Write every sample of a source; a call after a broken-off one goes on where that stopped.

    Args:
        source: what is written; the same source must give the same samples each time.
        folder: of the shards; is made where it isn't there.
        name: what the shards' names begin with; the source's name by default.
        samples_per_shard: a shard is full with so many ...
        megabytes: ... or before it would be larger than this; 256 where neither is given.
        limits: of the media.
        on_progress: told how far it is.

    Raises:
        DataError: the folder holds something else or another process writes to it, the disk is
            full, or too much of the source can't be read.
    """
    if samples_per_shard is None and megabytes is None:
        megabytes = DEFAULT_MEGABYTES
    plain = names.written_key(name or source.name).replace("/", "-").replace("%", "_")
    shards = ShardFolder(
        folder,
        plain,
        source,
        samples_per_shard or max(1, len(source)),
        int(megabytes * 1e6) if megabytes else 0,
    )
    shards.claim()
    with file_lock.held(folder / LOCK_FILE, wait=False) as free:
        if not free:
            raise DataError(
                "Another process writes shards into this folder.",
                where=str(folder),
                next_step="Wait for it, or give another folder.",
            )
        return _write(_Job(source, shards, limits or MediaLimits(), on_progress))


def _write(job: _Job) -> Written:
    indexes = job.folder.whole_shards()
    before = len(indexes)
    for index in indexes:
        job.seen.update(map(hash, index.all_keys()))
        job.next_sample = stop_of(index)
    job.folder.remove_leftovers()
    left_out = [one for index in indexes for one in index.problems]
    while job.pending is not None or job.next_sample < len(job.source):
        problems = Problems()
        written = _write_shard(job, len(indexes), problems)
        left_out += problems.listed
        if written is not None:
            indexes.append(written)
    if not indexes:
        reasons = ", ".join(f"{count}× {why}" for why, count in count_reasons(left_out).items())
        raise DataError(
            f"No sample of {job.source.name} can be written: {reasons or 'it has none'}.",
            where=left_out[0].where if left_out else None,
            next_step="Look at the source with `interlingua data show`.",
        )
    samples, num_bytes = map(sum, zip(*((len(one), one.num_bytes) for one in indexes), strict=True))
    facts = {"shards": len(indexes), "samples": samples, "bytes": num_bytes}
    job.folder.finish({**facts, "left_out": count_reasons(left_out)})
    return Written(job.folder.path, len(indexes), samples, num_bytes, before, tuple(left_out))


def _write_shard(job: _Job, number: int, problems: Problems) -> ShardIndex | None:
    """Write one shard and its index; None where no sample is left for it."""
    first = job.pending.number if job.pending else job.next_sample
    samples = _samples(job, problems)
    packed = next(samples, None)
    if packed is None:
        return None
    builder = IndexBuilder()
    path = job.folder.shard(number)
    with durable.room_explained(path, DataError), durable.whole_file(path) as file:
        while packed is not None:
            too_large = file.size + packed.num_bytes + len(END) > job.folder.max_bytes
            if len(builder) and job.folder.max_bytes and too_large:
                job.pending = packed
                break
            places = []
            for ending, header, data in packed.members:
                at = file.size + len(header)
                places.append(Place(ending, at, len(data), zlib.crc32(data)))
                file.write(header + data + bytes(-len(data) % BLOCK))
            builder.add(packed.key, places)
            full = len(builder) >= job.folder.max_samples
            packed = None if full else next(samples, None)
        file.write(END)
        num_bytes = file.size
    stop = job.pending.number if job.pending else job.next_sample
    index = builder.build(path.name, num_bytes, problems.listed, (first, stop))
    with durable.room_explained(job.folder.index(number), DataError, every=True):
        durable.replace_file(job.folder.index(number), index_file.to_bytes(index))
    return index


def _samples(job: _Job, problems: Problems) -> Iterator[_Packed]:
    """The samples that are still to be written; those that can't be are noted."""
    if job.pending is not None:
        packed, job.pending = job.pending, None
        yield packed
    total = len(job.source)
    while job.next_sample < total:
        number = job.next_sample
        job.next_sample += 1
        job.on_progress(job.next_sample, total)
        key = f"sample {number}"
        try:
            sample = job.source[number]
            key = sample.key
            packed = _pack(sample, number, job.limits)
        except MediaError as error:
            problems.add(error.reason, f"{key} ({error.what.rstrip('.')})")
            job.log.bad(error, key=key, source=job.source.name)
            continue
        if hash(packed.key) in job.seen:
            problems.add(USED_BEFORE, key)
            continue
        job.seen.add(hash(packed.key))
        job.log.good()
        yield packed


def _pack(sample: Sample, number: int, limits: MediaLimits) -> _Packed:
    key = names.written_key(sample.key)
    parts = [
        (ending, tar_header.make(f"{key}.{ending}", len(data)), data)
        for ending, data in members_of(sample, limits)
    ]
    return _Packed(number, key, parts)
