"""Search filters from typed fields only: nothing that a user types becomes part of the SQL.

LanceDB takes a filter as SQL text without parameters, so every value is quoted here, and column
names are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Filter:
    """What a hit must be; None = anything.

    Attributes:
        kinds: one of these views.
        groups: one of these groups, or inside one (``animals`` has ``animals/dogs``).
        sources: from one of these.
        languages: in one of these.
        keys: of one of these samples.
    """

    kinds: Sequence[str] | None = None
    groups: Sequence[str] | None = None
    sources: Sequence[str] | None = None
    languages: Sequence[str] | None = None
    keys: Sequence[str] | None = None

    def to_sql(self) -> str | None:
        """A condition for LanceDB, or None where everything passes."""
        conditions = [
            _one_of(column, values)
            for column, values in (
                ("kind", self.kinds),
                ("source", self.sources),
                ("language", self.languages),
                ("key", self.keys),
            )
            if values is not None
        ]
        if self.groups is not None:
            inside = [_one_of("group", [group.rstrip("/") for group in self.groups])]
            inside += [
                f"starts_with(`group`, {_quoted(group.rstrip('/') + '/')})" for group in self.groups
            ]
            conditions.append(f"({' OR '.join(inside)})")
        return " AND ".join(conditions) or None


def _one_of(column: str, values: Sequence[str]) -> str:
    if not values:
        return "false"
    return f"`{column}` IN ({', '.join(_quoted(value) for value in values)})"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
