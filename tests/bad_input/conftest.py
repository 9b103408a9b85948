"""What the tests of bad input share: small pictures, and processes whose memory is measured."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

TESTS = Path(__file__).resolve().parents[1]
GROWTH = """
import json, sys
def resident(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(name))
def grown(do):
    before = resident("VmRSS")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the high water mark is what is in use now
    try:
        answer = do()
    except (MediaError, DataError) as error:
        answer = getattr(error, "reason", error.what)
    return answer, resident("VmHWM") - before
"""


@pytest.fixture
def measured(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs a script in a process of its own, with ``grown(do) -> (answer, megabytes more)``."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("memory is measured by /proc")

    def run(script: str, *arguments: object) -> dict[str, Any]:
        ended = subprocess.run(
            [sys.executable, "-c", GROWTH + script, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join((str(TESTS.parent / "src"), str(TESTS))),
                "INTERLINGUA_CACHE": str(tmp_path / "cache-of-the-child"),
                "OMP_NUM_THREADS": "1",
            },
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    return run


@pytest.fixture(scope="session")
def picture() -> Callable[[int], bytes]:
    """``picture(3)``: a small PNG, another for each number."""

    def make(number: int) -> bytes:
        pixels = numpy.random.default_rng(number).integers(0, 256, (24, 24, 3), numpy.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        return buffer.getvalue()

    return make
