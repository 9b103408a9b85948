from __future__ import annotations

import math
import re

import pytest

from interlingua.evaluate import Estimate
from interlingua.report import DirectionRow
from interlingua.report.directions import above_chance, directions_section, dot_and_whisker


def row(value: float, low: float, high: float, **more: object) -> DirectionRow:
    settings: dict[str, object] = {"chance": {10: 0.05}, "number": 100, "gallery": 200} | more
    return DirectionRow("text", "image", {10: Estimate(value, low, high)}, **settings)  # type: ignore[arg-type]


def test_the_drawing_is_to_scale() -> None:
    drawing = str(dot_and_whisker(row(0.5, 0.25, 0.75, control={10: 1.0}), 10, width=116))
    assert 'x1="33.0" x2="83.0"' in drawing  # 8 + 100 * 0.25 .. 8 + 100 * 0.75
    assert "translate(58.0 15.0)" in drawing
    assert 'cx="108.0"' in drawing
    assert re.search(r'x1="13.0" x2="13.0"[^>]*class="chance"', drawing)


def test_no_interval_no_whisker() -> None:
    drawing = str(dot_and_whisker(row(0.5, math.nan, math.nan), 10))
    assert 'class="dot' in drawing
    assert 'class="whisker"' not in drawing
    assert "nan" not in drawing
    assert dot_and_whisker(row(math.nan, math.nan, math.nan), 10) is None
    assert dot_and_whisker(row(0.5, 0.4, 0.6), 5) is None


@pytest.mark.parametrize(
    ("low", "above"), [(0.06, True), (0.05, False), (0.01, False), (math.nan, None)]
)
def test_above_chance(low: float, above: bool | None) -> None:
    assert above_chance(row(0.1, low, 0.2), 10) is above


def test_a_poor_direction_is_said_to_be_poor() -> None:
    good, poor = row(0.5, 0.4, 0.6), row(0.06, 0.02, 0.1)
    assert "not above chance" in str(directions_section([poor]))
    assert "not above chance" not in str(directions_section([good]))


def test_all_figures_are_in_the_table() -> None:
    section = str(
        directions_section(
            [row(0.5, 0.41, 0.62, control={10: 0.044}, median_rank=7.5, number=1234)]
        )
    )
    text = re.sub(r"<[^>]*>", "", section).replace("\u202f", " ")
    for figure in ("50 %", "41–62", "5.0 %", "4.4 %", "7.5 of 200", "1,234"):
        assert figure in text


def test_held_out_and_seen_stand_apart() -> None:
    section = str(directions_section([row(0.9, 0.8, 1, held_out=False), row(0.5, 0.4, 0.6)]))
    assert section.index("Held-out things") < section.index("Things seen in training")
    seen_part = section[section.index("Things seen in training") :]
    assert "90" in seen_part
    assert "<b>50" not in seen_part


def test_languages_have_their_own_table_side_by_side() -> None:
    rows = [
        DirectionRow(query, target, {10: Estimate(0.1, 0.0, 0.2)})
        for query in ("speech[fr]", "speech[ca]")
        for target in ("image", "text")
    ]
    section = re.sub(r"<[^>]*>", " ", str(directions_section(rows)))
    order = re.findall(r"spoken, (\w+)\s+(words|picture)", section)
    assert order == [
        ("Catalan", "words"),
        ("French", "words"),
        ("Catalan", "picture"),
        ("French", "picture"),
    ]


def test_only_the_chosen_k_is_shown() -> None:
    both = DirectionRow("text", "image", {1: Estimate(0.2, 0.1, 0.3), 10: Estimate(0.6, 0.5, 0.7)})
    section = str(directions_section([both]))
    assert not re.search(r'class="at k10" hidden', section)
    assert len(re.findall(r'class="at k1" hidden', section)) == 5  # the head and four cells
    assert directions_section([]) is None
