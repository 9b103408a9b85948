"""Batches made ahead of the step, in a thread of their own, with an exact position.

Decoding media takes about as long as a small step; beside it, it costs nothing. The position of the
stream is that of the last batch *given*, so a resumed run gets each batch exactly once.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from typing import Any

from interlingua.batch import Batch
from interlingua.train.stream import Stream

_END = object()


class Prefetched:
    """A stream whose next batches are made while the last one is used.

    The inner stream must not be used beside it.

    Args:
        inner: the stream; its random choices must come from its own generators.
        ahead: how many batches lie ready at most.

    Attributes:
        left: how many batches will still be asked for, so that none is made in vain; None = many.
    """

    def __init__(self, inner: Stream, ahead: int = 2):
        self.inner = inner
        self.ahead = ahead
        self.left: int | None = None
        self._position = inner.state()
        self._thread: threading.Thread | None = None
        self._ready: queue.Queue[Any] = queue.Queue()
        self._stop = threading.Event()

    def next(self) -> Batch:
        """The next batch; what went wrong in making it is raised here."""
        if self._thread is None:
            self._begin()
        made, position = self._ready.get()
        if made is _END:
            error, self._thread = position, None
            raise error
        self._position = position
        return made

    def state(self) -> dict[str, Any]:
        """The position after the last batch given."""
        return dict(self._position)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a position that ``state`` gave."""
        self.close()
        self.inner.restore(state)
        self._position = self.inner.state()

    def close(self) -> None:
        """Make no more batches; those that lie ready are dropped."""
        if self._thread is not None:
            self._stop.set()
            while self._thread.is_alive():  # it may wait for room
                self._drain()
                self._thread.join(timeout=0.01)
            self._thread = None
        self._drain()

    def expect(self, batches: int) -> None:
        """Say how many batches will still be asked for."""
        self.left = batches

    def _begin(self) -> None:
        self._stop = threading.Event()
        self._ready = queue.Queue(maxsize=self.ahead)
        work = (self._ready, self._stop, self.left)
        self._thread = threading.Thread(target=self._make, args=work, name="prefetch", daemon=True)
        self._thread.start()

    def _make(self, ready: queue.Queue[Any], stop: threading.Event, left: int | None) -> None:
        try:
            while not stop.is_set() and left != 0:
                ready.put((self.inner.next(), self.inner.state()))
                left = None if left is None else left - 1
            if not stop.is_set():
                ready.put((_END, RuntimeError("more batches are asked for than were announced")))
        except BaseException as error:
            ready.put((_END, error))

    def _drain(self) -> None:
        while True:
            try:
                self._ready.get_nowait()
            except queue.Empty:
                return
