from __future__ import annotations

import re

import numpy as np
import pytest

from interlingua.report import Thing, View
from interlingua.report.media import MediaStore
from interlingua.report.strips import draw_strips, strip_for, strips_section


def plain(key: str, vector: list[float], component: int | None = None, **more: bool) -> Thing:
    view = View(vector=np.array(vector), text=f"A {key}.")
    return Thing(key, key, {"text": view, "image": view}, component=component, **more)


def test_answers_are_ranked_by_cosine() -> None:
    things = [plain("far", [-1, 0]), plain("near", [9, 1]), plain("between", [0, 3])]
    strip = strip_for({"text": View(vector=np.array([2.0, 0]))}, things, "image", wanted=things[2])
    assert [hit.thing for hit in strip.hits] == ["near", "between", "far"]
    assert strip.hits[0].score == pytest.approx(9 / 82**0.5)
    assert [hit.right for hit in strip.hits] == [False, True, False]
    assert (strip.rank, strip.gallery, strip.name) == (2, 3, "between")


def test_any_thing_of_the_component_is_right() -> None:
    things = [plain("fox", [1, 0], 7), plain("other fox", [0.9, 0.1], 7), plain("cat", [0, 1], 8)]
    strip = strip_for({"text": things[0].views["text"]}, things, "image", wanted=things[0])
    assert [hit.right for hit in strip.hits] == [True, True, False]


def test_a_free_query_marks_nothing() -> None:
    things = [plain("a", [1, 0]), plain("b", [0, 1])]
    strip = strip_for({"text": View(vector=np.array([1.0, 0]), text="anything")}, things, "image")
    assert not any(hit.right for hit in strip.hits)
    assert strip.rank is None
    assert strip.held_out is None
    drawn = str(strips_section([strip], {t.key: t for t in things}, MediaStore()))
    assert "verdict" not in drawn
    assert "badge" not in drawn


def test_a_mixed_query_lies_between_its_parts() -> None:
    things = [plain("x", [1, 0]), plain("y", [0, 1]), plain("both", [1, 1])]
    query = {
        "image": View(vector=np.array([100.0, 0])),
        "text": View(vector=np.array([0, 0.01])),
    }
    assert strip_for(query, things, "image").hits[0].thing == "both"


def test_a_query_without_a_vector_is_refused() -> None:
    with pytest.raises(ValueError, match="needs vectors"):
        strip_for({"text": View(text="a")}, [plain("a", [1, 0])], "image")
    with pytest.raises(ValueError, match="needs vectors"):
        strip_for({"text": View(vector=np.ones(2))}, [plain("a", [1, 0])], "sound")


def test_queries_are_drawn_from_the_side_asked_for(things: list[Thing]) -> None:
    by_key = {thing.name: thing for thing in things}
    for held_out in (True, False):
        strips = draw_strips(things, "sound", "image", number=3, held_out=held_out)
        assert strips
        assert all(by_key[strip.name].held_out == held_out for strip in strips)
        assert all("sound" in by_key[strip.name].views for strip in strips)
        assert all(strip.gallery == len(things) for strip in strips)
    assert draw_strips(things, "text", "image", seed=1)[0].name != (
        draw_strips(things, "text", "image", seed=2)[0].name
    )


def test_right_answers_are_marked_in_words_too(things: list[Thing]) -> None:
    strips = draw_strips(things, "text", "image", number=3)
    drawn = str(strips_section(strips, {t.key: t for t in things}, MediaStore()))
    right = sum(hit.right for strip in strips for hit in strip.hits)
    assert (
        right == drawn.count('<li class="right">') == len(re.findall("</svg>right</span>", drawn))
    )
    assert drawn.count('<ol class="hits">') == 3
    assert drawn.count(">held out<") == 3
    assert "right one 1st of 24" in drawn


def test_a_missed_query_says_where_the_right_one_is() -> None:
    things = [plain(f"wrong {i}", [1, i / 100]) for i in range(8)] + [plain("right", [-1, 0])]
    strip = strip_for({"text": View(vector=np.array([1.0, 0]))}, things, "image", wanted=things[-1])
    drawn = str(strips_section([strip], {t.key: t for t in things}, MediaStore()))
    assert "right one 9th of 9" in drawn
    assert "placed missed" in drawn


def test_answers_seen_in_training_say_so() -> None:
    things = [plain("a", [1, 0], held_out=False), plain("b", [0, 1])]
    strip = strip_for({"text": View(vector=np.ones(2))}, things, "image")
    drawn = str(strips_section([strip], {t.key: t for t in things}, MediaStore()))
    assert drawn.count('title="seen in training"') == 1
