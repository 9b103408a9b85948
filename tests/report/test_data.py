from __future__ import annotations

import numpy as np
import pytest

from interlingua.evaluate import all_directions
from interlingua.report import DirectionRow, Hit, ReportData, Strip, Thing, View


def test_two_things_with_one_key_are_refused() -> None:
    thing = Thing("a", "a", {})
    with pytest.raises(ValueError, match="share a key"):
        ReportData("run", things=[thing, thing])


def test_a_hit_or_hero_without_its_thing_is_refused() -> None:
    strip = Strip({"text": View(text="a")}, "image", [Hit("b", "image", 0.5, False)])
    with pytest.raises(ValueError, match="'b'"):
        ReportData("run", things=[Thing("a", "a", {})], strips=[strip])
    with pytest.raises(ValueError, match="'c'"):
        ReportData("run", heroes=["c"])


def test_rows_are_made_of_what_evaluation_measures() -> None:
    random = np.random.default_rng(0)
    words = random.normal(size=(30, 8))
    vectors = {"text": words, "image": words + random.normal(size=(30, 8)) * 0.1}
    component = {view: np.arange(30) for view in vectors}
    measured = all_directions(vectors, component, bootstrap=50).get("text", "image")
    row = DirectionRow.of(measured, baseline={10: 0.4}, baseline_name="length")
    assert row.recall[1].value == measured.result.r_at[1].value > 0.9
    assert row.chance[10] == pytest.approx(1 / 3)
    assert row.control[1] == measured.control[1].value
    assert (row.query, row.target, row.number, row.gallery) == ("text", "image", 30, 30)
    assert row.baseline == {10: 0.4}


def test_a_direction_is_found_among_the_held_out_ones_only() -> None:
    seen = DirectionRow("text", "image", {}, held_out=False)
    held = DirectionRow("text", "image", {}, number=5)
    assert ReportData("run", directions=[seen, held]).direction("text", "image") is held
    assert ReportData("run", directions=[seen]).direction("text", "image") is None
