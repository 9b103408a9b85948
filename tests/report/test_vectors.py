from __future__ import annotations

import numpy as np
import pytest

from interlingua.report import Thing, View
from interlingua.report.vectors import placed_views, same, unit_vectors, usual_cosines


def thing(key: str, component: int | None = None, **vectors: list[float] | None) -> Thing:
    views = {
        name: View(vector=None if vector is None else np.array(vector))
        for name, vector in vectors.items()
    }
    return Thing(key, key, views, component=component)


def test_things_of_one_component_are_the_same() -> None:
    assert same(thing("a", 1), thing("b", 1))
    assert not same(thing("a", 1), thing("b", 2))
    assert not same(thing("a"), thing("b"))
    assert same(thing("a"), thing("a"))


def test_views_have_a_place_where_their_vector_is_finite() -> None:
    dog = Thing(
        "dog",
        "dog",
        {
            "speech[fr]": View(vector=np.ones(2)),
            "speech[es]": View(vector=np.ones(2)),
            "sound": View(vector=np.array([np.nan, 1])),
            "text": View(vector=np.ones(2)),
            "image": View(),
        },
    )
    assert placed_views(dog) == ["text", "speech[fr]"]


def test_the_usual_cosine_is_that_of_different_things() -> None:
    things = [
        thing("a", 1, image=[1.0, 0.0], text=[0.0, 2.0]),
        thing("b", 2, image=[3.0, 0.0], text=[1.0, 1.0]),
        thing("c", 2, image=[0.0, 1.0]),
    ]
    usual = usual_cosines(things)
    half = 0.5**0.5
    # image a with text b; image b and c with text a; the rest is one component
    assert usual["image", "text"] == pytest.approx((half + 0 + 1) / 3)
    assert usual["text", "image"] == usual["image", "text"]
    assert usual["text", "text"] == pytest.approx(half)


def test_a_view_without_vector_names_the_thing() -> None:
    with pytest.raises(ValueError, match="dog has no vector for its sound"):
        unit_vectors([thing("dog", image=[1.0])], "sound")
