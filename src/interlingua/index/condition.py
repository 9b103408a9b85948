"""What a record must be to be found: typed conditions on its fields, combined with and, or, not.

    Field("kind").one_of("image", "text") & (Field("year") >= 1990) & ~Field("group").prefix("old/")

They are worked out here, on columns in memory; no part of them becomes text of a query language.
A record without a value passes no comparison, ``!=`` too; comparing with ``None`` asks for that:
``Field("year") == None``. ``~`` turns around what is before it, whatever the reason was.

Shape legend: N records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from interlingua.errors import ConfigError
from interlingua.index.fields import FieldKind, Value, as_kind, column_of, known_kind

Operator = Literal["==", "!=", "<", "<=", ">", ">="]
Mask: TypeAlias = npt.NDArray[np.bool_]
Fields: TypeAlias = Mapping[str, FieldKind]


class Condition:
    """A condition on records; ``&``, ``|`` and ``~`` combine conditions."""

    __slots__ = ()

    def __and__(self, other: Condition) -> Condition:
        return AllOf((self, other))

    def __or__(self, other: Condition) -> Condition:
        return AnyOf((self, other))

    def __invert__(self) -> Condition:
        return Not(self)

    def __bool__(self) -> bool:
        raise TypeError("combine conditions with &, | and ~, not with and, or, not")

    def checked(self, known: Fields) -> Condition:
        """The same with every value as its field holds it.

        Args:
            known: the kinds of the index's fields.

        Raises:
            ConfigError: an unknown field or a value of another kind.
        """
        raise NotImplementedError

    def mask(self, columns: Any) -> Mask:
        """[N] which records pass; of a checked condition.

        Args:
            columns: a pyarrow table of N rows.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Compare(Condition):
    """A field beside one value; None asks whether there is a value."""

    field: str
    operator: Operator
    value: Value | None

    def checked(self, known: Fields) -> Condition:
        kind = known_kind(self.field, known)
        if self.value is None:
            if self.operator not in ("==", "!="):
                raise ConfigError(f"{self.field!r} {self.operator} none means nothing.")
            return self
        value = as_kind(self.value, kind, self.field)
        if kind == "bool" and self.operator not in ("==", "!="):
            raise ConfigError(f"The field {self.field!r} is true or false: take == or !=.")
        return Compare(self.field, self.operator, value)

    def mask(self, columns: Any) -> Mask:
        import pyarrow.compute as compute

        if self.value is None:
            ask = compute.is_null if self.operator == "==" else compute.is_valid
            return _evaluated(columns, self.field, ask)
        ask = getattr(compute, _ARROW[self.operator])
        return _evaluated(columns, self.field, lambda column: ask(column, _scalar(self.value)))


@dataclass(frozen=True, slots=True)
class OneOf(Condition):
    """A field whose value is one of these; of none, nothing passes."""

    field: str
    values: tuple[Value, ...]

    def checked(self, known: Fields) -> Condition:
        kind = known_kind(self.field, known)
        return OneOf(self.field, tuple(as_kind(one, kind, self.field) for one in self.values))

    def mask(self, columns: Any) -> Mask:
        import pyarrow
        import pyarrow.compute as compute

        def ask(column: Any) -> Any:
            if pyarrow.types.is_integer(column.type):
                column = column.cast(pyarrow.float64())
            values = pyarrow.array(list(self.values), type=column.type)
            return compute.is_in(column, value_set=values)

        return _evaluated(columns, self.field, ask)


@dataclass(frozen=True, slots=True)
class Prefix(Condition):
    """A text that begins with these letters."""

    field: str
    value: str

    def checked(self, known: Fields) -> Condition:
        kind = known_kind(self.field, known)
        if kind != "text":
            raise ConfigError(f"prefix asks for text; the field {self.field!r} is a {kind}.")
        return Prefix(self.field, str(as_kind(self.value, kind, self.field)))

    def mask(self, columns: Any) -> Mask:
        import pyarrow.compute as compute

        return _evaluated(
            columns, self.field, lambda column: compute.starts_with(column, pattern=self.value)
        )


