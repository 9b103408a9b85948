"""Typed configuration: closed models, lazy name tables, errors that name the nearest known key.

Each configurable class owns a nested ``Config``. A part that is chosen by name
(a tower, an objective, a source ...) derives its ``Config`` from ``NamedConfig``; a
field that takes one is annotated with ``part_of("towers")``. The name is looked
up in that folder's ``TABLE`` (name -> ``module:Class``), imported only when used,
or is itself ``package.module:Class``, so users extend without forking.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from interlingua.errors import ConfigError

ConfigType = TypeVar("ConfigType", bound="Config")


class Config(BaseModel):
    """A closed, immutable description; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _name_the_nearest_key(cls, data: Any) -> Any:
        # Done before the fields, because only here is the class of a nested part known.
        if isinstance(data, Mapping):
            unknown = [str(key) for key in data if key not in cls.model_fields]
            if unknown:
                raise PydanticCustomError(
                    "unknown_keys",
                    "unknown keys",
                    {"unknown": {key: nearest(key, cls.model_fields) for key in unknown}},
                )
        return data


class NamedConfig(Config):
    """The description of a part that is chosen by name from a folder's table."""

    folder: ClassVar[str]
    name: str

    def build(self, *args: Any, **kwargs: Any) -> Any:
        """Construct the class that this describes: ``Class(config, *args, **kwargs)``."""
        return resolve(self.folder, self.name)(self, *args, **kwargs)


def resolve(folder: str, name: str) -> Any:
    """The class that ``name`` stands for in ``interlingua.<folder>.TABLE``.

    Raises:
        ConfigError: an unknown name; the message names the nearest known one.
    """
    table: Mapping[str, str] = importlib.import_module(f"interlingua.{folder}").TABLE
    path = table.get(name, name)
    if ":" not in path:
        raise ConfigError(
            f"There is no {name!r} in {folder}{nearest(name, table)}.",
            next_step=f"Known: {', '.join(sorted(table))}; or give package.module:Class.",
        )
    module_name, _, attribute = path.partition(":")
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        if name in table:
            raise
        raise ConfigError(f"{name!r} can't be imported: {error}.") from error


def part_of(folder: str) -> BeforeValidator:
    """Validates a mapping with a ``name``, or a name alone, as the ``Config`` of that class.

    Use: ``tower: Annotated[SerializeAsAny[NamedConfig], part_of("towers")]``.
    """

    def validate_part(value: Any) -> Any:
        if isinstance(value, str):
            value = {"name": value}
        if not isinstance(value, Mapping):
            return value
        if "name" not in value:
            raise ValueError(f"needs a 'name' from {folder}")
        try:
            found = resolve(folder, str(value["name"]))
        except ConfigError as error:
            known = f" {error.next_step}" if error.next_step else ""
            raise ValueError(error.what + known) from error
        config_class = getattr(found, "Config", None)
        if not (isinstance(config_class, type) and issubclass(config_class, NamedConfig)):
            raise ValueError(f"{value['name']!r} has no nested Config derived from NamedConfig")
        return config_class.model_validate(dict(value))

    return BeforeValidator(validate_part)


def validate(config_class: type[ConfigType], data: Mapping[str, Any], where: str) -> ConfigType:
    """Validate plain data in one place, with readable errors.

    Raises:
        ConfigError: names each wrong key by its whole path with the nearest known one,
            or each wrong value.
    """
    try:
        return config_class.model_validate(dict(data))
    except ValidationError as error:
        found = dict.fromkeys(_readable(error, data, ()))
        # Each member of a union complains; the complaint with a hint is enough.
        lines = [line for line in found if not any(o != line and o.startswith(line) for o in found)]
        raise ConfigError(
            "The configuration is wrong: " + "; ".join(lines) + ".", where=where
        ) from None


def to_plain(config: Config) -> dict[str, Any]:
    """The whole description as plain data that ``validate`` takes back unchanged."""
    return config.model_dump(mode="json", serialize_as_any=True)


def nearest(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _readable(error: ValidationError, data: Any, prefix: tuple[str, ...]) -> Iterable[str]:
    """One line for each thing that is wrong, parts that are chosen by name included."""
    items = error.errors()
    for item in items:
        # "too few items" of a list whose only item is wrong is a consequence, not a second error
        if any(one["loc"][: len(item["loc"])] == item["loc"] != one["loc"] for one in items):
            continue
        path, inner = _follow(item["loc"], data, missing=item["type"] == "missing")
        path = (*prefix, *path)
        context = item.get("ctx", {})
        nested = context.get("error")
        if isinstance(nested, ValidationError):
            inner = {"name": inner} if isinstance(inner, str) else inner
            yield from _readable(nested, inner, path)
        elif "unknown" in context:
            for key, hint in context["unknown"].items():
                yield f"unknown key {'.'.join((*path, key))!r}{hint}"
        else:
            message = item["msg"].removeprefix("Value error, ").rstrip(".")
            yield f"{'.'.join(path)}: {message}" if path else message


def _follow(loc: Sequence[int | str], data: Any, *, missing: bool) -> tuple[tuple[str, ...], Any]:
    """The steps of ``loc`` that are keys of the data: pydantic adds the names of union members."""
    path: list[str] = []
    last = len(loc) - 1
    for number, step in enumerate(loc):
        if isinstance(data, Mapping) and step in data:
            data = data[step]
        elif isinstance(data, Sequence) and not isinstance(data, str) and isinstance(step, int):
            data = data[step] if step < len(data) else None
        elif missing and number == last:
            data = None
        else:
            continue
        path.append(str(step))
    return tuple(path), data
