"""What the program writes: answers on standard output, everything else on standard error.

So ``interlingua search --json | jq`` and ``recipes show NAME > my.yaml`` get the answer alone.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import IO, Any

from rich.console import Console
from rich.text import Text

# halves of characters and the marks of Unicode UAX 9: as they are, no JSON can be told by looking
_UNSEEN = re.compile("[\ud800-\udfff\u202a-\u202e\u2066-\u2069\x7f-\x9f]")
_STEERING = re.compile(f"[\x00-\x08\x0b-\x1f]|{_UNSEEN.pattern}")
WIDTH_WITHOUT_TERMINAL = 120  # rich would take 80 and cut tables in files and pipes


def answers() -> Console:
    """The console for what was asked for."""
    return _console(sys.stdout)


def notices() -> Console:
    """The console for progress, warnings and errors."""
    return _console(sys.stderr)


def print_json(value: Any) -> None:
    """One JSON document on standard output; arrays and numbers of numpy become plain ones."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=_plain)
    print(_UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text))  # noqa: T201


def print_text(text: str) -> None:
    """Text on standard output: not wrapped, not coloured."""
    print(printable(text))  # noqa: T201


def note(text: str) -> None:
    """A line on standard error; its words are shown as they are, brackets too."""
    notices().print(printable(text), soft_wrap=True, highlight=False, markup=False, emoji=False)


def print_error(text: str) -> None:
    """The message of an error, its first word in red."""
    line = Text.assemble(("error: ", "bold red"), printable(text))
    notices().print(line, soft_wrap=True, highlight=False)


def printable(text: str) -> str:
    r"""The text without what steers a terminal; a file's name may hold colours.

    Control characters but for line ends and tabs, marks that turn the reading direction and halves
    of characters are written out as ``\x1b`` or ``\u202e``.
    """
    return _STEERING.sub(_written_out, text)


def number_of_bytes(count: float) -> str:
    """``1.5 GB``: powers of ten, as disks and networks are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit in ("B", "kB") else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _written_out(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"


def _console(file: IO[str]) -> Console:
    width = None if file.isatty() or "COLUMNS" in os.environ else WIDTH_WITHOUT_TERMINAL
    return Console(file=file, width=width)


def _plain(value: Any) -> Any:
    for convert in ("to_json", "tolist"):
        if hasattr(value, convert):
            return getattr(value, convert)()
    return str(value)
