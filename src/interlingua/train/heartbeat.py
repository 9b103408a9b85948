"""Which of many processes is gone or stuck: each tells the others that it lives, and where it is.

A collective that fails says that *somebody* is missing. To name it, a thread of every process
writes a beat (host, process, step, what it does) into the store that the processes met at, on a
connection of its own. Who is silent is gone; who beats but is a step behind is stuck. The first
to know writes it down, so that all processes end with the same message.

Where a hanging collective can't be interrupted from Python (NCCL), the same thread ends the
process once the patience is over.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

_FAILURE = "failure"
_GRACE = 10.0  # seconds after the collective's own timeout before the process is ended


@dataclass(frozen=True, slots=True)
class Beat:
    """Where a process is.

    Attributes:
        rank: its number.
        host, pid: where it runs.
        step: the optimizer step it works on.
        phase: 0 while it waits for its data, 1 in the step itself.
        count: of its beats.
    """

    rank: int
    host: str
    pid: int
    step: int
    phase: int
    count: int

    @property
    def name(self) -> str:
        """For messages."""
        return f"rank {self.rank} ({self.host}, process {self.pid})"


class Heartbeat:
    """The beats of this process and of all others.

    Args:
        store: a ``torch.distributed`` store; it is cloned, so that nobody waits for anybody.
        rank, world: which of how many processes this is.
        timeout: seconds that a process may be silent or behind.
    """

    def __init__(self, store: Any, rank: int, world: int, timeout: float):
        self._store = store.clone()
        self.rank = rank
        self.world = world
        self.timeout = timeout
        self.interval = min(1.0, timeout / 20)
        self._step, self._phase, self._count = 0, 1, 0
        self._moved = time.monotonic()
        self._host, self._pid = socket.gethostname(), os.getpid()
        self._seen: dict[int, tuple[Beat, float]] = {}  # the newest beat and when it was new
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._write()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def meet(self) -> None:
        """All have begun: learn who they are."""
        self._read()

    def at(self, step: int, phase: int) -> None:
        """This process has come to a step: 0 = waits for its data, 1 = computes."""
        self._step, self._phase = step, phase
        self._moved = time.monotonic()

    def stop(self) -> None:
        """No more beats."""
        self._stopping.set()
        self._thread.join(timeout=self.interval + 5)

    def fail(self, message: str) -> str:
        """Write down why the run ends, unless somebody has; gives what stands there."""
        try:
            with self._lock:
                found = self._store.compare_set(_FAILURE, "", message)
        except RuntimeError:  # the store went with the process that held it
            return message
        return str(found.decode()) or message

    def failure(self) -> str:
        """Why the run ends, as the first to know wrote it, or an empty string.

        Raises:
            RuntimeError: the store is gone.
        """
        with self._lock:
            return self._store.get(_FAILURE).decode() if self._store.check([_FAILURE]) else ""

    def explain(self) -> str:
        """Wait until it is clear who is gone or stuck; gives the sentence for all processes."""
        deadline = time.monotonic() + 6 * self.interval + 1
        while True:
            try:
                if found := self.failure():
                    return found
                if silent := self.silent(4 * self.interval):
                    return self.fail(self._sentence(silent, "is gone"))
            except RuntimeError:
                holder = [beat for beat, _ in self._seen.values() if beat.rank == 0]
                return self._sentence(holder, "is gone, with the store of this run,")
            if time.monotonic() > deadline:
                if behind := self.behind():
                    return self.fail(self._sentence(behind, "is stuck"))
                return self.fail("the connection between the processes broke")
            time.sleep(self.interval / 2)

    def silent(self, seconds: float) -> list[Beat]:
        """The processes that have shown no beat for so long, looked at now.

        Raises:
            RuntimeError: the store is gone.
        """
        self._read()
        now = time.monotonic()
        return [beat for beat, since in self._seen.values() if now - since > seconds]

    def behind(self) -> list[Beat]:
        """The processes that are at an earlier step, or still wait for the data of this one."""
        places = {beat.rank: (beat.step, beat.phase) for beat, _ in self._seen.values()}
        places[self.rank] = (self._step, self._phase)
        first = max(places.values())
        return [beat for beat, _ in self._seen.values() if places[beat.rank] < first]

    def _run(self) -> None:
        while not self._stopping.wait(self.interval):
            try:
                self._write()
                waiting = time.monotonic() - self._moved
                if waiting > 2 * self.interval:  # while steps are done nobody asks the store
                    self._read()
                if waiting > self.timeout + _GRACE and self._phase == 1:
                    self._end_if_others_are_missing()
            except RuntimeError:
                return  # the store is gone, and the collectives will say so

    def _end_if_others_are_missing(self) -> None:
        silent = self.silent(self.timeout)
        missing = silent or self.behind()
        if not missing:
            return  # everybody is in the same long step
        message = self.fail(self._sentence(missing, "is gone" if silent else "is stuck"))
        sys.stderr.write(f"Training ends: {message}.\n")
        sys.stderr.flush()
        os._exit(1)

    def _write(self) -> None:
        self._count += 1
        beat = [self._host, self._pid, self._step, self._phase, self._count]
        with self._lock:
            self._store.set(f"beat/{self.rank}", json.dumps(beat))

    def _read(self) -> None:
        others = [rank for rank in range(self.world) if rank != self.rank]
        keys = [f"beat/{rank}" for rank in others]
        with self._lock:
            if not self._store.check(keys):  # somebody has not begun yet
                return
            values = self._store.multi_get(keys)
        now = time.monotonic()
        for rank, value in zip(others, values, strict=True):
            beat = Beat(rank, *json.loads(value))
            if rank not in self._seen or self._seen[rank][0] != beat:
                self._seen[rank] = (beat, now)

    def _sentence(self, beats: list[Beat], what: str) -> str:
        # All processes end a step together, so it is the same as ours, newer than their beat says.
        shown = ", ".join(beat.name for beat in beats[:4]) or "rank 0"
        more = f" and {len(beats) - 4} more" if len(beats) > 4 else ""
        return f"{shown}{more} {what} at step {self._step}"
