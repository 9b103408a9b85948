"""Decoding in processes that may die: for what strangers send.

Native decoders crash on crafted files, and no ``try`` helps against that. So each file is
decoded in a worker process with limits on memory and time. If the worker dies, that one
file is refused, a new worker starts, and nobody else notices. Training data are looked at so
once (``data check``); in training, threads of its own process are quicker.
"""

from __future__ import annotations

import contextlib
import math
import queue
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from interlingua.content import Content
from interlingua.data.decode_process import DecodeProcess, KilledError, gone
from interlingua.data.examined import Examined
from interlingua.data.gate import AudioLimits, ImageLimits, read_bytes
from interlingua.errors import MediaError
from interlingua.towers.tower import AudioPreprocess, ImagePreprocess

_Answer = TypeVar("_Answer")
_Read = Callable[[bytes, object], _Answer | None]  # (bytes, what type they are said to be of)

_MAX_FACTS = 4_096  # bytes of an ``Examined``: a fingerprint in hexadecimal is half of that
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
        self._free: queue.LifoQueue[DecodeProcess | None] = queue.LifoQueue()
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
        shape = (3, preprocess.size, preprocess.size)
        return torch.from_numpy(self._ask(request, data, content.name, _array(np.uint8, shape)))

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
        return self._ask(request, data, content.name, _array(np.float32, (most,)))

    def examine(self, data: bytes, where: str, limits: ImageLimits | AudioLimits) -> Examined:
        """``examine_image`` or ``examine_sound`` in a worker, by the limits that are given.

        Args:
            data: the file's bytes.
            where: for messages.
            limits: a picture's or a sound's.

        Raises:
            MediaError: as those; ``package_missing``, ``crashed``, ``too_slow``.
        """
        kind = "examine_image" if isinstance(limits, ImageLimits) else "examine_sound"
        request = {"kind": kind, "limits": limits.model_dump(mode="json")}
        return self._ask(request, data, where, _facts)

    def _ask(
        self, request: dict[str, Any], data: bytes, where: str, read: _Read[_Answer]
    ) -> _Answer:
        request |= {"name": "<file>", "size": len(data), "memory": self.memory}
        worker = self._free.get()
        try:
            try:
                worker = self._alive(worker)
                header, body = worker.ask(request, data, self.seconds, where)
            except KilledError:  # from outside, which tells nothing of the file: once more
                try:
                    worker = self._alive(worker)
                    header, body = worker.ask(request, data, self.seconds, where)
                except KilledError:
                    raise gone("crashed", where) from None
            if "reason" in header:
                raise _refusal(header, where)
            answer = read(body, header.get("dtype"))
            if answer is None:  # a file may speak through the worker by now
                worker.end()
                raise gone("crashed", where)
            return answer
        finally:
            self._free.put(worker)

    def _alive(self, worker: DecodeProcess | None) -> DecodeProcess:
        if worker is None or not worker.is_alive():
            return DecodeProcess(self.command)
        return worker


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


def _array(dtype: type[np.generic], shape: tuple[int, ...]) -> _Read[NDArray[Any]]:
    """Reads an answer as an array, if it has the type and the size that were asked for."""

    def read(body: bytes, said: object) -> NDArray[Any] | None:
        if said != np.dtype(dtype).name or len(body) % np.dtype(dtype).itemsize:
            return None
        values = np.frombuffer(bytearray(body), dtype=dtype)
        if len(shape) == 1:  # samples: any number up to that
            return values if 0 < len(values) <= shape[0] and np.isfinite(values).all() else None
        return values.reshape(shape) if len(values) == math.prod(shape) else None

    return read


def _facts(body: bytes, said: object) -> Examined | None:
    if said != "uint8" or len(body) > _MAX_FACTS:
        return None
    with contextlib.suppress(ValueError):  # not of the form that an ``Examined`` has
        return Examined.model_validate_json(body)
    return None
