"""Dataclasses as plain data and back: what ``comparison.json`` is written and read with.

Not a number is None in JSON, since JSON has no NaN.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from interlingua.errors import DataError

Built = TypeVar("Built")


def plain(value: Any) -> Any:
    """Dataclasses, lists, tuples and mappings as what JSON knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def built(kind: type[Built], data: Mapping[str, Any], where: str = "") -> Built:
    """The dataclass that ``plain`` made this of.

    Raises:
        DataError: the data are of another kind; names the place.
    """
    if not isinstance(data, Mapping):
        raise DataError(f"This is no {kind.__name__}.", where=where or None)
    hints = typing.get_type_hints(kind)
    values = {}
    for item in dataclasses.fields(kind):  # type: ignore[arg-type]
        place = f"{where}.{item.name}" if where else item.name
        if item.name in data:
            values[item.name] = _value(hints[item.name], data[item.name], place)
        elif item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            raise DataError(f"{kind.__name__} lacks {item.name!r}.", where=place)
    return kind(**values)


def _value(kind: Any, data: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if data is None and type(None) in arguments:
            return None
        return _value(next(one for one in arguments if one is not type(None)), data, where)
    if dataclasses.is_dataclass(kind):
        return built(kind, data, where)  # type: ignore[arg-type]
    try:
        if origin is list:
            return [_value(arguments[0], one, where) for one in data]
        if origin is tuple:
            return tuple(_value(arguments[0], one, where) for one in data)
        if origin is dict:
            return {key: _value(arguments[1], one, where) for key, one in data.items()}
        if kind is float:
            return math.nan if data is None else float(data)
    except (TypeError, ValueError, AttributeError):
        raise DataError("A value is of another kind than expected.", where=where) from None
    return data
