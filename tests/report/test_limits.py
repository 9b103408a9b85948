from __future__ import annotations

import math

from interlingua.evaluate import Estimate
from interlingua.report import DirectionRow, ReportData
from interlingua.report.limits import found_limits, limits_section


def row(low: float, **more: object) -> DirectionRow:
    settings: dict[str, object] = {"chance": {10: 0.05}, "number": 200} | more
    return DirectionRow("speech", "image", {10: Estimate(low + 0.05, low, low + 0.1)}, **settings)  # type: ignore[arg-type]


def test_a_direction_near_chance_is_named_with_both_figures() -> None:
    (sentence,) = found_limits([row(0.02)])
    assert sentence.startswith("Not above chance")
    assert "spoken name → picture" in sentence
    assert "7.0" in sentence
    assert "5.0" in sentence


def test_a_direction_that_a_rule_matches_is_named() -> None:
    (sentence,) = found_limits([row(0.1, baseline={10: 0.14}, baseline_name="clip length alone")])
    assert "clip length alone 14" in sentence
    assert found_limits([row(0.1, baseline={10: 0.08})]) == []


def test_few_queries_are_named() -> None:
    assert "(12)" in found_limits([row(0.3, number=12)])[0]
    assert "few queries" in found_limits([row(math.nan)])[0]


def test_good_directions_and_training_figures_need_no_warning() -> None:
    assert found_limits([row(0.3), row(0.0, held_out=False)]) == []


def test_no_poor_direction_is_cut_from_the_page() -> None:
    codes = [f"x{i}" for i in range(30)]
    poor = [
        DirectionRow(
            f"speech[{code}]", "image", {10: Estimate(0.05, 0.0, 0.1)}, {10: 0.05}, number=99
        )
        for code in codes
    ]
    section = str(limits_section(ReportData("demo", directions=poor)))
    assert all(f"spoken name, {code} →" in section for code in codes)
