"""One process at a time: the operating system's lock on a file, which a kill frees."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from interlingua import durable

log = logging.getLogger(__name__)


@contextmanager
def held(path: Path, *, wait: bool, on_wait: Callable[[], None] | None = None) -> Iterator[bool]:
    """Hold the lock of a file, which is made where it isn't there.

    Args:
        path: of the file.
        wait: until another process frees it; else give up at once.
        on_wait: called once when there is something to wait for; a warning by default.

    Yields:
        False when another process has it (never, if ``wait``).
    """
    durable.make_folder(path.parent)
    with path.open("a+b") as file:
        free = _try_lock(file)
        if not free and wait:
            if on_wait is not None:
                on_wait()
            else:
                log.warning("Waiting for another process that holds %s.", path)
            while not (free := _try_lock(file)):
                time.sleep(0.1)
        yield free


def _try_lock(file: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
