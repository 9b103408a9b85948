"""The fields of a record that a filter may ask for: their names, their kinds and their values.

A field is text, a number, a bool or a time. Some come with every record, others are declared when
an index is made and given by ``Record.fields``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Literal, TypeAlias, get_args

from interlingua.config import nearest
from interlingua.errors import ConfigError, SearchIndexError

FieldKind = Literal["text", "number", "bool", "time"]
Value: TypeAlias = str | float | bool | datetime | date

KINDS: tuple[FieldKind, ...] = get_args(FieldKind)
BUILT_IN: Mapping[str, FieldKind] = {
    "key": "text",
    "kind": "text",
    "text": "text",
    "path": "text",
    "group": "text",
    "source": "text",
    "language": "text",
    "licence": "text",
    "component": "number",
    "size": "number",
    "modified": "time",
}
RESERVED = frozenset(("and", "or", "not", "in", "prefix", "true", "false", "none"))
MAX_FIELDS = 100
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_EXACT = 2**53  # whole numbers beyond it have no float64 of their own


def column_of(name: str) -> str:
    """The column of the table that holds a field; a user's can't collide with ours."""
    return name if name in BUILT_IN else f"field_{name}"


def declared(fields: Mapping[str, str]) -> dict[str, FieldKind]:
    """A user's own fields, checked.

    Raises:
        SearchIndexError: a name that can't be one or is taken, an unknown kind, or too many.
    """
    if len(fields) > MAX_FIELDS:
        raise SearchIndexError(f"An index has at most {MAX_FIELDS} fields, not {len(fields)}.")
    checked: dict[str, FieldKind] = {}
    for name, kind in fields.items():
        if not _NAME.fullmatch(name) or name.lower() in RESERVED:
            raise SearchIndexError(
                f"{name!r} can't be the name of a field.",
                next_step="Take letters, digits and _, at most 63, no digit first; "
                f"not {', '.join(sorted(RESERVED))}.",
            )
        if name in BUILT_IN:
            raise SearchIndexError(
                f"Each record has a field {name!r} already.", next_step="Take another name."
            )
        known = next((one for one in KINDS if one == kind), None)
        if known is None:
            raise SearchIndexError(
                f"The field {name!r} can't be of kind {kind!r}{nearest(str(kind), KINDS)}.",
                next_step=f"There are: {', '.join(KINDS)}.",
            )
        checked[name] = known
    return checked


def known_kind(name: str, known: Mapping[str, FieldKind]) -> FieldKind:
    """The kind of a field.

    Raises:
        ConfigError: there is no such field; the message names the nearest.
    """
    if name not in known:
        raise ConfigError(
            f"There is no field {name!r}{nearest(name, known)}.",
            next_step=f"This index has: {', '.join(f'{n} ({k})' for n, k in known.items())}.",
        )
    return known[name]


def as_kind(value: Any, kind: FieldKind, name: str) -> Value:
    """A value as its field holds it: ``str``, ``float``, ``bool`` or ``datetime`` in UTC.

    A date stands for its first moment, a time without zone is taken as UTC, text of a time is read
    as ISO 8601.

    Raises:
        ConfigError: it is of another kind, or a number that no field can hold.
    """
    if kind == "text" and isinstance(value, str):
        return value.encode("utf-8", "replace").decode()  # what storing makes of it
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value) or (isinstance(value, int) and abs(value) > _EXACT):
            raise ConfigError(f"The field {name!r} can't hold the number {value!r}.")
        return float(value)
    if kind == "time":
        moment = _moment(value)
        if moment is not None:
            return moment
    shown = repr(value) if len(repr(value)) < 60 else f"{repr(value)[:57]}..."
    raise ConfigError(
        f"The field {name!r} holds {_PLURAL[kind]}; {shown} is none.", next_step=_WRITE[kind]
    )


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        return None
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    try:
        return value.astimezone(UTC)
    except OverflowError:  # the first and the last day of the calendar, elsewhere on earth
        return None


_PLURAL = {"text": "texts", "number": "numbers", "bool": "true or false", "time": "times"}
_WRITE = {
    "text": "Write 'words' in quotation marks.",
    "number": "Write a number such as 3 or 0.5.",
    "bool": "Write true or false.",
    "time": "Write a time such as 2026-01-31 or 2026-01-31T12:00:00Z.",
}
