"""Jobs over worker processes: one that dies costs its job, never the others.

A worker is given the jobs of one fold as long as there are some, so that it keeps the fold in
memory. With one process everything runs here, in the same way.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from interlingua.comparison.folds.opened import Folds
from interlingua.comparison.runs.run import Job
from interlingua.comparison.runs.worker import outcome_of, serve
from interlingua.config import NamedConfig
from interlingua.errors import Interrupted
from interlingua.train.interrupt import Interrupt

TRIES = 2  # of a job whose process dies
LOOK_EVERY = 0.2  # seconds between looks for Ctrl-C
PATIENCE = 60.0  # seconds to save a step in
GO_ON = "The same command goes on from here; what is finished stays."


@dataclass(slots=True)
class Outcomes:
    """What became of the jobs.

    Attributes:
        folders: by job, of the finished runs.
        failed: by job, the message.
    """

    folders: dict[Job, str] = field(default_factory=dict)
    failed: dict[Job, str] = field(default_factory=dict)


# (steps of all jobs done, steps in all)
Progress = Callable[[int, int], None]


def run_all(
    jobs: Sequence[Job],
    steps: int,
    settings: NamedConfig,
    folds: Folds,
    out: Path,
    processes: int,
    progress: Progress,
) -> Outcomes:
    """Run all jobs.

    Args:
        jobs: those of one fold and seed one after another.
        steps: of each.
        settings: of the task, which workers build anew.
        folds: of the task as it is built here, for a single process.
        out: where the runs' folders go.
        processes: how many at a time; 1 starts none.
        progress: is told.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; the steps are saved.
    """
    if not jobs:
        return Outcomes()
    if processes <= 1:
        return _run_here(jobs, steps, folds, out, progress)
    interrupt = Interrupt()
    pool = Pool(jobs, steps, settings, out, progress)
    with interrupt.watching():
        try:
            pool.start(min(processes, len(jobs)))
            while pool.busy:
                if interrupt.signal is not None:
                    pool.stop()
                    raise Interrupted(interrupt.name or "a signal", where=str(out), next_step=GO_ON)
                pool.look()
        finally:
            pool.end()
    return pool.outcomes


def _run_here(
    jobs: Sequence[Job], steps: int, folds: Folds, out: Path, progress: Progress
) -> Outcomes:
    outcomes = Outcomes()
    interrupt = Interrupt()  # between two trainings, which watch for themselves
    total = len(jobs) * steps
    for number, job in enumerate(jobs):
        with interrupt.watching():
            what, said = outcome_of(job, folds, out, _after(number * steps, total, progress))
        if what == "stopped" or interrupt.signal is not None:
            name = said if what == "stopped" else interrupt.name
            raise Interrupted(name or "a signal", where=str(out), next_step=GO_ON)
        (outcomes.folders if what == "done" else outcomes.failed)[job] = said
    progress(total, total)
    return outcomes


def _after(done: int, total: int, progress: Progress) -> Callable[[int], None]:
    progress(done, total)
    return lambda step: progress(min(done + step, total - 1), total)


@dataclass(slots=True)
class Worker:
    """A process and what it works on."""

    process: BaseProcess
    connection: Connection
    job: Job | None = None
    step: int = 0


class Pool:
    """The workers and what is left to do."""

    def __init__(
        self,
        jobs: Sequence[Job],
        steps: int,
        settings: NamedConfig,
        out: Path,
        progress: Progress,
    ):
        self.waiting = deque(jobs)
        self.total = len(jobs)
        self.steps = steps
        self.settings = settings
        self.out = out
        self.progress = progress
        self.outcomes = Outcomes()
        self.workers: list[Worker] = []
        self.deaths: dict[Job, int] = {}
        self.told = -1

    @property
    def busy(self) -> bool:
        """Something is being done."""
        return any(worker.job is not None for worker in self.workers)

    def start(self, count: int) -> None:
        """Start that many workers, each with a job."""
        for _ in range(count):
            self._hire()

    def look(self) -> None:
        """Wait a moment for news, take them, and give out jobs."""
        ready = set(wait([one.connection for one in self.workers], timeout=LOOK_EVERY))
        for worker in list(self.workers):
            if worker.connection in ready:
                self._hear(worker)
        self._tell()

    def stop(self) -> None:
        """Ask all to save their step and end; wait for it."""
        for worker in self.workers:
            worker.process.terminate()
        patience = time.monotonic() + PATIENCE
        for worker in self.workers:
            worker.process.join(max(0.1, patience - time.monotonic()))

    def end(self) -> None:
        """End all workers, whatever they do."""
        for worker in self.workers:
            if worker.job is None:
                with suppress(OSError):
                    worker.connection.send(None)
                worker.process.join(5)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.connection.close()
        self.workers.clear()

    def _hire(self) -> None:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=serve, args=(there, self.settings, self.out))
        with _without_interrupts():
            process.start()
        there.close()
        worker = Worker(process, here)
        self.workers.append(worker)
        self._give(worker)

    def _give(self, worker: Worker) -> None:
        """The next job: of the worker's own fold, else of one that nobody has, else any."""
        last, worker.job, worker.step = worker.job, None, 0
        if not self.waiting:
            return
        others = {_place(one.job) for one in self.workers if one.job is not None}
        job = min(
            self.waiting,
            key=lambda one: (last is None or _place(one) != _place(last), _place(one) in others),
        )
        self.waiting.remove(job)
        worker.job = job
        try:
            worker.connection.send(job)
        except OSError:
            self._bury(worker)

    def _hear(self, worker: Worker) -> None:
        try:
            what, said = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(worker)
            return
        assert worker.job is not None
        if what == "step":
            worker.step = said
            return
        if what == "stopped":  # by somebody else's signal: as if it had died
            self._bury(worker)
            return
        (self.outcomes.folders if what == "done" else self.outcomes.failed)[worker.job] = said
        self._give(worker)

    def _bury(self, worker: Worker) -> None:
        """A worker is gone: its job is tried again once, by a new one."""
        worker.process.join(5)
        worker.connection.close()
        self.workers.remove(worker)
        job = worker.job
        assert job is not None
        self.deaths[job] = self.deaths.get(job, 0) + 1
        if self.deaths[job] < TRIES:
            self.waiting.appendleft(job)
        else:
            self.outcomes.failed[job] = (
                f"Its process ended {TRIES} times: {_ended(worker.process.exitcode)}.\n"
                "  next:  Start fewer processes, or make the batches smaller."
            )
        if self.waiting:
            self._hire()

    def _tell(self) -> None:
        finished = len(self.outcomes.folders) + len(self.outcomes.failed)
        under_way = sum(min(one.step, self.steps - 1) for one in self.workers)
        done = finished * self.steps + under_way
        if done != self.told:
            self.told = done
            self.progress(done, self.total * self.steps)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """What is started inside never hears of Ctrl-C, not even while it is loading."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _place(job: Job) -> tuple[int, int]:
    return job.fold, job.seed


def _ended(code: int | None) -> str:
    """How a process ended, in words."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"{name}, as when memory is out" if name == "SIGKILL" else name
    return f"exit code {code}"
