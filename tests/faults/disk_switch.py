"""The one switch of all tests of faults of the disk; ``disk_switch.c`` says what it does.

A test builds the library and starts a server with it (``Served``). The server imports what its
children need once and forks a child for each request, so that a hundred processes that are killed
cost the start of one. A program becomes such a server with ``serve``::

    def work(request, acknowledge):  # in a child of its own, with the switch armed
        write(Path(request["folder"]))
        acknowledge()

    if __name__ == "__main__":
        disk_switch.serve(work)

Kill points are told as numbers from 1: the n-th change below ``request["folder"]``.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal as signals
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_suffix(".c")

# kill: with a write cut in half; power cut: what no fsync has made safe is lost as well;
# refuse: no space left on device, from there on; signal: of request["signal"], and it goes on;
# twice: at the next change again
ACTIONS = ("count", "kill", "power cut", "refuse once", "refuse", "signal", "signal twice")
ARMED_BY = ("folder", "action", "at", "signal", "record")  # what of a request is for ``arm``
KILLED = -signals.SIGKILL
FAILED = 70  # the exit status of a child that ended with an exception


def build(folder: Path) -> Path | None:
    """The library, or None where there is no C compiler or another system than Linux."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or sys.platform != "linux":
        return None
    library = folder / "disk_switch.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"]
    subprocess.run(command, check=True)
    return library


class Served:
    """A program that forks a child for each request and says how it ended.

    Args:
        program: ends with ``serve``.
        library: that ``build`` gave.
    """

    def __init__(self, program: Path, library: Path):
        self.process = subprocess.Popen(
            [sys.executable, str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "PYTHONPATH": os.pathsep.join([str(SOURCE.parent), *sys.path]),
                "LD_PRELOAD": str(library),
            },
        )

    def __call__(self, folder: Path, **request: Any) -> dict[str, Any]:
        """Run a child.

        Args:
            folder: whose changes are counted.
            request: for the program, and for the switch: ``action``, ``at`` and ``signal``;
                ``record``: a file for one line per change; ``send`` a signal ``after`` so many
                seconds, counted from when the file ``ready`` is there.

        Returns:
            ``status`` (negative: killed by that signal), ``acknowledged`` (how often it did),
            ``message`` (of the error that ended it), ``changes`` (where it ended by itself),
            ``seconds``, and what the program said.
        """
        line = json.dumps({"folder": str(folder), **request}, default=str)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        """End the server."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def serve(work: Callable[[dict[str, Any], Callable[[], None]], dict[str, Any] | None]) -> None:
    """Answer the requests on standard input until it ends.

    Args:
        work: is given a request and a function that acknowledges; what it returns is added to the
            answer, where the child lives to say it. ``status`` in it becomes the exit status.
    """
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        reading, writing = os.pipe()
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _child(request, writing, work)
        os.close(writing)
        if request.get("send"):
            _send(child, request)
        said = bytearray()
        while piece := os.read(reading, 1 << 16):
            said += piece
        os.close(reading)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        dots, _, rest = said.partition(b"{")
        answer = {"message": "", **(json.loads(b"{" + rest) if rest else {})}
        answer |= {
            "status": status,
            "acknowledged": len(dots),
            "seconds": time.monotonic() - began,
        }
        print(json.dumps(answer), flush=True)


def arm(
    folder: str, action: str = "count", at: int = 0, signal: str = "SIGTERM", record: str = ""
) -> None:
    """Begin to count the changes that this process makes, which has the library loaded.

    Args:
        folder: below which they count.
        action: of ``ACTIONS``.
        at: the number of the change at which it comes.
        signal: that is sent, where the action is to send one.
        record: a file for one line per change.
    """
    written = os.open(record, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644) if record else -1
    ctypes.CDLL(None).disk_switch_arm(
        os.fsencode(folder),
        ACTIONS.index(action),
        ctypes.c_long(at),
        int(getattr(signals, signal)),
        written,
    )


def _child(request: dict[str, Any], pipe: int, work: Callable[..., Any]) -> None:
    status, answer = 0, {}
    switch = ctypes.CDLL(None)
    try:
        arm(**{name: request[name] for name in ARMED_BY if name in request})
        answer = work(request, lambda: os.write(pipe, b".")) or {}
        status = answer.pop("status", 0)
    except BaseException as error:
        answer = {"message": f"{type(error).__name__}: {error}"}
        status = FAILED
    finally:
        switch.disk_switch_disarm()
        answer["changes"] = switch.disk_switch_count()
        os.write(pipe, json.dumps(answer).encode())
        os._exit(status)


def _send(child: int, request: dict[str, Any]) -> None:
    while request.get("ready") and not Path(request["ready"]).exists():
        time.sleep(0.01)
    time.sleep(request.get("after", 0))
    os.kill(child, getattr(signals, request["send"]))


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the disk.

    Attributes:
        kind: ``create``, ``write``, ``fsync``, ``fdatasync``, ``rename``, ``link``, ``unlink``,
            ``rmdir`` or ``mkdir``.
        path: what was changed; the new name of what was renamed.
        old: its old name.
    """

    kind: str
    path: Path
    old: Path


def changes(record: Path) -> list[Change]:
    """The changes that a child made, in order."""
    found = []
    for line in record.read_text().splitlines():
        kind, _, names = line.partition(" ")
        path, _, old = names.partition("\t")
        found.append(Change(kind, Path(path), Path(old)))
    return found


def environment(library: Path, folder: Path, action: str, at: int) -> dict[str, str]:
    """What arms the switch in a program of its own, from its beginning."""
    asked = f"{ACTIONS.index(action)} {at} {folder}"
    return {"LD_PRELOAD": str(library), "DISK_SWITCH": asked}
