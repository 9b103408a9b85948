"""SHA-256 of parts, remembered by path, size and time of change: a second pass reads nothing."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from interlingua.content import Content, FileContent, ZipContent, digest
from interlingua.data.shards.member import MemberContent
from interlingua.errors import MediaError
from interlingua.sample import Label, Part, Text

# A file that changed this recently may change again within one tick of its clock ("racy git").
_RACY_SECONDS = 2.0


class DigestIndex:
    """Remembers digests in an append-only JSONL file, which any number of processes may share.

    Args:
        path: of the file; a line that a kill has torn is passed over.
    """

    def __init__(self, path: Path):
        self.path = path
        self._known: dict[str, str] = {}
        self._fresh: list[tuple[str, str]] = []
        for line in path.read_bytes().splitlines() if path.exists() else []:
            try:
                key, value = json.loads(line)
            except (ValueError, TypeError):
                continue
            if isinstance(key, str) and isinstance(value, str) and len(value) == 64:
                self._known[key] = value

    def digests(self, parts: Sequence[Part]) -> list[str | MediaError]:
        """The digest of each part, or why it can't be read."""
        stamps: dict[Path, os.stat_result | None] = {}  # one look at an archive of many parts
        found = [self._digest(part, stamps) for part in parts]
        self._append()
        return found

    def _digest(self, part: Part, stamps: dict[Path, os.stat_result | None]) -> str | MediaError:
        if isinstance(part, Text):
            return hashlib.sha256(
                b"text\0" + part.text.encode("utf-8", "surrogatepass")
            ).hexdigest()
        if isinstance(part, Label):
            return hashlib.sha256(b"label\0" + part.name.encode()).hexdigest()
        key = _stamp(part.content, stamps)
        if key is not None and key in self._known:
            return self._known[key]
        try:
            value = digest(part.content)
        except MediaError as error:
            return error
        if key is not None:
            self._known[key] = value
            self._fresh.append((key, value))
        return value

    def _append(self) -> None:
        if not self._fresh:
            return
        lines = "".join(json.dumps(pair) + "\n" for pair in self._fresh)
        self._fresh = []
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(b"\n" + lines.encode())  # the line break ends a torn line before it


def _stamp(content: Content, stamps: dict[Path, os.stat_result | None]) -> str | None:
    """What tells one state of a file from another without reading it; None where unknown."""
    if isinstance(content, FileContent):
        path, member = content.path, ""
    elif isinstance(content, ZipContent | MemberContent) and content.archive is not None:
        path, member = content.archive, content.member
    else:
        return None
    if path not in stamps:
        try:
            stamps[path] = path.stat()
        except OSError:
            stamps[path] = None
    stat = stamps[path]
    if stat is None or time.time() - stat.st_mtime < _RACY_SECONDS:
        return None
    return f"{path.absolute()}\n{member}\n{stat.st_size}\n{stat.st_mtime_ns}"
