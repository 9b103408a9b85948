"""What shards cost in memory, in processes of their own: bombs and liars, and a large index."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from interlingua.data.shards import write

CHILD = """
import json, resource, sys, time
from pathlib import Path
from interlingua.data.gate import ImageLimits, read_bytes
from interlingua.data.image_header import declared_size, image_kind
from interlingua.data.source import count_reasons
from interlingua.data.sources.shards import Shards
from interlingua.errors import DataError, MediaError

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))

folder, answer = Path(sys.argv[1]), {}
# everything that is imported and started is counted before
Shards(Shards.Config(paths=[str(folder / "warm.tar")]))
for path in sorted(folder.glob("bad-*.tar")):
    before, begun = peak(), time.perf_counter()
    try:
        shards = Shards(Shards.Config(paths=[str(path)]))
        samples = list(shards)
        reasons = count_reasons(shards.problems)
        for sample in samples:
            for part in sample.parts:
                try:
                    read_bytes(part.content, 1_000_000)
                except MediaError as error:
                    reasons[error.reason] = reasons.get(error.reason, 0) + 1
    except DataError as error:
        samples, reasons = [], {error.what: 1}
    answer[path.stem] = [len(samples), reasons, peak() - before, time.perf_counter() - begun]
print(json.dumps(answer))
"""


def in_a_process(script: str, *arguments: object, cache: Path) -> dict:
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(write.__file__).parents[3]),
        "INTERLINGUA_CACHE": str(cache),
        "OMP_NUM_THREADS": "1",
    }
    ended = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True, text=True, env=environment, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def header(name: str, size: int, kind: bytes = b"0") -> bytes:
    from interlingua.data.shards import tar_header

    block = bytearray(tar_header.make(name, 0))
    block[124:136] = b"\x80" + size.to_bytes(11, "big")
    block[156:157] = kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def member(name: str, data: bytes) -> bytes:
    return header(name, len(data)) + data + bytes(-len(data) % 512)


@pytest.fixture
def bad(tmp_path: Path, picture) -> Path:
    """Archives that lie about sizes or are full of nothing; kilobytes to megabytes on disk."""
    folder = tmp_path / "bad"
    folder.mkdir()
    good, end = member("a.png", picture(1)), bytes(1024)
    files = {
        "warm": good + end,
        "bad-size": good + header("b.png", 1 << 40) + end,
        "bad-pax-size": good + header("x", 1 << 33, b"x") + end,
        "bad-long-name": good + header("L", 1 << 33, b"L") + end,
        "bad-endless-name": good + header("L", 60_000, b"L") + b"n" * 60_416 + good + end,
        "bad-links": good + header("link", 1 << 33, b"2") * 40_000 + end,
        "bad-devices": good + header("null", 0, b"3") * 40_000 + end,
        "bad-empties": b"".join(header(f"{n:06d}.png", 0) for n in range(5_000)) + end,
        "bad-one-key": header("same.png", 0) * 5_000 + end,
        "bad-endings": b"".join(header(f"same.{n}", 0) for n in range(5_000)) + end,
        "bad-numbers": member("a.json", b'{"caption": ' + b"9" * 900_000 + b"}") + good + end,
        "bad-depth": member("b.json", b"[" * 1_000_000) + good + end,
        "bad-gzip": b"\x1f\x8b" + bytes(5_000),
    }
    for name, data in files.items():
        (folder / f"{name}.tar").write_bytes(data)
    (folder / "bad-index.tar").write_bytes(good + end)
    with (folder / "bad-index.tar.index.jsonl").open("wb") as file:
        file.truncate(400 << 20)
    with (folder / "bad-large-picture.tar").open("wb") as file:  # sparse: takes no room on disk
        file.write(header("big.png", 80 << 20))
        file.truncate((80 << 20) + 512)
        file.seek(0, 2)
        file.write(header("big.txt", 60 << 20))
        file.truncate((140 << 20) + 1024)
        file.seek(0, 2)
        file.write(good + end)
    return folder


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_bombs_and_liars_cost_under_50_megabytes(bad: Path, tmp_path: Path) -> None:
    answer = in_a_process(CHILD, bad, cache=tmp_path / "cache2")
    found = {name: (samples, reasons) for name, (samples, reasons, _, _) in answer.items()}
    assert found == {
        "bad-size": (1, {"cut off": 1}),
        "bad-pax-size": (0, {"No sample can be used: 1× a header over 64 kB.": 1}),
        "bad-long-name": (0, {"No sample can be used: 1× a header over 64 kB.": 1}),
        "bad-endless-name": (1, {"a name over 1,024 bytes": 1}),
        "bad-links": (1, {"a link": 40_000}),
        "bad-devices": (1, {"a device or a pipe": 40_000}),
        "bad-empties": (5_000, {"empty": 5_000}),
        "bad-one-key": (1, {"a member that is there twice": 4_999, "empty": 1}),
        "bad-endings": (
            0,
            {
                "No sample can be used: 4744× more members than a sample may have, 256× a member "
                "with an ending that is not read, 1× a sample without picture, sound or text.": 1
            },
        ),
        "bad-numbers": (0, {"not_json": 1}),
        "bad-depth": (1, {"not_json": 1}),
        "bad-index": (1, {"a damaged index (the shard was read whole instead)": 1}),
        "bad-gzip": (0, {"The shard is compressed, so no sample can be read by its number.": 1}),
        "bad-large-picture": (1, {"too_large": 1}),
    }
    assert max(more for _, _, more, _ in answer.values()) < 50
    assert max(seconds for *_, seconds in answer.values()) < 10


INDEX = """
import gc, json, sys, time
from interlingua.data.shards.index_file import from_bytes, to_bytes
from interlingua.data.shards.shard_index import IndexBuilder, Place
from interlingua.data.shards.sample_choice import choose_samples
from interlingua.data.source import Problems

count = int(sys.argv[1])
builder = IndexBuilder()
for n in range(count):
    at = 512 + n * 20_480
    builder.add(
        f"{n:09d}", [Place("jpg", at, 16_000, n), Place("json", at + 16_896, 300, n),
                     Place("txt", at + 17_920, 40, n)]
    )
data = to_bytes(builder.build("a.tar", 1 << 40))
del builder
gc.collect()

def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))

before, begun = resident(), time.perf_counter()
index = from_bytes(data, "a")
seconds = time.perf_counter() - begun
choice = choose_samples([index], {}, "unique", Problems())
gc.collect()
kept = resident() - before
print(json.dumps({"bytes": kept / count, "arrays": index.memory() / count, "seconds": seconds,
                  "samples": len(choice), "file": len(data) / count}))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_sample_costs_the_memory_of_an_index(tmp_path: Path) -> None:
    """100,000 samples of three members each: bytes in memory for one."""
    count = 100_000
    measured = in_a_process(INDEX, count, cache=tmp_path / "cache2")
    assert measured["samples"] == count
    assert measured["arrays"] < 64
    assert measured["bytes"] * count < 50e6  # resident, with what the allocator keeps for itself
