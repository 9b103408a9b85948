from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from interlingua.catalogue.cache import (
    cache_root,
    install_folder,
    locked,
    require_space,
    write_whole,
)
from interlingua.errors import FetchError


def test_the_cache_is_where_the_variable_says(cache: Path) -> None:
    assert cache_root() == cache
    assert cache.is_dir()


def test_a_cache_that_cannot_be_made_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(FetchError, match="INTERLINGUA_CACHE"):
        cache_root()


def test_a_lock_keeps_other_threads_out(cache: Path) -> None:
    inside, most = 0, 0

    def work(_: int) -> None:
        nonlocal inside, most
        with locked("thing"):
            inside += 1
            most = max(most, inside)
            time.sleep(0.02)  # long enough for another thread to come in, if it could
            inside -= 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert most == 1


def test_a_killed_process_leaves_no_lock(cache: Path) -> None:
    program = (
        "import time; from interlingua.catalogue.cache import locked\n"
        "with locked('thing'): print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    notices: list[str] = []

    def told(message: str, done: int = 0, total: int = 0) -> None:
        notices.append(message)
        holder.kill()  # we are waiting now, so the lock does hold

    with locked("thing", told):
        pass
    holder.wait()
    holder.stdout.close()
    assert len(notices) == 1
    assert "waiting" in notices[0]


def test_a_folder_appears_whole_or_not_at_all(cache: Path) -> None:
    final = cache_root() / "data" / "thing"
    install_folder(final, lambda work: write_whole(work / "a", b"old"))

    def breaks(work: Path) -> None:
        write_whole(work / "a", b"new")
        assert (final / "a").read_bytes() == b"old"
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        install_folder(final, breaks)
    assert (final / "a").read_bytes() == b"old"
    assert list((cache / "tmp").iterdir()) == []
    install_folder(final, lambda work: write_whole(work / "a", b"new"))
    assert (final / "a").read_bytes() == b"new"
    assert list((cache / "tmp").iterdir()) == []


def test_what_a_killed_build_left_is_cleared(cache: Path) -> None:
    leftover = cache_root() / "tmp" / "data.thing.0123"
    leftover.mkdir(parents=True)
    (leftover / "half").write_bytes(b"x" * 100)
    other = cache_root() / "tmp" / "data.thingamajig.0123"
    other.mkdir()
    install_folder(cache / "data" / "thing", lambda work: None)
    assert not leftover.exists()
    assert other.exists(), "another entry's build may be going on"


def test_a_full_disk_is_told_before_the_download(tmp_path: Path) -> None:
    require_space(tmp_path, 1)
    with pytest.raises(FetchError, match="free"):
        require_space(tmp_path, 1 << 60)
