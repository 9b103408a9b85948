from __future__ import annotations

import pytest

from interlingua.data.class_labels import class_numbers
from interlingua.errors import DataError
from interlingua.sample import Label, Meta, Sample, Text


def sample(group: str = "", label: str = "") -> Sample:
    part = Label(label) if label else Text("a thing")
    return Sample("one", (part,), meta=Meta(group=group))


def test_the_narrowest_class_that_contains_the_group_counts() -> None:
    samples = [
        sample("animals"), sample("animals/birds"), sample("animals/birds/cartoon"),
        sample("animals/fish"), sample("animalsandmore"), sample(),
    ]  # fmt: skip
    found = class_numbers(samples, ["animals/birds", "animals"])
    assert found.tolist() == [1, 0, 0, 1, -1, -1]


def test_a_label_counts_before_the_group() -> None:
    samples = [sample("animals", "dog"), sample("animals", "cat"), sample("cat")]
    assert class_numbers(samples, ["cat", "dog"]).tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("samples", "classes", "message"),
    [
        ([sample("a"), sample("a")], ["a", "b"], "samples of 1 of the 2 classes"),
        ([sample("cats"), sample("dogs")], ["cat", "dog"], "did you mean 'cats'"),
        ([sample(), sample()], ["a", "b"], "neither labels nor groups"),
        ([], ["a", "b"], "neither labels nor groups"),
    ],
)
def test_nothing_to_tell_apart_is_an_error(
    samples: list[Sample], classes: list[str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        class_numbers(samples, classes)
