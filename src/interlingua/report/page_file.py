"""Writing a page: it appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_page(path: Path, text: str) -> Path:
    """Write a page or another text for people; its folder is made.

    Not fsynced, as what a run needs is: whatever is lost of it can be drawn again.

    Returns:
        ``path``.

    Raises:
        OSError: it can't be written; what was there before is untouched.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_text(text, encoding="utf-8", newline="\n")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path
