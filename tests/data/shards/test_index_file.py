"""The index file: the golden one of each version is read, damage is noticed, lies are refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlingua.data.shards import index_file
from interlingua.data.shards.index_file import DamagedIndexError, from_bytes, to_bytes
from interlingua.data.shards.shard_index import IndexBuilder, Place, ShardIndex
from interlingua.data.source import Problem
from interlingua.data.sources.shards import Shards
from interlingua.errors import DataError

GOLDEN = Path(__file__).parent / "golden"


def test_shards_1() -> None:
    """A shard and its index as version 1 wrote them."""
    shards = Shards(Shards.Config(paths=[str(GOLDEN / "shards-1")]))
    assert shards.problems == []
    assert [one.scanned for one in shards.shards] == [False, False]
    first, second, third = shards
    assert (first.key, first.meta.group, first.meta.component) == ("animals/dog.1", "animals", 4)
    assert [part.text for part in first.alternatives("text")] == ["a dog", "ein Hund"]
    assert first.weights("text") == (2.0, 1.0)
    assert first.alternatives("label")[0].name == "dog"
    [picture] = first.alternatives("image")
    assert hashlib.sha256(picture.content.read()).hexdigest() == (
        "8f18440f09b706524229e5726febc4e61da45ec929f841ca2a5b4f34592ca8a1"
    )
    [speech] = second.alternatives("speech")
    assert (speech.language, speech.transcript) == ("en", "cat")
    assert hashlib.sha256(speech.content.read()).hexdigest() == (
        "b31465a72494283e277824768640530e6cd316ebb7aecf971253e93e9b13c93a"
    )
    assert third.alternatives("text")[0].text == "words alone"


def index_of(*samples: tuple[str, list[Place]], **options: Any) -> ShardIndex:
    builder = IndexBuilder()
    for key, places in samples:
        builder.add(key, places)
    return builder.build("a.tar", 1 << 40, **options)


def test_it_comes_back_as_it_was() -> None:
    problems = [Problem("a link", "a.tar::x", 7)]
    index = index_of(
        ("dog", [Place("jpg", 512, 100, 1), Place("TXT", 1536, 3, (1 << 32) - 1)]),
        ("é/собака", [Place("png", (1 << 32) + 512, 0, 0)]),
        problems=problems,
        samples_of=(3, 5),
    )
    again = from_bytes(to_bytes(index), "a")
    assert list(again.all_keys()) == ["dog", "é/собака"]
    assert [again.key(number) for number in range(2)] == ["dog", "é/собака"]
    assert [again.places(number) for number in range(2)] == [index.places(n) for n in range(2)]
    assert (again.problems, again.samples_of, again.num_bytes) == (
        tuple(problems), (3, 5), 1 << 40
    )  # fmt: skip
    assert to_bytes(again) == to_bytes(index)


def test_an_empty_index_is_an_index() -> None:
    assert len(from_bytes(to_bytes(index_of()), "a")) == 0


def sealed(line: Any, **head: Any) -> bytes:
    """An index of one line whose sum is right, as a liar would write it."""
    body = (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n"
    start = {
        "format": index_file.FORMAT,
        "version": 1,
        "bytes": 10_000,
        "samples": 1,
        "sha256": hashlib.sha256(body).hexdigest(),
        **head,
    }
    return json.dumps(start).encode() + b"\n" + body


def test_a_sealed_line_is_read() -> None:
    assert len(from_bytes(sealed(["dog", ["jpg", 512, 10, 5]]), "a")) == 1


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"[" * 100_000,
        {},
        [],
        ["dog"],
        [1, ["jpg", 512, 10, 5]],
        ["dog", ["jpg", 512, 10]],
        ["dog", ["jpg", "512", 10, 5]],
        ["dog", ["jpg", True, 10, 5]],
        ["dog", ["jpg", 512.0, 10, 5]],
        ["dog", ["jpg", 0, 10, 5]],
        ["dog", ["jpg", 500, 10, 5]],
        ["dog", ["jpg", -512, 10, 5]],
        ["dog", ["jpg", 512, -1, 5]],
        ["dog", ["jpg", 512, 9_999, 5]],
        ["dog", ["jpg", 512, 10, -1]],
        ["dog", ["jpg", 512, 10, 1 << 32]],
        ["dog", ["jpg", 1024, 10, 5], ["txt", 512, 10, 5]],
        ["../dog", ["jpg", 512, 10, 5]],
        ["dog\u202e", ["jpg", 512, 10, 5]],
        ["dog\ud800", ["jpg", 512, 10, 5]],
        ["dog", ["x/../../y", 512, 10, 5]],
        ["dog", ["pkl", 512, 10, 5]],
    ],
)
def test_lies_are_refused(line: Any) -> None:
    with pytest.raises(DamagedIndexError):
        from_bytes(sealed(line), "a")


def test_missing_lines_are_noticed() -> None:
    with pytest.raises(DamagedIndexError, match="missing"):
        from_bytes(sealed(["dog", ["jpg", 512, 10, 5]], samples=2), "a")


def test_a_newer_version_is_named() -> None:
    with pytest.raises(DataError, match=r"version 2.*\n.*where: a\.index"):
        from_bytes(sealed(["dog", ["jpg", 512, 10, 5]], version=2), "a.index")


def test_every_cut_and_flip_is_noticed() -> None:
    data = to_bytes(
        index_of(*((f"dog{n}", [Place("jpg", 512 + 1024 * n, 9, n)]) for n in range(5)))
    )
    for at in range(len(data) - 1):
        with pytest.raises(DamagedIndexError):
            from_bytes(data[:at], "a")
    body = data.index(b"\n") + 1
    for at in range(body, len(data)):
        flipped = data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]
        with pytest.raises(DamagedIndexError):
            from_bytes(flipped, "a")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_in_one_way(data: bytes) -> None:
    with pytest.raises(DamagedIndexError):
        from_bytes(data, "a")


def test_a_damaged_index_is_made_anew_and_said_so(things, tmp_path: Path) -> None:
    from interlingua.data.shards.write import write_shards

    write_shards(things(4), tmp_path / "shards")
    [path] = (tmp_path / "shards").glob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-20])
    shards = Shards(Shards.Config(paths=[str(tmp_path / "shards")]))
    assert len(shards) == 4
    assert [problem.reason for problem in shards.problems] == [
        "a damaged index (the shard was read whole instead)"
    ]


def test_an_index_of_another_shard_is_not_taken(things, tmp_path: Path) -> None:
    from interlingua.data.shards.write import write_shards

    for count in (3, 6):
        write_shards(things(count), tmp_path / str(count))
    [small] = (tmp_path / "3").glob("*.jsonl")
    [large] = (tmp_path / "6").glob("*.jsonl")
    large.write_bytes(small.read_bytes())
    shards = Shards(Shards.Config(paths=[str(tmp_path / "6")]))
    assert len(shards) == 6
    assert len(shards.problems) == 1
