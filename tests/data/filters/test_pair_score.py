"""The learned filter with scores that are written down; runs that score are in tests/train."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from interlingua.content import BytesContent
from interlingua.errors import ConfigError
from interlingua.sample import Image, OneOf, Sample, Text

SCORES = {"dog": 0.9, "hound": 0.5, "cat": 0.3, "theme": -0.2, "broken": float("nan")}


@pytest.fixture
def scorer():
    """Scores by text alone, and which run it was asked of."""
    opened = []

    def open_scorer(run: Path):
        opened.append(run)
        return lambda pairs: numpy.array([SCORES[text.text] for _, text in pairs])

    open_scorer.opened = opened
    return open_scorer


@pytest.fixture
def samples(make_sample, make_png):
    return [
        make_sample("a", ["dog", "theme"], make_png(seed=1)),
        make_sample("b", "hound", make_png(seed=2)),
        make_sample("c", "cat", make_png(seed=3)),
        make_sample("d", "broken", make_png(seed=4)),
        make_sample("e", "no picture"),
    ]


def test_the_best_share_stays(samples, run_filter, scorer, taken) -> None:
    done = run_filter("pair_score", samples, scorer, run="some/run", keep=0.4)
    assert scorer.opened == [Path("some/run")]
    assert taken(done) == [
        ("a", "theme", "picture and text far apart", -0.2, False),
        ("c", "cat", "picture and text far apart", 0.3, True),
        ("d", "broken", "can't be scored", "unreadable", True),
    ]
    assert [one.key for one in done.kept] == ["a", "b", "e"]


def test_a_bound_on_the_score(samples, run_filter, scorer) -> None:
    done = run_filter("pair_score", samples, scorer, run="r", min_score=0.5)
    assert [one.key for one in done.kept] == ["a", "b", "e"]
    done = run_filter("pair_score", samples, scorer, run="r", min_score=-1)
    assert [one.key for one in done.kept] == ["a", "b", "c", "e"]


def test_of_equal_scores_the_earlier_stays(make_sample, make_png, run_filter, scorer) -> None:
    samples = [make_sample(name, "dog", make_png(seed=1)) for name in "abcd"]
    done = run_filter("pair_score", samples, scorer, run="r", keep=0.5)
    assert [one.key for one in done.kept] == ["a", "b"]


def test_the_best_of_several_pictures_counts(run_filter) -> None:
    both = OneOf((Image(BytesContent(b"bad")), Image(BytesContent(b"good"))))
    sample = Sample("a", (both, Text("dog")))

    def by_picture(_):
        return lambda pairs: numpy.array(
            [1.0 if image.content.data == b"good" else 0.0 for image, _ in pairs]
        )

    assert run_filter("pair_score", [sample], by_picture, run="r", min_score=0.5).kept == [sample]


def test_without_a_scorer_it_is_said(samples, run_filter) -> None:
    with pytest.raises(ConfigError, match="recipe"):
        run_filter("pair_score", samples, run="r", keep=0.5)
