"""The words that an SVG says about itself in its RDF: title, description, keywords, author.

The XML is parsed by expat with nothing loaded from outside. A file that declares
entities is refused (an entity can stand for a file, or for gigabytes). What has been read is kept
as JSON in the cache, so that the second opening takes a fraction of a second.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any
from xml.parsers import expat

from interlingua.catalogue.cache import cache_root, write_whole

FORMAT_VERSION = 1
MAX_SVG_BYTES = 16 << 20
MAX_WORD = 1_000
MAX_KEYWORDS = 50


@dataclass(frozen=True, slots=True)
class SvgWords:
    """What one file says; empty where it says nothing."""

    title: str = ""
    description: str = ""
    keywords: tuple[str, ...] = ()
    creator: str = ""


class SvgRefusedError(Exception):
    """The file isn't parsed, or isn't XML; ``reason`` is a short fixed phrase."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class _RdfRead(Exception):
    """All there is to read has been read."""


def read(svg: bytes) -> SvgWords:
    """The words of one SVG.

    Raises:
        SvgRefusedError: too large, damaged, or it declares entities.
    """
    if len(svg) > MAX_SVG_BYTES:
        raise SvgRefusedError("SVG too large")
    found: dict[str, list[str]] = {"title": [], "description": [], "li": [], "creator": []}
    stack: list[str] = []
    text: list[str] = []

    def start(name: str, _attributes: Any) -> None:
        stack.append(name.rpartition(":")[2])
        text.clear()

    def end(_name: str) -> None:
        words = " ".join("".join(text).split())[:MAX_WORD]
        text.clear()
        place = _place(stack)
        if words and place in found and len(found[place]) < MAX_KEYWORDS:
            found[place].append(words)
        if stack.pop() == "RDF":
            raise _RdfRead

    def refuse(*_declaration: Any) -> None:
        raise SvgRefusedError("SVG declares entities")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    parser.EntityDeclHandler = refuse
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        parser.Parse(svg, True)
    except _RdfRead:
        pass
    except (expat.ExpatError, ValueError) as error:
        raise SvgRefusedError("SVG damaged") from error
    first = {name: (values or [""])[0] for name, values in found.items()}
    keywords = tuple(dict.fromkeys(found["li"]))
    return SvgWords(first["title"], first["description"], keywords, first["creator"])


def _place(stack: list[str]) -> str:
    """Which word the element on top of the stack gives; empty if none."""
    if "RDF" not in stack:
        return ""
    match stack[stack.index("RDF") + 1 :]:
        case ["Work", "title"]:
            return "title"
        case ["Work", "description"]:
            return "description"
        case ["Work", "subject", _, "li"]:
            return "li"
        case ["Work", "creator", "Agent", "title"]:
            return "creator"
    return ""


def read_all(folder: Path) -> tuple[dict[str, SvgWords], list[tuple[str, str]]]:
    """The words of every SVG below ``folder``.

    Returns:
        The words by path without ending, and ``(path, reason)`` of each file refused.
    """
    files = _list(folder)
    state = hashlib.sha256(repr((FORMAT_VERSION, str(folder), files)).encode()).hexdigest()
    cached = cache_root() / "derived" / f"svg-words-{state[:24]}.json"
    stored = _load(cached)
    if stored is not None:
        return stored
    words: dict[str, SvgWords] = {}
    refused: list[tuple[str, str]] = []
    for name, size, _ in files:
        try:
            if size > MAX_SVG_BYTES:
                raise SvgRefusedError("SVG too large")
            words[name[:-4]] = read((folder / name).read_bytes())
        except SvgRefusedError as error:
            refused.append((name, error.reason))
        except OSError:
            refused.append((name, "SVG can't be read"))
    value = {"words": {name: astuple(item) for name, item in words.items()}, "refused": refused}
    write_whole(cached, json.dumps(value, ensure_ascii=False).encode())
    return words, refused


def _list(folder: Path) -> list[tuple[str, int, int]]:
    """Path, size and time of every SVG below ``folder``, in a fixed order."""
    found = []
    for parent, folders, names in os.walk(folder):
        folders.sort()
        place = os.path.relpath(parent, folder)
        for name in sorted(names):
            if name.endswith(".svg"):
                state = Path(parent, name).stat()
                path = Path(place, name).as_posix()
                found.append((path, state.st_size, state.st_mtime_ns))
    return found


def _load(path: Path) -> tuple[dict[str, SvgWords], list[tuple[str, str]]] | None:
    try:
        value = json.loads(path.read_bytes())
        words = {
            name: SvgWords(title, description, tuple(keywords), creator)
            for name, (title, description, keywords, creator) in value["words"].items()
        }
        return words, [(name, reason) for name, reason in value["refused"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
