"""A comparison that was stopped, by Ctrl-C or SIGKILL, goes on and ends as if it had not been."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from interlingua.comparison.engine import compare
from interlingua.comparison.runs.record import read_record
from interlingua.train.run_folder import read_lines

SCRIPT = Path(__file__).with_name("interrupted_comparison.py")
STOPPED_AT = 40  # steps of all runs, of 3 * 150


@pytest.fixture(scope="module")
def program(small_tasks: ModuleType) -> ModuleType:
    return importlib.import_module("interrupted_comparison")


@pytest.fixture(scope="module")
def whole(program: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without being stopped."""
    out = tmp_path_factory.mktemp("whole")
    compare(program.task(), out=out, processes=1, **program.GIVEN)
    return out


def stopped(out: Path, number: int, processes: int) -> tuple[int, str]:
    """Start it, send the signal once it trains, and wait; its exit code and what it said."""
    program = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(out), str(processes)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert program.stdout is not None
    for line in program.stdout:
        if int(line.split()[0]) >= STOPPED_AT:
            break
    if number == signal.SIGINT:
        os.killpg(program.pid, number)  # as a terminal does
    else:
        os.kill(program.pid, number)
    _, said = program.communicate(timeout=120)
    return program.returncode, said


def gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def ends_as_whole(out: Path, whole: Path, program: ModuleType) -> None:
    found = compare(program.task(), out=out, processes=1, **program.GIVEN)
    assert len(found.rows) == 3
    names = sorted(path.name for path in (whole / "runs").iterdir())
    assert sorted(path.name for path in (out / "runs").iterdir()) == names
    for name in names:
        one, other = (read_record(folder / "runs" / name) for folder in (out, whole))
        assert one is not None and other is not None
        np.testing.assert_array_equal(one.logits, other.logits)
        assert one.loss == other.loss
        steps = [row["step"] for row in read_lines(out / "runs" / name / "metrics.jsonl")]
        assert steps == sorted(set(steps)), "no step is written twice"


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_ctrl_c_leaves_what_is_done(
    program: ModuleType, whole: Path, tmp_path: Path, processes: int
) -> None:
    code, said = stopped(tmp_path, signal.SIGINT, processes)
    assert code == 130, said
    assert "Traceback" not in said
    assert "The same command goes on from here" in said
    assert list(tmp_path.glob("runs/*/steps/step-*")), "the step it was in is saved"
    ends_as_whole(tmp_path, whole, program)


@pytest.mark.slow
def test_killed_with_its_workers_at_work(program: ModuleType, whole: Path, tmp_path: Path) -> None:
    code, said = stopped(tmp_path, signal.SIGKILL, 2)
    assert code == -signal.SIGKILL
    for _ in range(100):  # the workers save their steps and end by themselves
        saved = list(tmp_path.glob("runs/*/steps/step-*/manifest.json"))
        if len(saved) == 2:
            break
        time.sleep(0.1)
    assert len(saved) == 2, said
    ends_as_whole(tmp_path, whole, program)
