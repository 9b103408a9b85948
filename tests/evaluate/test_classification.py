from __future__ import annotations

import json
import math

import numpy as np
import pytest

from interlingua.errors import DataError
from interlingua.evaluate.classification import judge
from interlingua.evaluate.confusion import Mistake, confusion, mistakes
from interlingua.evaluate.intervals import wilson

NAMES = ["a", "b", "c", "d", "e", "f"]


def noisy(count: int, strength: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 6, count)
    scores = random.normal(size=(count, 6))
    scores[np.arange(count), labels] += strength
    return scores, labels


def test_figures_are_those_of_a_plain_count() -> None:
    scores, labels = noisy(400, 1.5)
    found = judge(scores, labels, NAMES, bootstrap=300)
    order = np.argsort(-scores, axis=1)
    for k in (1, 5):
        right = (order[:, :k] == labels[:, None]).any(1)
        assert found.accuracy[k].value == pytest.approx(right.mean())
        assert found.accuracy[k].low < right.mean() < found.accuracy[k].high
    recalls = [(order[labels == c, 0] == c).mean() for c in range(6)]
    assert found.balanced.value == pytest.approx(np.mean(recalls))
    assert found.balanced.low < np.mean(recalls) < found.balanced.high
    for row, recall in zip(found.rows, recalls, strict=True):
        assert row.recall.value == pytest.approx(recall)
        assert row.precision == pytest.approx(
            (labels[order[:, 0] == NAMES.index(row.name)] == NAMES.index(row.name)).mean()
        )
    assert found.matrix.sum() == 400
    assert np.trace(found.matrix) == pytest.approx(found.accuracy[1].value * 400)
    json.dumps(found.to_json(), allow_nan=False)


def test_a_model_that_sees_nothing_is_at_chance_not_at_its_first_class() -> None:
    labels = np.array([0] * 40 + [1] * 10)
    found = judge(np.ones((50, 6)), labels, NAMES, bootstrap=50)
    assert found.accuracy[1].value == pytest.approx(1 / 6)
    assert found.accuracy[5].value == pytest.approx(5 / 6)
    assert found.balanced.value == pytest.approx(1 / 6)
    assert found.majority == 0.8


def test_the_control_falls_below_chance_and_a_leak_does_not() -> None:
    scores, labels = noisy(600, 3.0)
    found = judge(scores, labels, NAMES, bootstrap=100)
    assert found.accuracy[1].low > 0.7
    assert found.control[1].high < found.chance[1]
    # scores that ignore names: every class of the picture's half scores high
    leak = (labels[:, None] % 2 == np.arange(6)[None] % 2).astype(float)
    control = judge(leak, labels, NAMES, ks=(3,), bootstrap=100).control
    assert control[3].value > 0.3


def test_clusters_widen_the_interval() -> None:
    scores, labels = noisy(40, 1.0)
    repeated = np.repeat(scores, 10, axis=0), np.repeat(labels, 10)
    apart = judge(*repeated, NAMES, bootstrap=300)
    together = judge(*repeated, NAMES, bootstrap=300, clusters=np.repeat(np.arange(40), 10))
    assert apart.accuracy[1].value == together.accuracy[1].value
    for one in ("accuracy", "balanced"):
        a, b = getattr(apart, one), getattr(together, one)
        a, b = (a[1], b[1]) if one == "accuracy" else (a, b)
        assert b.high - b.low > 2 * (a.high - a.low)


def test_all_right_is_no_certainty() -> None:
    found = judge(np.eye(6)[[0, 1, 2]], [0, 1, 2], NAMES, bootstrap=20)
    assert found.accuracy[1] == wilson(3, 3)
    assert found.balanced == wilson(3, 3)
    assert found.rows[0].recall == wilson(1, 1)
    assert math.isfinite(found.control[1].value)


def test_bad_input() -> None:
    with pytest.raises(DataError, match="one class"):
        judge(np.ones((2, 1)), [0, 0], ["a"])
    with pytest.raises(DataError, match="no picture"):
        judge(np.ones((0, 2)), [], ["a", "b"])
    with pytest.raises(DataError, match="not finite"):
        judge(np.array([[1.0, np.nan]]), [0], ["a", "b"])
    with pytest.raises(ValueError, match="labels are"):
        judge(np.ones((1, 2)), [2], ["a", "b"])
    with pytest.raises(ValueError, match="names"):
        judge(np.ones((1, 3)), [1], ["a", "b"])


def test_confusion_and_its_commonest_mistakes() -> None:
    matrix = confusion([0, 0, 0, 1, 1, 2], [0, 1, 1, 2, 1, 0], 3)
    assert matrix.tolist() == [[1, 2, 0], [0, 1, 1], [1, 0, 0]]
    assert mistakes(matrix, 2) == [Mistake(0, 1, 2, 2 / 3), Mistake(1, 2, 1, 0.5)]
    assert len(mistakes(matrix)) == 3
    for labels, predicted in (([0], [3]), ([-1], [0]), ([0, 1], [0])):
        with pytest.raises(ValueError, match=r"classes|labels"):
            confusion(labels, predicted, 3)
