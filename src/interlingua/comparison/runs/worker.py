"""A process that trains and measures one job after another; see ``pool.py``.

It listens to its parent alone: Ctrl-C is the parent's to handle, and when the parent is gone it
saves the step it is in and ends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from pathlib import Path

from interlingua.comparison.folds.opened import Folds
from interlingua.comparison.runs.run import Job, run_job
from interlingua.config import NamedConfig
from interlingua.errors import InterlinguaError, Interrupted
from interlingua.train.log import Silent

PROGRESS_EVERY = 0.5  # seconds
TRACEBACK_FILE = "failed.txt"


class Steps(Silent):
    """Tells somebody how many steps of a job are done, now and then."""

    def __init__(self, tell: Callable[[int], None]):
        self.tell = tell
        self._told = 0.0

    def advance(self, step: int) -> None:
        """See ``Display``."""
        now = time.monotonic()
        if now - self._told >= PROGRESS_EVERY:
            self._told = now
            self.tell(step)


def outcome_of(job: Job, folds: Folds, out: Path, tell: Callable[[int], None]) -> tuple[str, str]:
    """Run a job; what becomes of it and the folder or the message.

    Returns:
        ``done`` and the folder, ``stopped`` and the signal, or ``failed`` and why. The traceback of
        what is no error for people goes into a file.
    """
    try:
        return "done", run_job(job, folds, out, Steps(tell))
    except Interrupted as stop:
        return "stopped", "SIGINT" if stop.exit_code else "SIGTERM"
    except InterlinguaError as error:
        return "failed", str(error)
    except Exception as error:
        out.mkdir(parents=True, exist_ok=True)
        path = out / f"{job.name}-{TRACEBACK_FILE}"
        path.write_text(traceback.format_exc(), encoding="utf-8")
        return "failed", f"{type(error).__name__}: {error}\n  where: {path}"


def serve(connection: Connection, settings: NamedConfig, out: Path) -> None:
    """Take jobs from the connection until it gives None or closes.

    It sends ``(step, number)`` while it trains, and what ``outcome_of`` gives.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        folds: Folds | None = None
        while (job := connection.recv()) is not None:
            if folds is None:
                try:
                    folds = Folds(settings.build())
                except InterlinguaError as error:
                    connection.send(("failed", str(error)))
                    continue
            what, said = outcome_of(job, folds, out, lambda step: connection.send(("step", step)))
            connection.send((what, said))
            if what == "stopped":
                return
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the parent is gone


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)  # in training: the step is saved first
