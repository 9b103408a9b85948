"""Statistics over folds and seeds, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from interlingua.comparison.rows.pooled import Pair, Pooled, paired, paired_success
from interlingua.comparison.runs.record import Record
from interlingua.comparison.task import Rollout
from interlingua.evaluate.intervals import paired_difference

THINGS = 30


def record(
    fold: int, seed: int, right: list[int] | np.ndarray, success: float | None = None
) -> Record:  # type: ignore[type-arg]
    """A run in which these things (1) were answered rightly."""
    hits = np.asarray(right)
    labels = np.zeros(len(hits), np.int64)
    logits = np.stack([hits, 1 - hits], 1).astype(np.float32)
    one = Record(
        key="x", fold=fold, seed=seed, modalities=["a"], seconds=1.0, train=9, steps=[1],
        loss=[0.5], majority=1, labels=labels, clusters=np.arange(len(hits)) + 100 * fold,
        logits=logits,
    )  # fmt: skip
    if success is not None:
        episodes = (np.arange(10) < 10 * success).astype(np.float64)
        one.success[""] = Rollout(episodes, np.arange(10))
    return one


def drawn(seed: int, rate: float) -> np.ndarray:  # type: ignore[type-arg]
    return (np.random.default_rng(seed).random(THINGS) < rate).astype(int)


def test_things_of_all_folds_and_seeds_count_the_same() -> None:
    pooled = Pooled.of(
        [record(1, 0, [1, 1, 1, 0]), record(0, 0, [1, 0]), record(0, 1, [0, 0]),
         record(1, 1, [1, 1, 1, 1])]
    )  # fmt: skip
    assert list(pooled.records) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert pooled.rate(Record.right).value == pytest.approx(8 / 12)
    assert pooled.by_seed(Record.right) == pytest.approx([4 / 6, 4 / 6])
    assert pooled.seeds == [0, 1]


def test_seeds_make_no_things() -> None:
    """The same answers three times over: the interval stays as wide as it was."""
    hits = drawn(0, 0.6)
    once = Pooled.of([record(0, 0, hits)]).rate(Record.right)
    thrice = Pooled.of([record(0, seed, hits) for seed in range(3)]).rate(Record.right)
    assert (once.low, once.high) == pytest.approx((thrice.low, thrice.high))


def test_differences_are_paired_by_thing() -> None:
    first, second = drawn(1, 0.8), drawn(2, 0.5)
    one, other = Pooled.of([record(0, 0, first)]), Pooled.of([record(0, 0, second)])
    (found,) = paired([Pair(one, other, Record.right, Record.right)])
    assert found == paired_difference(first, second, np.arange(THINGS))
    easier = Pooled.of([record(0, 0, np.maximum(first, second))])
    (small,) = paired([Pair(easier, one, Record.right, Record.right)])
    assert small is not None
    assert small.value == pytest.approx((np.maximum(first, second) - first).mean())


def test_only_what_both_were_tested_on_counts() -> None:
    one = Pooled.of([record(0, 0, [1, 1, 0, 1]), record(0, 1, [0, 0, 0, 0])])
    other = Pooled.of([record(0, 0, [0, 1, 0, 0])])
    apart = Pooled.of([record(0, 5, [0, 1, 0, 0])])
    found = paired(
        [Pair(one, other, Record.right, Record.right), Pair(one, apart, Record.right, Record.right)]
    )
    assert found[0] is not None and found[0].value == pytest.approx(0.5)
    assert found[1] is None


def test_success_is_paired_by_episode() -> None:
    one = Pooled.of([record(0, 0, [1], success=0.9)])
    other = Pooled.of([record(0, 0, [1], success=0.4)])
    found = paired_success(one, other)
    assert found is not None and found.value == pytest.approx(0.5)
    assert paired_success(one, Pooled.of([record(0, 0, [1])])) is None


def test_success_with_less_needs_every_run() -> None:
    """Of runs that were not asked, a mean of the others would be of other episodes."""
    first, second = record(0, 0, [1], success=0.9), record(0, 1, [1], success=0.7)
    first.modalities = second.modalities = ["a", "b"]
    first.acted["present a"] = Rollout((np.arange(10) < 3).astype(np.float64), np.arange(10))
    pooled = Pooled.of([first, second])
    assert pooled.episodes_with(["a"]) is None
    second.acted["present a"] = Rollout((np.arange(10) < 5).astype(np.float64), np.arange(10))
    found = pooled.episodes_with(["a"])
    assert found is not None and found[0].mean() == pytest.approx(0.4)
    whole = pooled.episodes_with(["a", "b"])
    assert whole is not None and whole[0].mean() == pytest.approx(0.8)
    other = Pooled.of([record(0, 0, [1], success=0.5)])
    difference = paired_success(pooled, other, ["a"])
    assert difference is not None and difference.value == pytest.approx(-0.2)
