from __future__ import annotations

import re

import numpy as np

from interlingua.report import Thing, View
from interlingua.report.hero import choose_heroes, hero_section
from interlingua.report.media import MediaStore


def test_heroes_have_the_most_views_and_are_held_out(things: list[Thing]) -> None:
    chosen = choose_heroes(things, [])
    assert [len(thing.views) for thing in chosen[:3]] == [4, 4, 4]
    assert chosen[0].held_out
    assert [t.key for t in choose_heroes(things, ["thing-7", "thing-1"])] == ["thing-7", "thing-1"]


def test_the_matrix_holds_the_cosines() -> None:
    views = {
        "image": View(vector=np.array([1.0, 0])),
        "text": View(vector=np.array([2.0, 2.0]), text="A dog."),
        "sound": View(vector=np.array([-1.0, 0])),
    }
    other = {"image": View(vector=np.array([0, 1.0])), "text": View(vector=np.array([1.0, 0]))}
    things = [Thing("dog", "dog", views), Thing("cat", "cat", other)]
    drawn = str(hero_section(things, ["dog"], MediaStore()))
    cells = re.findall(r"<b>([^<]*)</b>", drawn)
    assert cells == ["0.71", "−1.00", "−0.71"]
    assert "others 0.85" in drawn  # mean of cos(image dog, text cat) = 1 and 0.71 the other way


def test_things_with_one_view_are_no_heroes() -> None:
    things = [Thing("a", "a", {"image": View(vector=np.ones(2))})]
    assert hero_section(things, [], MediaStore()) is None
