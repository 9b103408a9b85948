"""SIGTERM and Ctrl-C ask a run to finish its step; a second Ctrl-C stops it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Which signal came, if any."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def name(self) -> str | None:
        """``SIGTERM``, ``SIGINT`` or None."""
        return None if self.signal is None else signal.Signals(self.signal).name

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Catch the signals; outside the main thread, where Python can't, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        for number in before:
            signal.signal(number, self._note)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number
