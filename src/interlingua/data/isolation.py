"""Decoding in processes that may die: for what strangers send.

Native decoders crash on crafted files, and no ``try`` helps against that. So each file is
decoded in a worker process with limits on memory and time. If the worker dies, that one
file is refused, a new worker starts, and nobody else notices. Local training data
doesn't need this: threads in this process are quicker.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interlingua.content import Content
from interlingua.data.gate import AudioLimits, ImageLimits, read_bytes
from interlingua.errors import MediaError
from interlingua.towers.tower import AudioPreprocess, ImagePreprocess

_MAX_LINE = 65_536
_COMMAND = (sys.executable, "-m", "interlingua.data.decode_worker")


class IsolatedDecoder:
    """Worker processes that decode one file at a time each.

    Use it in a ``with`` block; from any number of threads. Workers start when they are
    first needed (a second or two) and stay.

    Args:
        workers: processes at most.
        seconds: for one file; a worker that takes longer is ended.
        memory: bytes that a worker may grow by (Linux).
        command: that starts a worker; for tests.
    """

    def __init__(
        self,
        workers: int = 2,
        *,
        seconds: float = 30.0,
        memory: int = 2 << 30,
        command: Sequence[str] = _COMMAND,
    ):
        self.seconds = seconds
        self.memory = memory
        self.command = tuple(command)
        self._free: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        self._workers = workers
        for _ in range(workers):
            self._free.put(None)  # a place for a worker, which starts when it is needed

    def __enter__(self) -> IsolatedDecoder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all workers, once they are free."""
        places = [self._free.get() for _ in range(self._workers)]
        for worker in places:
            if worker is not None:
                worker.end()
            self._free.put(None)

    def pixels(self, content: Content, preprocess: ImagePreprocess, limits: ImageLimits) -> Tensor:
        """``decode_pixels`` in a worker: [3, S, S] uint8.

        Raises:
            MediaError: as ``decode_pixels``; ``crashed``, ``too_slow``.
        """
        data = read_bytes(content, limits.max_bytes)
        request = {
            "kind": "image",
            "preprocess": preprocess.model_dump(mode="json"),
            "limits": limits.model_dump(mode="json"),
        }
        side = preprocess.size
        values = self._ask(request, data, content.name, np.uint8, (3, side, side))
        return torch.from_numpy(values)

    def wave(
        self, content: Content, preprocess: AudioPreprocess, limits: AudioLimits
    ) -> NDArray[np.float32]:
        """``decode_wave`` in a worker: [T] float32.

        Raises:
            MediaError: as ``decode_wave``; ``crashed``, ``too_slow``.
        """
        data = read_bytes(content, limits.max_bytes)
        request = {
            "kind": "audio",
            "preprocess": preprocess.model_dump(mode="json"),
            "limits": limits.model_dump(mode="json"),
        }
        most = round(preprocess.max_seconds * preprocess.sample_rate)
        return self._ask(request, data, content.name, np.float32, (most,))

    def _ask(
        self,
        request: dict[str, Any],
        data: bytes,
        where: str,
        dtype: type[np.generic],
        shape: tuple[int, ...],
    ) -> NDArray[Any]:
        request |= {"name": "<file>", "size": len(data), "memory": self.memory}
        worker = self._free.get()
        try:
            try:
                worker = self._alive(worker)
                header, body = worker.ask(request, data, self.seconds, where)
            except _KilledError:  # from outside, which tells nothing of the file: once more
                try:
                    worker = self._alive(worker)
                    header, body = worker.ask(request, data, self.seconds, where)
                except _KilledError:
                    raise _gone("crashed", where) from None
            if "reason" in header:
                raise _refusal(header, where)
            values = _checked(body, header.get("dtype"), dtype, shape)
            if values is None:  # a file may speak through the worker by now
                worker.end()
                raise _gone("crashed", where)
            return values
        finally:
            self._free.put(worker)

    def _alive(self, worker: _Worker | None) -> _Worker:
        if worker is None or not worker.is_alive():
            return _Worker(self.command)
        return worker


class _KilledError(Exception):
    """Somebody has sent the worker SIGKILL: the system, short of memory, or a person."""


def _refusal(header: dict[str, Any], where: str) -> MediaError:
    """The worker's own refusal, as printable text of bounded length."""
    next_step = header.get("next_step")
    return MediaError(
        _printable(header.get("what")),
        reason=_printable(header["reason"])[:32],
        where=where,
        next_step=_printable(next_step) if next_step else None,
    )


def _printable(value: object) -> str:
    return "".join(character for character in str(value)[:500] if character.isprintable())


def _checked(
    body: bytes, said: object, dtype: type[np.generic], shape: tuple[int, ...]
) -> NDArray[Any] | None:
    """The answer as an array, if it has the type and the size that were asked for."""
    if said != np.dtype(dtype).name or len(body) % np.dtype(dtype).itemsize:
        return None
    values = np.frombuffer(bytearray(body), dtype=dtype)
    if len(shape) == 1:  # samples: any number up to that
        return values if 0 < len(values) <= shape[0] and np.isfinite(values).all() else None
    return values.reshape(shape) if len(values) == math.prod(shape) else None


def _gone(reason: str, where: str) -> MediaError:
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


class _Worker:
    """One process; used by one thread at a time."""

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
        return self.process.poll() is None

    def ask(
        self, request: dict[str, Any], data: bytes, seconds: float, where: str
    ) -> tuple[dict[str, Any], bytes]:
        """The answer's header and its bytes.

        Raises:
            MediaError: ``crashed`` or ``too_slow``; the process has ended then.
            _KilledError: so it has, but by SIGKILL from outside.
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
                raise _KilledError from None
            raise _gone("too_slow" if late.is_set() else "crashed", where) from None
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
        """By a signal that no decoder raises by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return os.name != "nt" and self.process.wait(1.0) == -signal.SIGKILL
        return False

    def end(self) -> None:
        """Kill the process and wait for it."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not written to the dead process
                    pipe.close()
