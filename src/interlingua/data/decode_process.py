"""One process that decodes files, one at a time, and may die of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

from interlingua.errors import MediaError

_MAX_LINE = 65_536


class KilledError(Exception):
    """Somebody has sent the worker SIGKILL: the system, short of memory, or a person."""


class DecodeProcess:
    """A process of ``decode_worker``; used by one thread at a time.

    Args:
        command: that starts it.
    """

    def __init__(self, command: Sequence[str]):
        path = os.pathsep.join(entry for entry in sys.path if entry)
        self.process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )
        self.is_new = True

    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self.process.poll() is None

    def ask(
        self, request: dict[str, Any], data: bytes, seconds: float, where: str
    ) -> tuple[dict[str, Any], bytes]:
        """The answer's header and its bytes.

        Raises:
            MediaError: ``crashed`` or ``too_slow``; the process has ended then.
            KilledError: so it has, but by SIGKILL from outside.
        """
        late = threading.Event()

        def stop() -> None:
            late.set()
            self.process.kill()

        # Only the first answer waits for Python to start and import.
        timer = threading.Timer(seconds + (60.0 if self.is_new else 0.0), stop)
        timer.daemon = True
        timer.start()
        try:
            return self._exchange(request, data)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            killed = not late.is_set() and self._was_killed()
            self.end()
            if killed:
                raise KilledError from None
            raise gone("too_slow" if late.is_set() else "crashed", where) from None
        except BaseException:  # interrupted halfway: its next answer would be for this request
            self.end()
            raise
        finally:
            timer.cancel()
            self.is_new = False

    def _exchange(self, request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request).encode("ascii") + b"\n" + data)
        self.process.stdin.flush()
        line = self.process.stdout.readline(_MAX_LINE)
        if not line.endswith(b"\n"):
            raise ValueError("no answer")
        header: dict[str, Any] = json.loads(line)
        size = int(header.get("size", 0))
        if not 0 <= size <= 1 << 30:
            raise ValueError("no such answer was asked for")
        body = self.process.stdout.read(size)
        if len(body) != size:
            raise ValueError("half an answer")
        return header, body

    def _was_killed(self) -> bool:
        """By a signal that no decoder raises by itself; on a busy machine that takes its time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return os.name != "nt" and self.process.wait(5.0) == -signal.SIGKILL
        return False

    def end(self) -> None:
        """Kill the process and wait for it."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not written to the dead process
                    pipe.close()


def gone(reason: str, where: str) -> MediaError:
    """The error of a file whose process has ended: ``crashed`` or ``too_slow``."""
    what = {
        "crashed": "Decoding the file ended its process.",
        "too_slow": "Decoding the file took too long.",
    }
    return MediaError(
        what[reason],
        reason=reason,
        where=where,
        next_step="Leave the file out, or save it again with a program you trust.",
    )
