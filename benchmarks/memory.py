"""Peak memory of one side: measured in a fresh process that does nothing else.

The kernel's own high-water mark is read, so what torch, NumPy and Pillow allocate counts alike. The
worker processes of a ``DataLoader`` are not counted, which favours a peer that has some.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness import Side


def peak_of_side(side: Side, device: str, rounds: int = 1) -> dict[str, float]:
    """Run a side in this process.

    Returns:
        MB: ``peak`` of the process while the work runs, ``before`` when it began (interpreter,
        libraries, weights, inputs), and ``added``, the difference; on a GPU those of its memory.
    """
    prepared = side.prepare()
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated() / 1e6
    else:
        _reset_peak()
        before = _status("VmRSS")
    for number in range(rounds):
        prepared.run(number)
    peak = torch.cuda.max_memory_allocated() / 1e6 if on_gpu else _status("VmHWM")
    return {"before": before, "peak": peak, "added": peak - before}


def peak_in_child(arguments: list[str], case: str, side: str) -> dict[str, float] | None:
    """``peak_of_side`` in a fresh process, started with the same options.

    Returns:
        None where the system doesn't tell (no ``/proc``).

    Raises:
        RuntimeError: the process failed; with the end of what it wrote.
    """
    if not Path("/proc/self/status").exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "memory.json"
        command = [sys.executable, "-m", "benchmarks", *arguments]
        command += ["--memory-of", side, "--memory-case", case, "--memory-file", str(answer)]
        done = subprocess.run(
            command, cwd=Path(__file__).resolve().parents[1], capture_output=True, text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}, check=False,
        )  # fmt: skip
        if not answer.exists():
            raise RuntimeError(f"memory of {side} in {case}: {done.stderr[-2000:]}")
        result: dict[str, Any] = json.loads(answer.read_text("utf-8"))
        return result


def _reset_peak() -> None:
    with contextlib.suppress(OSError):  # not allowed everywhere; then the peak is the process'
        Path("/proc/self/clear_refs").write_text("5")


def _status(field: str) -> float:
    """MB."""
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")
