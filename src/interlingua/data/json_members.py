"""A large JSON file member by member, in the memory of its largest value instead of the whole.

Python's own decoder reads each value out of a window of the text, which grows until the value
fits into it and no further than ``MAX_VALUE``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

MAX_VALUE = 16 << 20  # characters of one value: an item of a list, a member of an object
_PIECE = 1 << 16  # characters that are read at a time
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


def read_members(path: Path, listed: str) -> Iterator[tuple[str, Any]]:
    """The members of the object that a file holds, in order; those of one list come one by one.

    Of other lists and objects nothing is kept: they are read, so that mistakes in them are found,
    and their members given up one by one.

    Args:
        path: of UTF-8, with or without a byte order mark.
        listed: the name of the list.

    Yields:
        (name, value) of each plain value, and (``listed``, item) of each item of the list.

    Raises:
        OSError: the file can't be read.
        ValueError: it isn't JSON, holds no object, or a value that is larger than ``MAX_VALUE``.
        RecursionError: lists or objects in one another, too many.
    """
    with path.open(encoding="utf-8-sig") as file:
        window = _Window(file)
        for name in window.members():
            start = window.next()
            if start == "[":
                for _ in window.items("[", "]"):
                    item = window.value()
                    if name == listed:
                        yield name, item
            elif start == "{":
                for _ in window.members():
                    window.value()
            else:
                yield name, window.value()
        if window.next():
            raise ValueError("something stands after the object")


class _Window:
    """What has been read of a text and not yet been given."""

    def __init__(self, file: TextIO):
        self.file = file
        self.text = ""
        self.at = 0
        self.ended = False

    def members(self) -> Iterator[str]:
        """The names of an object's members; the value is to be read before the next name."""
        for _ in self.items("{", "}"):
            name = self.value()
            if not isinstance(name, str):
                raise ValueError("a member without a name")
            self.take(":")
            yield name

    def items(self, start: str, end: str) -> Iterator[None]:
        """Stops where each item begins; it is to be read before the next stop."""
        self.take(start)
        if self.next() == end:
            self.at += 1
            return
        while True:
            yield
            if self.next() == end:
                self.at += 1
                return
            self.take(",")

    def value(self) -> Any:
        """The value that begins here, whole."""
        self.next()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError:
                if self.ended or self.is_full():
                    raise
            else:  # a number that the window cuts off is one too, and another one
                if self.ended or not (end == len(self.text) or self.text[end] in ".eE"):
                    self.at = end
                    return value
                if self.is_full():
                    raise ValueError("a value that is too large")
            self.more()

    def is_full(self) -> bool:
        """Whether what has been read and not given is as much as a value may be."""
        return len(self.text) - self.at > MAX_VALUE

    def take(self, character: str) -> None:
        """Pass over this character.

        Raises:
            ValueError: another one stands here.
        """
        if self.next() != character:
            raise ValueError(f"{character!r} is missing")
        self.at += 1

    def next(self) -> str:
        """The next character that isn't white space, which stays; empty at the end."""
        while True:
            space = _SPACE.match(self.text, self.at)
            self.at = space.end() if space else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if self.ended:
                return ""
            self.more()

    def more(self) -> None:
        """Let go of what was given, and read on: twice as much where a value doesn't fit."""
        rest = self.text[self.at :]
        piece = self.file.read(max(_PIECE, len(rest)))
        self.ended = not piece
        self.text, self.at = rest + piece, 0
