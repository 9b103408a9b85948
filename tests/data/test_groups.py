from __future__ import annotations

import pytest

from interlingua.data.groups import group_classes, group_of, labelled_by_group
from interlingua.data.labels import label_of
from interlingua.errors import DataError
from interlingua.sample import Label, Meta, Sample, Text


def thing(key: str, group: str, *parts: Label) -> Sample:
    return Sample(key, (Text(key), *parts), meta=Meta("s", group))


THINGS = [
    thing("owl", "animals/birds/owls"),
    thing("cow", "animals"),
    thing("plane", "signs_and_symbols/birds", Label("old")),
    thing("none", ""),
]


def test_the_first_steps_of_a_group_are_the_label() -> None:
    found = labelled_by_group(THINGS)
    assert [label_of(one) for one in found] == ["animals", "animals", "signs_and_symbols", None]
    assert [one.key for one in found] == [one.key for one in THINGS]
    deeper = labelled_by_group(THINGS, 2)
    assert [label_of(one) for one in deeper][:2] == ["animals/birds", "animals"]
    assert label_of(THINGS[2]) == "old"  # the given samples are as they were


def test_classes_go_by_the_words_of_their_last_step() -> None:
    (animals, signs) = group_classes(THINGS)
    assert (animals.key, animals.names) == ("animals", ("animals",))
    assert (signs.key, signs.name) == ("signs_and_symbols", "signs and symbols")


def test_two_groups_that_end_alike_go_by_all_their_words() -> None:
    found = {one.key: one.name for one in group_classes(THINGS, 2)}
    assert found == {
        "animals": "animals",
        "animals/birds": "animals birds",
        "signs_and_symbols/birds": "signs and symbols birds",
    }


def test_empty_steps_do_not_count() -> None:
    assert group_of(thing("a", "/animals//birds/"), 2) == "animals/birds"
    assert group_of(thing("a", "")) == ""


@pytest.mark.parametrize("things", [THINGS[:2], [THINGS[3]], []])
def test_fewer_than_two_groups_are_refused(things: list[Sample]) -> None:
    with pytest.raises(DataError, match="two are needed"):
        labelled_by_group(things)
