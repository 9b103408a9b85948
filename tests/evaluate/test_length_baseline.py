"""The clip-length baseline: least squares, and what it can and can't find."""

import numpy as np
import pytest

from interlingua.evaluate import LengthBaseline, retrieval_from_scores


def test_the_fit_is_least_squares():
    generator = np.random.default_rng(0)
    seconds = generator.uniform(0.5, 3, 50)
    letters = 4 + 5 * seconds + generator.normal(size=50)
    baseline = LengthBaseline.fit(seconds, letters)
    slope, intercept = np.polyfit(seconds, letters, 1)
    assert (baseline.slope, baseline.intercept) == pytest.approx((slope, intercept))
    assert baseline.predict([2.0])[0] == pytest.approx(2 * slope + intercept)


def test_it_finds_names_by_length_and_scores_chance_among_equals():
    lengths = np.arange(3, 43)
    clips = (lengths - 1) / 6
    baseline = LengthBaseline.fit(clips, lengths)
    things = np.arange(40)
    found = retrieval_from_scores(baseline.scores(clips, lengths), things, things)
    assert found.r_at[1].value == 1.0
    equal = np.full(40, 7)
    blind = retrieval_from_scores(baseline.scores(clips, equal), things, things)
    assert blind.r_at[10].value == pytest.approx(blind.chance[10])


def test_clips_of_one_length_predict_the_mean():
    baseline = LengthBaseline.fit([1.0, 1.0, 1.0], [3, 6, 9])
    assert baseline.predict([0.1, 5.0]).tolist() == [6.0, 6.0]


def test_too_few_clips_are_refused():
    with pytest.raises(ValueError, match="two pairs"):
        LengthBaseline.fit([1.0], [3])
