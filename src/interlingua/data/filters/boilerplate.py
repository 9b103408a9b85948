"""Texts that were written by a machine or for nobody: file names, "untitled", addresses.

The patterns are what alt-texts and titles of the web are full of; each has a name, which is the
reason that the report counts. Your own come as regular expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pydantic import field_validator

from interlingua.data.filters.filter import Filter, Verdict, each_text
from interlingua.sample import Sample

_JUDGED = 1_000  # characters: some patterns take the square of the length
_FILE = r"(?:jpe?g|png|gif|svgz?|bmp|webp|tiff?|wmf|eps|ico|psd|xcf|pdf)"
_PICTURE = r"(?:image|picture|photo|photograph|pic|img|icon|clip ?art|drawing|graphic|thumbnail)s?"
# Each is searched in the text in lower case with white space collapsed; the first found counts.
PATTERNS: dict[str, str] = {
    "nothing": r"^[\W_]*$",
    "address": r"https?://|\bwww\.|\b[\w.-]+@[\w-]+\.\w|^[\w-]+\.(?:com|org|net|info|de|fr)$",
    "file name": rf"^\S*\.{_FILE}$|^[\w .()-]+\.{_FILE}$",
    "camera's name": r"^(?:img|dscn?|dscf|pict|mvc|cimg|p|pxl|imag|sam|gopr|scan)"
    r"[ _-]?\d{3,}(?:[ _-]\w+)?$",
    "screen shot": r"^screen ?-?shot\b.*\d",
    "digits only": r"^[\W\d_]*\d[\W\d_]*$",
    "code": r"^(?:0x[0-9a-f]+|hash\(.*\)|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]+|"
    r"(?=.*\d)[0-9a-f]{16,})$",
    "time stamp": r"\b\d{1,2}:\d{2}:\d{2}\b",
    "untitled": rf"^(?:untitled|unnamed|no ?name|no ?title|title|default|new {_PICTURE}|"
    rf"new document|document|without title|sans titre|ohne titel|null|none|n/?a)[\W_]*\d*$",
    "names no thing": rf"^(?:an? |the |my )?{_PICTURE}[\W_]*\d*$",
    "call to click": r"\bclick (?:here|on|to|for)\b|\b(?:enlarge|view|see) (?:this |the )?"
    r"(?:image|picture|photo|larger|full)\b|\bread more\b|\bdownload (?:free|now)\b",
    "part of a collection": r"^(?:part of the|from the) .*\b(?:collection|set|series|theme)\b",
}


class Boilerplate(Filter):
    """Takes texts that one of the patterns is found in."""

    class Config(Filter.Config):
        """Settings.

        Attributes:
            skip: names of ``PATTERNS`` that are not used.
            patterns: more regular expressions, searched in the text in lower case.
        """

        name: str = "boilerplate"
        skip: tuple[str, ...] = ()
        patterns: tuple[str, ...] = ()

        @field_validator("skip")
        @classmethod
        def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
            unknown = sorted(set(value) - set(PATTERNS))
            if unknown:
                raise ValueError(f"no pattern {unknown[0]!r}; known: {', '.join(PATTERNS)}")
            return value

        @field_validator("patterns")
        @classmethod
        def _can_be_read(cls, value: tuple[str, ...]) -> tuple[str, ...]:
            for pattern in value:
                try:
                    re.compile(pattern)
                except re.error as error:
                    raise ValueError(f"{pattern!r} is no regular expression: {error}") from None
            return value

    def judge(self, samples: Sequence[Sample]) -> Iterator[Verdict]:
        named = {name: one for name, one in PATTERNS.items() if name not in self.config.skip}
        named |= {f"pattern {one}": one for one in self.config.patterns}
        compiled = {name: re.compile(one) for name, one in named.items()}
        for place, number, part in each_text(samples):
            text = " ".join(part.text[:_JUDGED].lower().split())
            for name, pattern in compiled.items():
                if match := pattern.search(text):
                    yield Verdict(place, name, match[0][:80], number)
                    break
