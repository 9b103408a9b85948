"""How the API reference reads our docstrings: three habits of theirs that Markdown doesn't know.

Named in mkdocs.yml as an extension of griffe, which collects the docstrings for mkdocstrings.

- A list may follow its first line at once ("Notable features:"); Markdown wants an empty line.
- ``width, num_layers: D and the number of blocks.`` explains several names at once.
- A setting's default stands in the code, not in the words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import griffe

ITEM = re.compile(r"^ *- ")
SECTION = re.compile(r"^(Args|Attributes):$")
ENTRY = re.compile(r"^    (?P<names>\w+(?:, \w+)*): ")
FIELD = re.compile(r"^Field\((?:default=)?(?P<default>[^,()=]+|\(.*?\))(?:, \w+=.*)?\)$")


class Habits(griffe.Extension):
    """Rewrites each docstring before it is read."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """See ``rewritten``."""
        if obj.docstring:
            obj.docstring.value = rewritten(obj.docstring.value, defaults_of(obj))


def defaults_of(obj: griffe.Object) -> dict[str, str]:
    """The defaults of a class' settings by name, as written; pydantic's ``Field(...)`` is read."""
    defaults = {}
    for name, member in obj.members.items() if obj.is_class else ():
        if member.is_attribute and not member.is_alias and member.value is not None:
            written = str(member.value)
            field = FIELD.match(written)
            if field or not written.startswith("Field("):  # else it is made by a function
                defaults[name] = field["default"] if field else written
    return defaults


def rewritten(docstring: str, defaults: Mapping[str, str]) -> str:
    """A docstring with room before its lists and one line or more for each single name."""
    return "\n".join(_with_room(_one_name_each(docstring.splitlines(), defaults)))


def _with_room(lines: Iterator[str]) -> Iterator[str]:
    """An empty line before each list that follows a line of words."""
    in_list, before = False, ""
    for line in lines:
        if ITEM.match(line):
            if not in_list and before.strip():
                yield ""
            in_list = True
        elif not line.startswith(" "):  # an item's further lines are indented
            in_list = False
        yield line
        before = line


def _one_name_each(lines: list[str], defaults: Mapping[str, str]) -> Iterator[str]:
    """The entries of ``Args:`` and ``Attributes:``, those of several names once for each."""
    inside, place = False, 0
    while place < len(lines):
        line = lines[place]
        place += 1
        if SECTION.match(line):
            inside = True
        elif line.strip() and not line.startswith(" "):
            inside = False
        entry = ENTRY.match(line) if inside else None
        if not entry:
            yield line
            continue
        body = [line[entry.end() :]]
        while place < len(lines) and lines[place].startswith("     "):
            body.append(lines[place])
            place += 1
        for name in entry["names"].split(", "):
            first, *others = body
            if name in defaults:
                first = f"(`{defaults[name]}`) {first}"
            yield f"    {name}: {first}"
            yield from others
