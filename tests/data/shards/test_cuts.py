"""A shard that is cut anywhere yields the samples that are whole, and says how many are lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlingua.data.shards.index_file import ENDING, from_bytes
from interlingua.data.shards.shard_index import ShardIndex
from interlingua.data.shards.write import write_shards
from interlingua.data.source import count_reasons
from interlingua.data.sources.shards import Shards
from interlingua.errors import DataError

COUNT = 9


@pytest.fixture
def shard(things, tmp_path: Path) -> Path:
    """One shard of nine samples, 25 members."""
    write_shards(things(COUNT), tmp_path / "shards")
    return tmp_path / "shards" / "things-000000.tar"


def opened(path: Path) -> Shards | None:
    try:
        return Shards(Shards.Config(paths=[str(path)]))
    except DataError:
        return None


def cuts(size: int) -> list[int]:
    """Every 512 bytes, and one byte before and after."""
    return sorted({at + beside for at in range(0, size, 512) for beside in (-1, 0, 1)} - {-1})


def ends(index: ShardIndex) -> list[int]:
    """Where the last byte of each sample is."""
    return [place.offset + place.size for n in range(len(index)) for place in index.places(n)[-1:]]


def starts(index: ShardIndex) -> list[int]:
    """Where the first header of each sample ends."""
    return [index.places(number)[0].offset for number in range(len(index))]


def check(shards: Shards | None, keys: list[str], whole: list[bytes]) -> None:
    """Exactly the first ``len(keys)`` samples, each byte of them."""
    found = [] if shards is None else list(shards)
    assert [sample.key for sample in found] == keys
    pictures = [sample.alternatives("image")[0].content.read() for sample in found]
    assert pictures == whole[: len(keys)]


def test_with_its_index_every_cut_is_counted_exactly(shard: Path, picture) -> None:
    index = from_bytes((shard.parent / f"{shard.name}{ENDING}").read_bytes(), "")
    data = shard.read_bytes()
    keys = [f"some/thing.{number:03d}" for number in range(COUNT)]
    pictures = [picture(number) for number in range(COUNT)]
    tried = 0
    for at in cuts(len(data)):
        shard.write_bytes(data[:at])
        kept = sum(end <= at for end in ends(index))
        shards = opened(shard)
        check(shards, keys[:kept], pictures)
        if shards is not None:
            assert count_reasons(shards.problems) == {"cut off": COUNT - kept}
        tried += 1
    assert tried > 3 * len(data) // 512 - 3


def test_without_an_index_the_last_sample_before_the_cut_is_not_trusted(
    shard: Path, picture
) -> None:
    beside = shard.parent / f"{shard.name}{ENDING}"
    index = from_bytes(beside.read_bytes(), "")
    beside.unlink()
    data = shard.read_bytes()
    end_mark = ends(index)[-1] + -ends(index)[-1] % 512 + 512
    keys = [f"some/thing.{number:03d}" for number in range(COUNT)]
    pictures = [picture(number) for number in range(COUNT)]
    for at in cuts(len(data)):
        shard.write_bytes(data[:at])
        # a sample is known to be whole when the header of the next one is there, or the end mark
        kept = COUNT if at >= end_mark else max(0, sum(start <= at for start in starts(index)) - 1)
        shards = opened(shard)
        check(shards, keys[:kept], pictures)
        if shards is not None:
            broken = sum(n for why, n in count_reasons(shards.problems).items() if "cut off" in why)
            assert broken == (0 if at >= end_mark else 1)
