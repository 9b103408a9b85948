"""Conditions as people type them, read into the typed ones of ``condition.py``.

    kind in (image, text) and year >= 1990 and not group prefix "animals/"

A comparison is FIELD, then one of ``== != < <= > >=`` and a value; or ``in`` and values in
brackets; or ``prefix`` and a text. A field of true or false may stand alone. ``and`` binds more
than ``or``. A value is a number, ``true``, ``false``, ``none``, a time such as 2026-01-31, or a
text: in quotation marks of either kind (a backslash before one that belongs to it), or bare where
it is one word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import NoReturn

from interlingua.errors import ConfigError
from interlingua.index.condition import AllOf, AnyOf, Compare, Condition, Not, OneOf, Prefix
from interlingua.index.fields import RESERVED, Value

MAX_LENGTH = 20_000  # characters
MAX_DEPTH = 50  # brackets inside each other
_OPERATORS = ("==", "!=", "<=", ">=", "<", ">")

_TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<mark>==|!=|<=|>=|<|>|\(|\)|,)
    |(?P<word>[^\s"'()<>=!,\\]+)""",
    re.VERBOSE | re.DOTALL,
)
_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ].*)?")


def parse(text: str) -> Condition:
    """Read a filter.

    Raises:
        ConfigError: it can't be read; the message says where and what was expected.
    """
    if len(text) > MAX_LENGTH:
        raise ConfigError(f"A filter has at most {MAX_LENGTH:,} characters, not {len(text):,}.")
    reader = _Reader(text)
    condition = reader.any_of(0)
    reader.finish()
    return condition


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # text, mark, word or end
    value: str
    place: int


class _Reader:
    """Reads from left to right, one token ahead."""

    def __init__(self, text: str):
        self.text = text
        self.place = 0
        self.token = self._next()

    def any_of(self, depth: int) -> Condition:
        """``A or B or C``."""
        parts = [self.all_of(depth)]
        while self._takes("or"):
            parts.append(self.all_of(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def all_of(self, depth: int) -> Condition:
        """``A and B and C``."""
        parts = [self.single(depth)]
        while self._takes("and"):
            parts.append(self.single(depth))
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def single(self, depth: int) -> Condition:
        """``not A``, ``(A)`` or a comparison."""
        if depth > MAX_DEPTH:
            raise ConfigError(f"The filter has more than {MAX_DEPTH} brackets inside each other.")
        if self._takes("not"):
            return Not(self.single(depth + 1))
        if self._takes("("):
            inner = self.any_of(depth + 1)
            self._require(")")
            return inner
        return self.comparison()

    def comparison(self) -> Condition:
        """A field and what is asked of it."""
        if self.token.kind != "word" or self.token.value.lower() in RESERVED:
            self._refuse("the name of a field")
        field = self._step().value
        for operator in _OPERATORS:
            if self._takes(operator):
                return Compare(field, operator, self.value())  # type: ignore[arg-type]
        negated = self._takes("not")
        if self._takes("in"):
            condition: Condition = OneOf(field, self.values())
            return Not(condition) if negated else condition
        if self._takes("prefix"):
            value = self.value()
            if not isinstance(value, str):
                raise ConfigError(f"prefix takes a text, not {value!r}.")
            return Not(Prefix(field, value)) if negated else Prefix(field, value)
        if negated:
            self._refuse("in or prefix")
        return Compare(field, "==", True)

    def values(self) -> tuple[Value, ...]:
        """``(a, b, c)``."""
        self._require("(")
        found: list[Value] = []
        while not self._takes(")"):
            if found:
                self._require(",")
            value = self.value()
            if value is None:
                raise ConfigError("none is no value for a list: write FIELD == none or ...")
            found.append(value)
        return tuple(found)

    def value(self) -> Value | None:
        """A number, a time, a text, true, false or none."""
        token = self.token
        if token.kind not in ("text", "word"):
            self._refuse("a value")
        self._step()
        if token.kind == "text":
            return re.sub(r"\\(.)", r"\1", token.value[1:-1], flags=re.DOTALL)
        return _bare(token.value)

    def finish(self) -> None:
        """Nothing may be left."""
        if self.token.kind != "end":
            self._refuse("and, or, or the end")

    def _takes(self, word: str) -> bool:
        """Step over a word or mark if it is the next one."""
        if self.token.kind in ("word", "mark") and self.token.value.lower() == word:
            self._step()
            return True
        return False

    def _require(self, mark: str) -> None:
        if not self._takes(mark):
            self._refuse(f"{mark!r}")

    def _step(self) -> _Token:
        token = self.token
        self.token = self._next()
        return token

    def _next(self) -> _Token:
        place = _SPACE.match(self.text, self.place).end()  # type: ignore[union-attr]
        if place == len(self.text):
            return _Token("end", "the end", place)
        match = _TOKEN.match(self.text, place)
        if match is None:
            hint = "; == compares" if self.text[place] == "=" else ""
            raise ConfigError(
                f"The filter can't be read at character {place + 1}{hint}.",
                where=_around(self.text, place),
                next_step=_EXAMPLE,
            )
        self.place = match.end()
        kind = str(match.lastgroup)
        return _Token(kind, match[kind], match.start(kind))

    def _refuse(self, expected: str) -> NoReturn:
        shown = self.token.value if len(self.token.value) < 40 else f"{self.token.value[:37]}..."
        raise ConfigError(
            f"The filter has {shown!r} at character {self.token.place + 1}, where {expected} "
            "should be.",
            where=_around(self.text, self.token.place),
            next_step=_EXAMPLE,
        )


def _bare(word: str) -> Value | None:
    known = {"true": True, "false": False, "none": None}
    if word.lower() in known:
        return known[word.lower()]
    if _NUMBER.fullmatch(word):
        return float(word)
    if _TIME.fullmatch(word):
        try:
            moment = datetime.fromisoformat(word)
        except ValueError:
            raise ConfigError(
                f"{word!r} is no time.", next_step="Write 2026-01-31, or '2026-01-31' for a text."
            ) from None
        return moment if len(word) > len("2026-01-31") else date.fromisoformat(word)
    return word


def _around(text: str, place: int) -> str:
    """The filter with a mark before the character that is wrong, shortened."""
    before, after = text[max(place - 40, 0) : place], text[place : place + 40]
    return f"{before} >>> {after}".strip()


_EXAMPLE = "For example: kind == image and (year >= 1990 or group prefix 'animals/')"
