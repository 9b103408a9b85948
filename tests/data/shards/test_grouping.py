"""Tars of others: what is taken, what is refused, each with its reason and count."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from interlingua.data.shards import grouping, names, scan, tar_header
from interlingua.data.shards.grouping import index_tar
from interlingua.data.shards.shard_index import ShardIndex
from interlingua.data.shards.storage import LocalFile
from interlingua.data.source import count_reasons
from interlingua.errors import DataError


def indexed(path: Path) -> ShardIndex:
    return index_tar(LocalFile(path))


def of_type(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def pax(name: str, **records: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.pax_headers = records
    return info


def test_samples_and_places(tar, tmp_path: Path) -> None:
    path = tar(
        tmp_path / "a.tar", [("x/dog.jpg", b"12345"), ("x/dog.txt", b"dog"), ("cat.png", b"")]
    )
    index = indexed(path)
    assert list(index.all_keys()) == ["x/dog", "cat"]
    assert [place.ending for place in index.places(0)] == ["jpg", "txt"]
    whole = path.read_bytes()
    for place, data in zip(index.places(0), (b"12345", b"dog"), strict=True):
        assert whole[place.offset : place.offset + place.size] == data
    assert index.problems == ()


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_of_tar(tar, tmp_path: Path, kind: int) -> None:
    wanted = ["dog", "é/собака", "long/" * 40 + "name", "b" * 90]
    if kind == tarfile.USTAR_FORMAT:
        del wanted[2]
    path = tar(tmp_path / "a.tar", [(f"{key}.png", b"x" * 600) for key in wanted], format=kind)
    assert list(indexed(path).all_keys()) == wanted


def test_what_is_refused(tar, tmp_path: Path) -> None:
    path = tar(
        tmp_path / "a.tar",
        [
            ("good.png", b"1"),
            ("../up.png", b"1"),
            ("/top.png", b"1"),
            ("x/../../up.png", b"1"),
            (pax("nul", path="nul\0.png"), b"1"),
            ("turned\u202egnp.exe", b"1"),
            (of_type("soft.png", tarfile.SYMTYPE, "/etc/passwd"), b""),
            (of_type("hard.png", tarfile.LNKTYPE, "good.png"), b""),
            (of_type("null.png", tarfile.CHRTYPE), b""),
            (of_type("disk.png", tarfile.BLKTYPE), b""),
            (of_type("pipe.png", tarfile.FIFOTYPE), b""),
            (of_type("odd.png", b"Z"), b"data"),
            (of_type("folder", tarfile.DIRTYPE), b""),
            ("code.pyd", b"cos\nsystem\n"),
            ("code.pkl", b"cos\nsystem\n"),
            ("code.pth", b"cos\nsystem\n"),
            ("README", b"1"),
            ("._good.png", b"1"),
            ("__meta__/x.json", b"{}"),
            ("two.png", b"1"),
            ("two.PNG", b"2"),
            ("last.png", b"1"),
        ],
        format=tarfile.PAX_FORMAT,
    )
    index = indexed(path)
    assert list(index.all_keys()) == ["good", "two", "last"]
    assert count_reasons(index.problems) == {
        names.LEAVES: 3,
        names.PICKLED: 3,
        scan.SPECIAL: 3,
        scan.LINK: 2,
        names.CONTROL: 2,
        names.NO_KEY: 2,
        grouping.TWICE: 1,
        scan.UNKNOWN: 1,
    }
    assert all("\u202e" not in one.where and "\0" not in one.where for one in index.problems)


def test_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    block = bytearray(tar_header.make("dog.png", 1))
    block[:3] = b"\xff\xfeg"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    path = tmp_path / "a.tar"
    path.write_bytes(bytes(block) + b"1" + bytes(511) + bytes(1024))
    index = indexed(path)
    assert (len(index), count_reasons(index.problems)) == (0, {scan.NOT_UTF8: 1})


def lying(size_field: bytes, name: str = "lie.png") -> bytes:
    block = bytearray(tar_header.make(name, 1))
    block[124:136] = size_field
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def member(name: str, data: bytes) -> bytes:
    return tar_header.make(name, len(data)) + data + bytes(-len(data) % 512)


def pax_block(data: bytes, kind: bytes = b"x") -> bytes:
    block = bytearray(tar_header.make("././@PaxHeader", len(data)))
    block[156:157] = kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + data + bytes(-len(data) % 512)


GOOD = member("a.png", b"1") + member("b.png", b"2")


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        (lying(b"\xff" * 12), "a header with a negative number"),  # CVE-2025-8194
        (lying(b"77777777777\0"), "cut off"),  # 8 GiB in 3 kB
        (lying(b"\x80" + b"\x00" * 4 + b"\x0f" + b"\xff" * 6), "cut off"),
        (pax_block(b"20 size=99999999999\n") + member("c.png", b"3"), "cut off"),
        (pax_block(b"11 size=-1\n") + member("c.png", b"3"), "a header with a number that is none"),
        (pax_block(b"9 path=x") + member("c.png", b"3"), "a long header with a wrong length"),
        (pax_block(b"11 path=/x\n", b"g"), "one name or one size for all members"),
        (pax_block(b"26 GNU.sparse.realsize=9\n\n"), "a sparse file"),
        (member("c.png", b"3")[:511] + b"x" + bytes(512), "a header with a wrong checksum"),
        (pax_block(bytes(70_000)), "a header over 64 kB"),
        (b"\1" * 512, "a header with a number that is none"),
    ],
)
def test_a_lie_ends_the_walk_and_what_stood_before_is_kept(
    tmp_path: Path, lie: bytes, reason: str
) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(GOOD + lie + member("z.png", b"9") + bytes(1024))
    index = indexed(path)
    # of "b" it isn't known whether the lost part had more, unless the lost part is another sample's
    assert list(index.all_keys()) == (["a", "b"] if reason == "cut off" else ["a"])
    assert count_reasons(index.problems) == {reason: 1}


def test_a_second_tar_behind_the_first_is_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(GOOD + bytes(1024) + GOOD)
    index = indexed(path)
    assert list(index.all_keys()) == ["a", "b"]
    assert count_reasons(index.problems) == {scan.AFTER_END: 1}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"<!doctype html>" + b"x" * 1000, "is no tar"),
        (GOOD[:300], "cut off in its first header"),
        (gzip.compress(GOOD), "compressed"),
        (b"\x28\xb5\x2f\xfd" + bytes(600), "compressed"),
    ],
)
def test_what_is_no_tar(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message):
        indexed(path)


def test_a_tar_of_nothing_has_no_samples(tar, tmp_path: Path) -> None:
    assert len(indexed(tar(tmp_path / "a.tar", []))) == 0


def test_a_sample_of_endless_members(tar, tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", [(f"a.{number}.png", b"") for number in range(300)])
    index = indexed(path)
    assert (len(index), len(index.places(0))) == (1, grouping.MAX_MEMBERS)
    assert count_reasons(index.problems) == {grouping.TOO_MANY: 44}
    assert len(index.problems) == 44


def test_thousands_of_one_reason_are_counted_not_listed(tmp_path: Path) -> None:
    link = bytearray(tar_header.make("link.png", 0))
    link[156:157] = b"2"
    link[148:156] = b" " * 8
    link[148:156] = b"%06o\0 " % sum(link)
    path = tmp_path / "a.tar"
    path.write_bytes(GOOD + bytes(link) * 5_000 + bytes(1024))
    index = indexed(path)
    assert count_reasons(index.problems) == {scan.LINK: 5_000}
    assert len(index.problems) == 101


def test_any_damage_gives_whole_samples_or_a_data_error(things, tmp_path: Path) -> None:
    """Bits are flipped all over: what is read is right or refused, and the walk ends."""
    import random

    chance = random.Random(5)
    names_of = [f"{number:02d}" for number in range(12)]
    whole = b"".join(member(f"{one}.png", one.encode() * 50) for one in names_of) + bytes(1024)
    outcomes: Counter[str] = Counter()
    path = tmp_path / "a.tar"
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 3))):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        try:
            index = indexed(path)
        except DataError:
            outcomes["refused"] += 1
            continue
        outcomes["read"] += 1
        for number in range(len(index)):
            for place in index.places(number):
                assert 0 < place.offset <= place.offset + place.size <= len(data)
    assert outcomes["read"] > 200


def test_the_walk_reads_in_small_pieces(tar, tmp_path: Path) -> None:
    """No size that is declared is allocated: a member of 30 MB is passed in pieces of 1 MB."""

    class Watched(LocalFile):
        largest = 0

        def read(self, start: int, length: int) -> bytes:
            Watched.largest = max(Watched.largest, length)
            return super().read(start, length)

    path = tar(tmp_path / "a.tar", [("a.png", bytes(30 << 20)), ("b.png", b"1")])
    assert len(index_tar(Watched(path))) == 2
    assert Watched.largest == scan.PIECE


def test_crc_is_that_of_zlib(tar, tmp_path: Path) -> None:
    import zlib

    data = io.BytesIO(b"some bytes" * 1000).getvalue()
    [place] = indexed(tar(tmp_path / "a.tar", [("a.png", data)])).places(0)
    assert place.crc32 == zlib.crc32(data)
