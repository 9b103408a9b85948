from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlingua import data
from interlingua.content import BytesContent
from interlingua.data.component import assign_components, names, normalised, split_by_component
from interlingua.data.near_duplicates import Fingerprint
from interlingua.errors import DataError
from interlingua.sample import Image, Label, Meta, OneOf, Sample, Text

PICTURE = Image(BytesContent(b"", "x.png"))


def sample(
    key: str, name: str = "", source: str = "a", component: int | None = None, picture: bool = True
) -> Sample:
    parts = (PICTURE, Text(name or key)) if picture else (Text(name or key),)
    return Sample(key, parts, meta=Meta(source=source, name=name, component=component))


def components(samples: list[Sample]) -> list[int | None]:
    return [item.meta.component for item in assign_components(samples, pictures=False)]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("A dog.", "dogs"),
        ("the Dog", "dog!"),
        ("Éclair au café", "eclair au cafe"),
        ("Some cherries.", "cherry"),
        ("boxes", "a box"),
        ("wine glasses", "wine glass"),
        ("two_buses", "two buses"),
        ("St Patrick's hat", "St Patrick’s hats"),
    ],
)
def test_names_that_are_the_same(left: str, right: str) -> None:
    assert normalised(left) == normalised(right) != ""


@pytest.mark.parametrize(
    ("left", "right"), [("dog", "dogfish"), ("red apple", "apple"), ("glass", "gla"), ("bus", "bu")]
)
def test_names_that_are_not(left: str, right: str) -> None:
    assert normalised(left) != normalised(right)


def test_a_name_can_be_in_any_script() -> None:
    assert normalised("Собака.") == normalised("собака") != ""
    assert normalised("…!?") == ""


def test_equal_names_join_over_all_sources() -> None:
    samples = [
        sample("1", "dog"),
        sample("2", "cat"),
        sample("3", "Dogs", source="b"),
        sample("4", "red dog"),
    ]
    assert components(samples) == [0, 1, 0, 2]


def test_joining_goes_through_third_samples() -> None:
    both = Sample("3", (PICTURE, OneOf((Text("dog"), Text("hound")))))
    assert components([sample("1", "dog"), sample("2", "hound"), both]) == [0, 0, 0]


def test_only_the_most_telling_texts_name_a_thing() -> None:
    texts = (Text("swan"), Text("animals"), Text("one two three four five six seven"))
    item = Sample("x", (OneOf(texts, (1.0, 0.2, 1.0)),), meta=Meta(name="Swan"))
    assert names(item) == {"swan"}


def test_a_label_is_a_class_not_a_name() -> None:
    samples = [Sample(str(i), (PICTURE, Text("dog"), Label("dog"))) for i in range(3)]
    assert components(samples) == [0, 1, 2]


def test_what_a_source_joined_stays_joined_within_it() -> None:
    samples = [
        sample("1", component=7),
        sample("2", component=7),
        sample("3", component=7, source="b"),
    ]
    assert components(samples) == [0, 0, 1]


def test_the_same_drawing_joins() -> None:
    grey = np.random.default_rng(0).integers(0, 255, (2, 32, 32), dtype=np.uint8)
    prints = {
        "1": Fingerprint(grey[0], 1.0),
        "2": Fingerprint(grey[1], 1.0),
        "3": Fingerprint(grey[0][:, ::-1], 1.0),
        "4": None,
    }
    samples = [sample(key) for key in prints]
    joined = assign_components(samples, image_hash=lambda item: prints[item.key])
    assert [item.meta.component for item in joined] == [0, 1, 0, 2]
    assert [item.key for item in joined] == ["1", "2", "3", "4"]
    assert all(item.parts == before.parts for item, before in zip(joined, samples, strict=True))


def test_a_split_needs_components() -> None:
    with pytest.raises(DataError, match="no components"):
        split_by_component([sample("1")], held_out=1)


@settings(max_examples=100, deadline=None)
@given(
    numbers=st.lists(st.integers(0, 12), min_size=1, max_size=40),
    seed=st.integers(0, 1000),
    data_=st.data(),
)
def test_no_component_is_on_both_sides(numbers: list[int], seed: int, data_: st.DataObject) -> None:
    samples = [sample(str(i), component=number) for i, number in enumerate(numbers)]
    count = data_.draw(st.integers(1, len(samples)))
    split = split_by_component(samples, held_out=count, seed=seed)
    assert len(split.held_out) == count
    train = {item.meta.component for item in split.train}
    assert train.isdisjoint(item.meta.component for item in split.held_out)
    assert train.isdisjoint(item.meta.component for item in split.removed)
    keys = [item.key for side in (split.train, split.held_out, split.removed) for item in side]
    assert sorted(keys) == sorted(item.key for item in samples), "each sample is somewhere, once"


def test_the_choice_depends_on_the_seed_and_not_on_the_order() -> None:
    samples = [sample(str(i), component=i) for i in range(50)]
    shuffled = random.Random(1).sample(samples, len(samples))

    def chosen(items: list[Sample], seed: int) -> set[str]:
        split = split_by_component(items, held_out=10, seed=seed)
        return {item.key for item in split.held_out}

    assert chosen(samples, 0) == chosen(shuffled, 0) != chosen(samples, 1)


def test_held_out_comes_from_one_source_with_the_wanted_views() -> None:
    samples = [
        sample("1", component=0),
        sample("2", component=1, picture=False),
        sample("3", component=2, source="b"),
        sample("4", component=0, source="b"),
    ]
    split = split_by_component(samples, held_out=1, source="a", views=("image",))
    assert [item.key for item in split.held_out] == ["1"]
    assert [item.key for item in split.train] == ["2", "3"]
    assert [item.key for item in split.removed] == ["4"]
    with pytest.raises(DataError, match="1 have the wanted views"):
        split_by_component(samples, held_out=2, source="a", views=("image",))


def test_held_out_by_keys_or_by_a_test() -> None:
    samples = [sample(str(i), component=i) for i in range(5)]
    by_keys = split_by_component(samples, held_out=["1", "3"])
    by_test = split_by_component(samples, held_out=lambda item: item.key in "13")
    assert [s.key for s in by_keys.held_out] == [s.key for s in by_test.held_out] == ["1", "3"]
    with pytest.raises(DataError, match="'9'"):
        split_by_component(samples, held_out=["1", "9"])


@pytest.mark.slow
def test_real_sources_split_without_leaks(real_data: Callable[[str], object]) -> None:
    for name in ("stamps", "clipart"):
        real_data(name)
    samples = [item for name in ("stamps", "clipart") for item in data.open_source(name)]
    joined = assign_components(samples)
    sizes: dict[int | None, int] = {}
    for item in joined:
        sizes[item.meta.component] = sizes.get(item.meta.component, 0) + 1
    stamps = [item for item in joined if item.meta.source == "stamps"]
    assert max(sizes[item.meta.component] for item in stamps) < 100, "no chain swallows the stamps"
    for seed in range(3):
        split = split_by_component(joined, held_out=200, source="stamps", seed=seed)
        assert len(split.held_out) == 200
        held_names = {name for item in split.held_out for name in names(item)}
        assert held_names.isdisjoint(name for item in split.train for name in names(item))
        assert len(split.train) > 8000
