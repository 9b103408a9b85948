"""Decoding workers that are killed from outside: no file is lost, and nothing hangs.

Files that kill their own worker: tests/data/test_isolation.py. Whole processes of a training:
tests/train/test_many_processes.py. Those of a comparison: tests/comparison/test_engine.py.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from PIL import Image as Pillow

from interlingua.content import BytesContent
from interlingua.data.gate import ImageLimits
from interlingua.data.isolation import IsolatedDecoder
from interlingua.data.loader import decode
from interlingua.errors import MediaError
from interlingua.sample import Image
from interlingua.towers.tower import ImagePreprocess
from tests.faults.tally import Tally

PIXELS = ImagePreprocess(size=16)

# A worker that says who it is and takes its time, so that it can be killed while it works.
SLOW = """
import os, sys, time
from pathlib import Path
from interlingua.data import decode_worker
def decode(request, data):
    Path(sys.argv[1]).joinpath(str(os.getpid())).touch()
    time.sleep(float(sys.argv[2]))
    return decode_worker.decode_request(request, data)
decode_worker.serve(decode)
"""


def picture(number: int) -> BytesContent:
    buffer = io.BytesIO()
    Pillow.new("RGB", (20, 20), (number * 5, 40, 90)).save(buffer, "PNG")
    return BytesContent(buffer.getvalue(), f"{number}.png")


@pytest.fixture
def at_work(tmp_path: Path) -> Path:
    """The workers leave a file here, named after their process, when they begin."""
    (tmp_path / "at-work").mkdir()
    return tmp_path / "at-work"


def decoder(at_work: Path, tmp_path: Path, workers: int, seconds: float) -> IsolatedDecoder:
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    command = (sys.executable, str(script), str(at_work), str(seconds))
    return IsolatedDecoder(workers, seconds=20.0, command=command)


def kill_one(at_work: Path, seen: set[str]) -> None:
    """SIGKILL for the next worker that is at work."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for path in at_work.iterdir():
            if path.name not in seen:
                seen.add(path.name)
                os.kill(int(path.name), signal.SIGKILL)
                return
        time.sleep(0.005)
    raise AssertionError("no worker began")


def test_killed_at_work_its_file_is_decoded_by_the_next(
    at_work: Path, tmp_path: Path, tally: Tally
) -> None:
    parts = [Image(picture(number)) for number in range(12)]
    seen: set[str] = set()
    refused: list[str] = []
    with decoder(at_work, tmp_path, 2, 0.05) as isolated:
        expected = [picture_of(chunk) for chunk in decode(parts, PIXELS)]
        killer = threading.Thread(target=kill_one, args=(at_work, seen))
        killer.start()
        found = [
            picture_of(chunk)
            for chunk in decode(
                parts, PIXELS, threads=2, isolated=isolated,
                on_error=lambda number, part, error: refused.append(error.reason),
            )
        ]  # fmt: skip
        killer.join()
    with tally.trial("SIGKILL of a decoding worker", "at work"):
        assert len(seen) == 1
        assert refused == []
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def picture_of(chunk: object) -> torch.Tensor:
    return chunk.values  # type: ignore[attr-defined]


def test_killed_while_idle_nobody_notices(at_work: Path, tmp_path: Path, tally: Tally) -> None:
    with decoder(at_work, tmp_path, 1, 0.0) as isolated:
        first = isolated.pixels(picture(1), PIXELS, ImageLimits())
        with tally.trial("SIGKILL of a decoding worker", "idle"):
            kill_one(at_work, set())
            again = isolated.pixels(picture(1), PIXELS, ImageLimits())
            assert torch.equal(first, again)
        assert len(list(at_work.iterdir())) == 2


def test_killed_each_time_its_file_is_refused(at_work: Path, tmp_path: Path) -> None:
    seen: set[str] = set()
    with decoder(at_work, tmp_path, 1, 5.0) as isolated:
        killer = threading.Thread(target=lambda: [kill_one(at_work, seen) for _ in range(2)])
        killer.start()
        with pytest.raises(MediaError) as caught:
            isolated.pixels(picture(1), PIXELS, ImageLimits())
        killer.join()
    assert caught.value.reason == "crashed"
    assert len(seen) == 2, "it isn't tried for ever"
