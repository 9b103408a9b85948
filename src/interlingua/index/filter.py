"""What the arguments of a search ask for, as one condition.

Nothing that a user types reaches the table's engine: conditions are worked out in memory
(``condition.py``), and rows are then named by addresses and digests that are made here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from interlingua.index.condition import AllOf, Condition, Fields, OneOf, inside
from interlingua.index.filter_syntax import parse
from interlingua.index.record import present_kinds


@dataclass(frozen=True, slots=True)
class Filter:
    """What a hit must be; None = anything.

    Attributes:
        kinds: one of these views; ``audio`` stands for ``sound`` and ``speech``.
        groups: one of these groups, or inside one (``animals`` has ``animals/dogs``).
        sources: from one of these.
        languages: in one of these.
        keys: of one of these samples.
        where: a condition, or text as in ``filter_syntax.parse``.
    """

    kinds: Sequence[str] | None = None
    groups: Sequence[str] | None = None
    sources: Sequence[str] | None = None
    languages: Sequence[str] | None = None
    keys: Sequence[str] | None = None
    where: str | Condition | None = None

    def condition(
        self, fields: Fields, present: Mapping[str, int], index: Path
    ) -> Condition | None:
        """One checked condition, or None where everything passes.

        Args:
            fields: of the index.
            present: how many records it has of each kind.
            index: its folder, for messages.

        Raises:
            SearchIndexError: a kind that the index lacks.
            ConfigError: text that can't be read, an unknown field, a value of another kind.
        """
        parts: list[Condition] = []
        if self.kinds is not None:
            parts.append(OneOf("kind", present_kinds(self.kinds, present, index)))
        if self.groups is not None:
            parts.append(inside("group", tuple(self.groups)))
        for name, values in (
            ("source", self.sources),
            ("language", self.languages),
            ("key", self.keys),
        ):
            if values is not None:
                parts.append(OneOf(name, tuple(values)))
        if self.where is not None:
            parts.append(parse(self.where) if isinstance(self.where, str) else self.where)
        return AllOf(tuple(parts)).checked(fields) if parts else None
