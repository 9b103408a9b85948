"""The JSON files of a checkpoint folder, read with errors that name the file and the key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from interlingua.config import nearest
from interlingua.errors import LayoutError

Value = TypeVar("Value")
_PUT_BACK = "Put the file back as it was published."


class Section:
    """An object of a JSON file, whose values are asked for by key and type.

    Args:
        values: the object.
        where: the file, and the keys that lead here.
    """

    def __init__(self, values: Mapping[str, Any], where: str):
        self.values = values
        self.where = where

    def __contains__(self, key: str) -> bool:
        return self.values.get(key) is not None

    def fail(self, what: str, next_step: str = _PUT_BACK) -> NoReturn:
        """Raise the error of this section."""
        raise LayoutError(what, where=self.where, next_step=next_step)

    def section(self, key: str) -> Section:
        """The object under a key.

        Raises:
            LayoutError: there is none.
        """
        value = self.values.get(key)
        if not isinstance(value, Mapping):
            hint = nearest(key, self.values)
            self.fail(f"The configuration has no section {key!r}{hint}.")
        return Section(value, f"{self.where}, {key}")

    def number(self, key: str, default: int | None = None) -> int:
        """A whole number.

        Raises:
            LayoutError: it is missing and has no default, or is something else.
        """
        value = self._get(key, default, int)
        return int(value)

    def real(self, key: str, default: float | None = None) -> float:
        """A number."""
        return float(self._get(key, default, (int, float)))

    def text(self, key: str, default: str | None = None) -> str:
        """A string."""
        return str(self._get(key, default, str))

    def flag(self, key: str, default: bool | None = None) -> bool:
        """True or false."""
        return bool(self._get(key, default, bool))

    def numbers(self, key: str, default: Sequence[float] | None = None) -> list[float]:
        """A list of numbers."""
        value = self._get(key, default, (list, tuple))
        if not all(isinstance(one, (int, float)) for one in value):
            self.fail(f"{key!r} is not a list of numbers.")
        return list(value)

    def one_of(self, key: str, known: Mapping[str, Value], default: str | None = None) -> Value:
        """What a word stands for.

        Raises:
            LayoutError: a word that isn't known; names the nearest and all that are.
        """
        word = self.text(key, default)
        if word not in known:
            self.fail(
                f"{key!r} is {word!r}{nearest(word, known)}, which is not supported.",
                f"Supported: {', '.join(sorted(known))}.",
            )
        return known[word]

    def require(self, expected: Mapping[str, Any]) -> None:
        """Check what this library can't vary; a key that is not there counts as expected.

        Raises:
            LayoutError: names the key, its value, and what is supported.
        """
        for key, value in expected.items():
            found = self.values.get(key, value)
            if found != value and not (found is None and not value):
                self.fail(
                    f"{key!r} is {found!r}; only {value!r} is supported.",
                    "Export the checkpoint with the library it was trained with, or use another.",
                )

    def known_keys(self, known: Sequence[str]) -> None:
        """Refuse a setting that nobody here reads and that is not empty.

        Raises:
            LayoutError: names it and what is read.
        """
        for key, value in self.values.items():
            if key not in known and value not in (None, False, 0, {}, []):
                self.fail(
                    f"The setting {key!r} = {value!r}{nearest(key, known)} is not supported.",
                    f"Supported: {', '.join(sorted(known))}.",
                )

    def _get(self, key: str, default: Any, kinds: type | tuple[type, ...]) -> Any:
        value = self.values.get(key)
        if value is None:
            if default is None:
                self.fail(f"The configuration has no {key!r}{nearest(key, self.values)}.")
            return default
        wrong_bool = isinstance(value, bool) and kinds is not bool
        if not isinstance(value, kinds) or wrong_bool:
            self.fail(f"{key!r} is {value!r}, which is of the wrong type.")
        return value


def read_json(path: Path) -> Section:
    """A JSON file that holds one object.

    Raises:
        LayoutError: the file is missing, is not JSON or holds something else.
    """
    try:
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise LayoutError(
            f"There is no {path.name}.", where=str(path), next_step="Check the folder."
        ) from error
    except (ValueError, RecursionError) as error:
        raise LayoutError(
            f"{path.name} is not JSON: {error}.",
            where=str(path),
            next_step=_PUT_BACK,
        ) from error
    if not isinstance(values, dict):
        raise LayoutError(
            f"{path.name} holds no object but a {type(values).__name__}.", where=str(path)
        )
    return Section(values, str(path))


class Fit:
    """Collects which settings of a model a layout can't express.

    Args:
        layout: its name.
        settings: plain data of the model's description.
    """

    def __init__(self, layout: str, settings: Mapping[str, Any]):
        self.layout = layout
        self.settings = settings
        self.problems: list[str] = []

    def value(self, path: str) -> Any:
        """The setting at a dotted path; None where it isn't."""
        value: Any = self.settings
        for step in path.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        return value

    def need(self, path: str, *allowed: Any) -> None:
        """Note a setting that has none of these values."""
        found = self.value(path)
        if found not in allowed:
            wanted = " or ".join(repr(one) for one in allowed)
            self.problems.append(f"model.{path} is {found!r}, the layout has {wanted}")

    def note(self, problem: str) -> None:
        """Note something else."""
        self.problems.append(problem)

    def check(self) -> None:
        """Refuse if anything was noted.

        Raises:
            LayoutError: lists it.
        """
        if self.problems:
            raise LayoutError(
                f"The model doesn't fit the layout {self.layout}: {'; '.join(self.problems)}.",
                next_step='Save it with layout "interlingua", which holds any model, or train with '
                "those settings.",
            )