@dataclass(frozen=True, slots=True)
class AllOf(Condition):
    """Every part holds; of no parts, everything passes."""

    parts: tuple[Condition, ...]

    def checked(self, known: Fields) -> Condition:
        return AllOf(tuple(part.checked(known) for part in self.parts))

    def mask(self, columns: Any) -> Mask:
        found = np.ones(len(columns), bool)
        for part in self.parts:
            found &= part.mask(columns)
        return found


@dataclass(frozen=True, slots=True)
class AnyOf(Condition):
    """At least one part holds; of no parts, nothing passes."""

    parts: tuple[Condition, ...]

    def checked(self, known: Fields) -> Condition:
        return AnyOf(tuple(part.checked(known) for part in self.parts))

    def mask(self, columns: Any) -> Mask:
        found = np.zeros(len(columns), bool)
        for part in self.parts:
            found |= part.mask(columns)
        return found


@dataclass(frozen=True, slots=True)
class Not(Condition):
    """The part doesn't hold."""

    part: Condition

    def checked(self, known: Fields) -> Condition:
        return Not(self.part.checked(known))

    def mask(self, columns: Any) -> Mask:
        return ~self.part.mask(columns)


class Field:
    """A field by its name, to be compared: ``Field("year") >= 1990``."""

    __hash__ = None  # type: ignore[assignment]  # == gives a condition

    def __init__(self, name: str):
        self.name = name

    def __eq__(self, value: Value | None) -> Condition:  # type: ignore[override]
        return Compare(self.name, "==", value)

    def __ne__(self, value: Value | None) -> Condition:  # type: ignore[override]
        return Compare(self.name, "!=", value)

    def __lt__(self, value: Value) -> Condition:
        return Compare(self.name, "<", value)

    def __le__(self, value: Value) -> Condition:
        return Compare(self.name, "<=", value)

    def __gt__(self, value: Value) -> Condition:
        return Compare(self.name, ">", value)

    def __ge__(self, value: Value) -> Condition:
        return Compare(self.name, ">=", value)

    def one_of(self, *values: Value) -> Condition:
        """Its value is one of these."""
        return OneOf(self.name, values)

    def prefix(self, value: str) -> Condition:
        """It is a text that begins so."""
        return Prefix(self.name, value)


def inside(field: str, folders: tuple[str, ...]) -> Condition:
    """One of these, or inside one: ``animals`` has ``animals/dogs``, not ``animalsX``."""
    names = [folder.rstrip("/") for folder in folders]
    return AnyOf((OneOf(field, tuple(names)), *(Prefix(field, f"{name}/") for name in names)))


_ARROW: Mapping[str, str] = {
    "==": "equal",
    "!=": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
}


def _scalar(value: Value | None) -> Any:
    import pyarrow

    return pyarrow.scalar(value)


def _evaluated(columns: Any, field: str, ask: Any) -> Mask:
    """[N] the answer of ``ask`` for each value; null is no.

    A column of few different values is kept as a dictionary: each of those is asked for once.
    """
    answers = [_of_chunk(chunk, ask) for chunk in columns.column(column_of(field)).chunks]
    return np.concatenate(answers) if answers else np.zeros(0, bool)


def _of_chunk(chunk: Any, ask: Any) -> Mask:
    import pyarrow

    if not pyarrow.types.is_dictionary(chunk.type):
        return _plain(ask(chunk))
    # the last answer is that for a place without a value
    values = pyarrow.concat_arrays([chunk.dictionary, pyarrow.nulls(1, chunk.dictionary.type)])
    places = chunk.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False)
    found: Mask = _plain(ask(values))[places]
    return found


def _plain(answers: Any) -> Mask:
    found: Mask = answers.fill_null(False).to_numpy(zero_copy_only=False)
    return found
