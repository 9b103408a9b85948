"""Schedules are pure functions; patterns decide what is trained."""

from __future__ import annotations

import math

import pytest

from interlingua.config import validate
from interlingua.errors import ConfigError
from interlingua.train.stages import Stage, learning_rate, multipliers

NAMES = ["towers.image.weight", "towers.text.weight", "heads.image.bias", "scale"]


def test_warm_up_is_a_line_that_reaches_the_rate() -> None:
    stage = Stage(steps=10, warmup_steps=4, learning_rate=0.8, schedule="constant")
    rates = [learning_rate(stage, step) for step in range(10)]
    assert rates[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert rates[4:] == [0.8] * 6


def test_cosine_is_the_definition() -> None:
    stage = Stage(steps=12, warmup_steps=2, learning_rate=2.0, final_fraction=0.1)
    for step in range(2, 12):
        cosine = (1 + math.cos(math.pi * (step - 2) / 10)) / 2
        assert learning_rate(stage, step) == pytest.approx(2.0 * (0.1 + 0.9 * cosine))


def test_linear_falls_evenly() -> None:
    stage = Stage(steps=4, learning_rate=1.0, schedule="linear")
    assert [learning_rate(stage, step) for step in range(4)] == pytest.approx([1, 0.75, 0.5, 0.25])


def test_all_warm_up_needs_no_division_by_zero() -> None:
    stage = Stage(steps=3, warmup_steps=3, learning_rate=3.0)
    assert [learning_rate(stage, step) for step in range(4)] == pytest.approx([1, 2, 3, 3])


def test_first_pattern_decides_and_no_match_freezes() -> None:
    stage = Stage(steps=1, trainable=(("towers.text.*", 0.0), ("towers.*", 0.1), ("heads.*", 1.0)))
    assert multipliers(stage, NAMES) == {"towers.image.weight": 0.1, "heads.image.bias": 1.0}


def test_a_pattern_that_matches_nothing_is_an_error() -> None:
    stage = Stage(steps=1, trainable=(("head.image.bias", 1.0),))
    with pytest.raises(ConfigError, match=r"did you mean 'heads.image.bias'") as caught:
        multipliers(stage, NAMES)
    assert "heads, scale, towers" in str(caught.value)


def test_nothing_trainable_is_an_error() -> None:
    with pytest.raises(ConfigError, match="Nothing is trainable"):
        multipliers(Stage(steps=1, trainable=(("*", 0.0),)), NAMES)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"learning_rate": 0},
        {"learning_rate": float("nan")},
        {"schedule": "cosin"},
        {"accumulate": 0},
        {"clip_norm": -1},
        {"final_fraction": 2},
        {"batchsize": 3},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        validate(Stage, {"steps": 1, **wrong}, "stage")
