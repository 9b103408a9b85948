from __future__ import annotations

import json

import pytest

from interlingua.config import resolve
from interlingua.data.filters.chain import apply_filters, by_reason, describe, spread, to_json


def config(name: str, **settings):
    return resolve("data.filters", name).Config(name=name, **settings)


@pytest.fixture
def samples(make_sample, make_png):
    return [
        make_sample("small", "dog", make_png(20, 20)),
        make_sample("star 1", "star", make_png(50, 50, seed=1)),
        make_sample("star 2", ["star", "sun"], make_png(50, 50, seed=2)),
        make_sample("fine", "cow", make_png(50, 50, seed=3)),
    ]


def test_each_sees_what_the_one_before_kept(samples) -> None:
    notes: list[str] = []
    steps = apply_filters(
        samples,
        [config("size", min_side=50), config("shared_text", max_samples=1)],
        note=notes.append,
    )
    assert [(step.name, step.given, step.removed, step.removed_texts) for step in steps] == [
        ("size", 4, 1, 1),
        ("shared_text", 3, 1, 2),
    ]
    assert [one.key for one in steps[-1].kept] == ["star 2", "fine"]
    assert notes == [
        "filter size: 1 of 4 samples removed (short side 1)",
        "filter shared_text: 1 of 3 samples removed (text of many samples 1), "
        "and 1 texts of samples that stay",
    ]


def test_the_numbers_as_plain_data(samples) -> None:
    steps = apply_filters(samples, [config("shared_text", max_samples=1)])
    found = json.loads(json.dumps(to_json(steps)))
    assert (found["samples"], found["kept"]) == (4, 3)
    (step,) = found["filters"]
    assert step["settings"] == {"name": "shared_text", "sources": [], "max_samples": 1}
    reason = step["reasons"]["text of many samples"]
    assert (reason["samples"], reason["texts"]) == (1, 2)
    assert reason["examples"] == [
        {"source": "web", "key": "star 1", "text": "star", "value": 2},
        {"source": "web", "key": "star 2", "text": "star", "value": 2},
    ]
    assert to_json([]) == {"format_version": 1, "samples": 0, "kept": 0, "filters": []}


def test_examples_are_spread(make_sample) -> None:
    samples = [make_sample(f"s{n}", "" if n < 98 else "a b c d") for n in range(100)]
    (step,) = apply_filters(samples, [config("text_length", max_words=3)])
    reasons = by_reason(step)
    assert [(name, len(found)) for name, found in reasons.items()] == [
        ("too few words", 98), ("too many words", 2),
    ]  # fmt: skip
    shown = [one.place for one in spread(reasons["too few words"], 4)]
    assert shown == [0, 24, 49, 73]
    assert len(spread(reasons["too many words"], 4)) == 2
    assert spread(reasons["too many words"], 0) == []
    assert describe(step).endswith("(too few words 98, too many words 2)")
