"""What the program writes: answers on standard output, everything else on standard error.

So ``interlingua search --json | jq`` and ``recipes show NAME > my.yaml`` get the answer alone.
"""

from __future__ import annotations

import json
import os
import sys
from typing import IO, Any

from rich.console import Console
from rich.text import Text

WIDTH_WITHOUT_TERMINAL = 120  # rich would take 80 and cut tables in files and pipes


def answers() -> Console:
    """The console for what was asked for."""
    return _console(sys.stdout)


def notices() -> Console:
    """The console for progress, warnings and errors."""
    return _console(sys.stderr)


def print_json(value: Any) -> None:
    """One JSON document on standard output; arrays and numbers of numpy become plain ones."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))  # noqa: T201


def print_text(text: str) -> None:
    """Text on standard output as it is: not wrapped, not coloured."""
    print(text)  # noqa: T201


def note(text: str) -> None:
    """A line on standard error; its words are shown as they are, brackets too."""
    notices().print(text, soft_wrap=True, highlight=False, markup=False, emoji=False)


def print_error(text: str) -> None:
    """The message of an error, its first word in red."""
    line = Text.assemble(("error: ", "bold red"), text)
    notices().print(line, soft_wrap=True, highlight=False)


def number_of_bytes(count: float) -> str:
    """``1.5 GB``: powers of ten, as disks and networks are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit in ("B", "kB") else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _console(file: IO[str]) -> Console:
    width = None if file.isatty() or "COLUMNS" in os.environ else WIDTH_WITHOUT_TERMINAL
    return Console(file=file, width=width)


def _plain(value: Any) -> Any:
    for convert in ("to_json", "tolist"):
        if hasattr(value, convert):
            return getattr(value, convert)()
    return str(value)
