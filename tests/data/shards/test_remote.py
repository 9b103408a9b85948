"""Shards behind addresses: ranges from a real HTTP server that fails on request; S3's door.

The door of S3 and its like (``cat_file`` of an fsspec file system) is tested with fsspec's memory
file system; no S3 server is started here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from interlingua.data.shards.index_file import ENDING
from interlingua.data.shards.remote import RemoteFile, Retry
from interlingua.data.shards.storage import pieces
from interlingua.data.shards.write import write_shards
from interlingua.data.source import count_reasons
from interlingua.data.sources.shards import Shards
from interlingua.errors import DataError, InterlinguaError, MediaError
from tests.data.shards.folder_server import Server, serving

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

FAST = {"attempts": 4, "pause": 0.01, "timeout": 5.0}


@pytest.fixture
def server(things, tmp_path: Path) -> Iterator[Server]:
    """Four shards of five samples each, with their indexes."""
    write_shards(things(20), tmp_path / "set", samples_per_shard=5)
    with serving(tmp_path / "set") as state:
        yield state


def opened(server: Server, **options: Any) -> Shards:
    path = f"{server.url}/things-{{000000..000003}}.tar"
    return Shards(Shards.Config(**{"paths": [path], "retry": FAST, **options}))


def pictures(shards: Shards) -> list[bytes]:
    return [one.alternatives("image")[0].content.read() for one in shards]


def test_with_indexes_only_what_is_read_is_fetched(server: Server, picture) -> None:
    shards = opened(server, workers=0)
    assert (len(shards), shards.shard_sizes, shards.problems) == (20, [5, 5, 5, 5], [])
    assert {path for _, path, _ in server.asked if path.endswith(ENDING)}
    assert not any(m == "GET" and p.endswith(".tar") for m, p, _ in server.asked)
    server.asked.clear()
    [image] = shards[13].alternatives("image")
    assert image.content.read() == picture(13)
    fetched = [(path, wanted) for method, path, wanted in server.asked if method == "GET"]
    assert [path for path, _ in fetched] == ["/things-000002.tar"] * 2  # its JSON, its picture
    assert all(re.fullmatch(r"bytes=\d+-\d+", wanted) for _, wanted in fetched)


def test_without_indexes_a_shard_is_read_once_in_order(
    server: Server, tmp_path: Path, picture
) -> None:
    for path in server.folder.glob(f"*{ENDING}"):
        path.unlink()
    shards = opened(server)
    assert pictures(shards) == [picture(number) for number in range(20)]
    assert [one.scanned for one in shards.shards] == [True] * 4
    assert [one.scanned for one in opened(server).shards] == [False] * 4, "by its ETag"


FAULTS = [500, 503, 429, "cut", "close"]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_passes_is_tried_again(server: Server, fault: Any, picture) -> None:
    shards = opened(server)
    server.faults = [fault, fault]
    assert shards[0].alternatives("image")[0].content.read() == picture(0)
    assert server.faults == []


def test_faults_at_every_request(server: Server, picture) -> None:
    server.faults = [FAULTS[number % 5] if number % 3 else None for number in range(60)]
    patient = {"retry": {"attempts": 12, "pause": 0.001}}
    assert pictures(opened(server, **patient)) == [picture(number) for number in range(20)]
    assert server.faults == []


def test_a_server_that_is_silent(server: Server) -> None:
    shards = opened(server)
    file = RemoteFile(
        f"{server.url}/things-000000.tar", retry=Retry(attempts=2, pause=0, timeout=0.2)
    )
    file.size()
    server.faults = ["stall", "stall"]
    with pytest.raises(MediaError, match=r"doesn't answer in time \(2 attempts\)"):
        file.read(0, 10)
    assert len(shards) == 20


@pytest.mark.parametrize(
    ("fault", "message", "attempts"),
    [
        (404, "There is no such shard", 1),
        (403, "doesn't give this shard", 1),
        (401, "doesn't give this shard", 1),
        (500, r"answers with 500 \(4 attempts\)", 4),
        ("cut", r"connection to the server fails or breaks \(4 attempts\)", 4),
    ],
)
def test_failures_in_words(server: Server, fault: Any, message: str, attempts: int) -> None:
    file = RemoteFile(f"{server.url}/things-000000.tar?signature=secret", retry=Retry(**FAST))
    file.size()
    server.asked.clear()
    server.faults = [fault] * 10
    with pytest.raises(MediaError, match=message) as error:
        file.read(0, 1000)
    assert server.ranges_asked == attempts
    assert "secret" not in str(error.value)
    assert error.value.next_step


def test_nobody_listens() -> None:
    with pytest.raises(
        DataError, match=r"connection to the server fails.*\n.*127\.0\.0\.1:1/a\.tar"
    ):
        Shards(Shards.Config(paths=["http://127.0.0.1:1/a.tar"], retry={"attempts": 2, "pause": 0}))


def test_a_shard_of_many_that_is_not_there(server: Server) -> None:
    (server.folder / "things-000001.tar").unlink()
    shards = opened(server)
    assert (len(shards), count_reasons(shards.problems)) == (
        15, {"a shard: There is no such shard": 1}
    )  # fmt: skip


def test_a_server_without_ranges_is_refused_not_read_whole(server: Server) -> None:
    shards = opened(server)
    server.ranges = False
    with pytest.raises(MediaError, match="whole files instead of ranges"):
        shards[3].alternatives("image")[0].content.read()


def test_a_far_shard_that_became_shorter(server: Server) -> None:
    shards = opened(server)
    path = server.folder / "things-000003.tar"
    path.write_bytes(path.read_bytes()[:3_000])
    with pytest.raises(MediaError) as error:
        shards[19].alternatives("image")[0].content.read()
    assert error.value.reason in ("cut_off", "unreachable")


def test_pieces_are_fetched_ahead_and_come_in_order(server: Server) -> None:
    path = server.folder / "things-000000.tar"
    file = RemoteFile(f"{server.url}/{path.name}", retry=Retry(**FAST))
    server.faults = ["cut", 500]
    assert b"".join(pieces(file, 100, file.size(), piece=700, ahead=3)) == path.read_bytes()[100:]


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it never came true")


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_whole_shards_are_near_while_they_are_needed(
    server: Server, workers: int, picture, tmp_path: Path
) -> None:
    shards = opened(server, workers=workers)
    near = tmp_path / "cache" / "shards"
    shards.keep([2, 0])
    if workers:
        wait_until(lambda: shards.near.fetched == 2)
        server.asked.clear()
    found = [shards[n].alternatives("image")[0].content for n in (0, 10, 14)]
    assert [one.read() for one in found] == [picture(n) for n in (0, 10, 14)]
    if workers:
        assert server.asked == [], "all came from the copies"
        assert len(list(near.glob("*/*.tar"))) == 2
        assert found[0].name.startswith("http://"), "messages name the shard, not the copy"
    shards.keep([1])
    if workers:
        wait_until(lambda: len(list(near.glob("*/*.tar"))) == 1)
    assert found[0].read() == picture(0), "dropped, it is read from afar"
    shards.close()
    assert list(near.glob("*/*")) == []


def test_copies_of_a_killed_process_are_removed(server: Server, tmp_path: Path) -> None:
    import socket

    near = tmp_path / "cache" / "shards"
    dead = near / f"nearby-{socket.gethostname()}-999999999-x"
    alive = near / f"nearby-{socket.gethostname()}-1-x"
    elsewhere = near / "nearby-another.host-999999999-x"
    for folder in (dead, alive, elsewhere):
        folder.mkdir(parents=True)
    shards = opened(server, workers=1)
    shards.keep([0])
    assert [folder.exists() for folder in (dead, alive, elsewhere)] == [False, True, True]
    shards.close()


def test_a_copy_that_fails_is_read_from_afar(server: Server, picture) -> None:
    shards = opened(server, workers=1)
    server.faults = [404]
    shards.keep([0])
    assert shards[0].alternatives("image")[0].content.read() == picture(0)
    assert shards.near.fetched == 0
    shards.close()


def test_a_copy_that_is_given_up_while_it_is_waited_for(server: Server, picture) -> None:
    """As when a run is measured while its stream goes on to the next window."""
    shards = opened(server, workers=1)
    file = shards[5].alternatives("image")[0].content
    server.faults = ["stall"] * 3
    shards.keep([0, 1])  # the first one occupies the only thread
    wait_until(lambda: len(server.faults) < 3)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(file.read)
        assert not wait([read], timeout=0.2).done, "it waits for the copy"
        shards.keep([0])
        assert read.result(timeout=10) == picture(5)
    shards.close()


def test_the_door_of_object_stores(server: Server, picture) -> None:
    """S3, GCS, Azure: fsspec's ``cat_file`` with a start and an end."""
    memory = fsspec.filesystem("memory")
    for path in server.folder.glob("things-*"):
        memory.pipe(f"/bucket/{path.name}", path.read_bytes())
    try:
        source = "memory://bucket/things-{000000..000003}.tar"
        shards = Shards(Shards.Config(paths=[source], workers=2))
        assert (shards.name, len(shards)) == ("things", 20)
        shards.keep([3])
        assert pictures(shards) == [picture(number) for number in range(20)]
        shards.close()
    finally:
        memory.rm("/bucket", recursive=True)


@pytest.mark.parametrize("package", ["fsspec", "aiohttp"])
def test_without_the_extra_the_line_that_gets_it(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InterlinguaError, match=rf"'{package}'(.|\n)*interlingua\[remote\]"):
        Shards(Shards.Config(paths=["http://127.0.0.1:1/a.tar"]))


def test_without_s3fs_the_line_that_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(InterlinguaError, match=r"'s3fs'(.|\n)*interlingua\[s3\]"):
        Shards(Shards.Config(paths=["s3://bucket/a.tar"]))


def test_options_that_nobody_knows(server: Server) -> None:
    with pytest.raises(InterlinguaError, match="doesn't take these options"):
        opened(server, options={"client_kwargs": {"nonsense": 1}})
