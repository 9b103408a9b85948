"""The settings of recipes in which runs differ, each by its path: ``stages.heads.steps``.

Recipes are taken as plain data, so that those of other versions can be set beside each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlingua.report.run_record import RunRecord

NOT_SETTINGS = ("description", "format_version")


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting in which not all runs agree.

    Attributes:
        path: of its keys.
        values: by run; a run whose recipe lacks it is not there.
        tells: whether it is worth showing first: two runs have it with other values, or it names a
            part that only some have. The rest are options of such parts, or came with a version.
    """

    path: str
    values: Mapping[str, Any]

    @property
    def tells(self) -> bool:
        """See the class."""
        first = next(iter(self.values.values()))
        differ = any(value != first for value in self.values.values())
        return differ or self.path.rpartition(".")[2] == "name"


def different_settings(runs: Sequence[RunRecord]) -> list[Setting]:
    """The settings in which not all runs agree, in the recipe's order."""
    flat = {run.name: flattened(run.recipe) for run in runs}
    paths = dict.fromkeys(path for settings in flat.values() for path in settings)
    rows = []
    for path in paths:
        values = {name: settings[path] for name, settings in flat.items() if path in settings}
        first = next(iter(values.values()))
        if len(values) < len(runs) or any(value != first for value in values.values()):
            rows.append(Setting(path, values))
    return rows


def flattened(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """``data.split.seed`` -> 0: each setting by its path; list items by their name or number."""
    found: dict[str, Any] = {}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, Mapping) and value:
            for key, inner in value.items():
                if path or key not in NOT_SETTINGS:
                    walk(inner, f"{path}.{key}" if path else str(key))
        elif isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
            for key, inner in zip(_keys(value), value, strict=True):
                walk(inner, f"{path}.{key}")
        else:
            found[path] = value

    walk(recipe, "")
    return found


def _keys(items: Sequence[Mapping[str, Any]]) -> list[str]:
    """What items of a list are called: their names where these differ, else their numbers."""
    names = [_named(item) for item in items]
    if "" in names or len(set(names)) < len(names):
        return [str(number) for number in range(len(items))]
    return names


def _named(item: Mapping[str, Any]) -> str:
    inner = item.get("source")  # a source's use in a recipe: {source: {name: stamps}, weight: 1}
    name = item.get("name") or (inner.get("name") if isinstance(inner, Mapping) else "")
    return str(name or "")
