from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest

from interlingua.comparison.tasks.digits import ComplementDigits, equal_pictures
from interlingua.config import to_plain, validate
from interlingua.errors import MissingExtraError
from interlingua.models.fused_classifier import FusedClassifier

pytest.importorskip("sklearn")


def task(**settings: Any) -> ComplementDigits:
    made: ComplementDigits = ComplementDigits.Config(
        **{"most": 200, "draws": 2, "folds": 3, **settings}
    ).build()
    return made


def test_folds_are_complete_and_balanced() -> None:
    digits = task()
    tested: list[str] = []
    for number in range(3):
        fold = digits.fold(number, seed=0)
        assert not set(fold.train.clusters) & set(fold.test.clusters)
        assert len(fold.train) + len(fold.test) == 200
        counts = np.bincount(fold.test.labels, minlength=10)
        assert counts.max() - counts.min() <= 3
        tested += fold.test.keys
    assert len(set(tested)) == 200


def test_pixels_are_hidden_exactly_and_the_rest_is_the_digit() -> None:
    digits = task()
    fold = digits.fold(0, seed=0)
    test = fold.test
    for name, levels in fold.degraded.items():
        table = digits.damaged.tables[name]
        for level, examples in levels.items():
            values = table.values[examples.modalities[name].variants[:, 0]].numpy()
            own = digits.damaged.test_levels[name][[int(key.split()[1]) for key in test.keys]]
            expected = np.round(16 * np.maximum(level, own))
            assert np.array_equal(np.isnan(values).sum(1), expected)
            whole = table.values[table.at(0.0)[[int(key.split()[1]) for key in test.keys], 0]]
            there = ~np.isnan(values)
            assert np.array_equal(values[there], whole.numpy()[there])


def test_the_same_in_every_process_and_for_every_seed() -> None:
    first, second = task(), validate(ComplementDigits.Config, to_plain(task().config), "x").build()
    for name in ("left", "right"):
        one, other = (t.damaged.tables[name].values.numpy() for t in (first, second))
        assert np.array_equal(one, other, equal_nan=True)
        assert np.array_equal(
            first.fold(1, seed=0).test.modalities[name].variants,
            second.fold(1, seed=7).test.modalities[name].variants,
        )
    left = first.damaged.tables["left"].values[1::7].isnan()
    right = first.damaged.tables["right"].values[1::7].isnan()
    assert bool((left != right).any()), "both halves independently"


def test_equal_digits_share_a_cluster() -> None:
    pictures = np.random.default_rng(0).integers(0, 17, (4, 8, 8)).astype(np.float64)
    pictures[3] = pictures[1]
    clusters = equal_pictures(pictures)
    assert clusters[1] == clusters[3]
    assert len(set(clusters.tolist())) == 3


def test_tokens_are_enough_to_tell_ways_of_attention_apart() -> None:
    digits = task()
    model = FusedClassifier(
        validate(
            FusedClassifier.Config,
            {
                "classes": digits.classes,
                "towers": {name: to_plain(use) for name, use in digits.towers.items()},
                "views": {"left": "left", "right": "right"},
                "fusion": "early",
            },
            "x",
        )
    )
    batch = digits.fold(0, seed=0).train.batch(range(5), np.random.default_rng(0))
    tokens = model.tokens_by_sample(batch)
    assert {one.states.shape[1] for one in tokens.values()} == {16}
    assert model(batch).logits.shape == (5, 10)


def test_without_scikit_learn_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "sklearn":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"interlingua\[digits\]"):
        task()
