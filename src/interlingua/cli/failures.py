"""How the program ends: exit codes, short messages for people, saved tracebacks for bugs.

====  =====================================================================
code  meaning
====  =====================================================================
0     done (also: training that was asked to stop, and saved)
1     it can't be done: data, download, checkpoint, index, disk or memory
2     the command line, a recipe or an override is wrong
3     an optional package is missing; the message names the line to type
70    a bug of Interlingua; the traceback is in the file that the message names
130   interrupted with Ctrl-C
====  =====================================================================
"""

from __future__ import annotations

import errno
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from interlingua.cli.output import note, print_error
from interlingua.errors import InterlinguaError, Interrupted

EXIT_FAILED = 1
EXIT_BUG = 70  # EX_SOFTWARE of sysexits.h
EXIT_INTERRUPTED = 130

EXIT_CODES = (
    "Exit codes: 0 done, 1 it can't be done (data, download, checkpoint, disk), "
    "2 wrong command line or recipe, 3 an optional package is missing, 70 a bug, 130 interrupted."
)


def run(program: Callable[[], object]) -> int:
    """Run a program and turn whatever it raises into a message and an exit code."""
    try:
        program()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        note("Interrupted.")
        return EXIT_INTERRUPTED
    except Interrupted as stop:
        note(str(stop))
        return stop.exit_code
    except InterlinguaError as error:
        print_error(str(error))
        return error.exit_code
    except Exception as error:
        if message := machine_message(error):
            print_error(message)
            return EXIT_FAILED
        print_error(bug_message(error))
        return EXIT_BUG
    return 0


def machine_message(error: Exception) -> str | None:
    """A message where the machine, not Interlingua, is at its end: disk full, out of memory."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f"\n  where: {error.filename}" if error.filename else ""
        return f"The disk is full.{where}\n  next:  Free some space; `interlingua doctor` shows it."
    if isinstance(error, PermissionError) and error.filename:
        return f"{error.strerror}.\n  where: {error.filename}\n  next:  Check its permissions."
    # torch.OutOfMemoryError by name: this module must not import torch
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return (
            "There is not enough memory.\n"
            "  next:  Use a smaller batch (stages.0.batch_size=...) or --device cpu."
        )
    return None


def bug_message(error: Exception) -> str:
    """Save the traceback and say where; where it can't be saved the message carries it."""
    report = "".join(
        [
            f"interlingua {' '.join(sys.argv[1:])}\n",
            f"Python {platform.python_version()} on {platform.platform()}\n\n",
            *traceback.format_exception(error),
        ]
    )
    summary = f"This is a bug in Interlingua: {type(error).__name__}: {error}"
    try:
        path = _save(report)
    except OSError:
        return f"{summary}\n{report}"
    return (
        f"{summary}\n  where: the traceback is in {path}\n"
        "  next:  Please report it, with that file and the command."
    )


def _save(report: str) -> Path:
    folder = Path(tempfile.gettempdir())
    path = folder / f"interlingua-bug-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    path.write_text(report, encoding="utf-8", errors="backslashreplace")  # odd file names
    return path
