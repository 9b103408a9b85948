"""What a comparison is written as, and read back."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from interlingua.comparison.plain_data import built, plain
from interlingua.comparison.result import Comparison, read_comparison
from interlingua.errors import DataError
from interlingua.evaluate.intervals import Estimate


@dataclass(slots=True)
class Part:
    value: Estimate
    weights: dict[str, float]
    names: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Whole:
    number: int
    parts: list[Part]
    by_name: dict[str, Part]
    perhaps: Part | None = None
    bins: tuple[Part, ...] = ()


def test_round_trip() -> None:
    part = Part(Estimate(0.5, 0.4, 0.6), {"a": 1.0, "b": 2.0}, ["x"])
    whole = Whole(3, [part], {"one": part}, part, (part, part))
    assert built(Whole, json.loads(json.dumps(plain(whole)))) == whole


def test_what_is_no_number_is_none() -> None:
    part = Part(Estimate(0.5, math.nan, math.nan), {"a": math.inf})
    data = plain(part)
    assert data["value"] == {"value": 0.5, "low": None, "high": None}
    assert data["weights"] == {"a": None}
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    again = built(Part, data)
    assert math.isnan(again.value.low)
    assert math.isnan(again.weights["a"])


def test_what_is_wrong_is_named() -> None:
    part = plain(Part(Estimate(0.5, 0.4, 0.6), {}))
    with pytest.raises(DataError, match="number"):
        built(Whole, {"parts": [], "by_name": {}})
    with pytest.raises(DataError) as error:
        built(Whole, {"number": 1, "parts": [{**part, "weights": 3}], "by_name": {}})
    assert error.value.where == "parts.weights"


def test_what_is_no_comparison_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no comparison here"):
        read_comparison(tmp_path / "comparison.json")
    (tmp_path / "comparison.json").write_text("{")
    with pytest.raises(DataError, match="can't be read"):
        read_comparison(tmp_path / "comparison.json")
    (tmp_path / "comparison.json").write_text("[]")
    with pytest.raises(DataError, match="no comparison"):
        read_comparison(tmp_path / "comparison.json")
    with pytest.raises(DataError, match="version"):
        Comparison.from_json({"format": "interlingua-comparison", "format_version": 99})
