"""Every sample once an epoch, in an order that can be put back exactly."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlingua.batch import Batch
from interlingua.errors import CheckpointError, TrainingError
from interlingua.train.stream import ShuffledStream


def make(indices: Sequence[int], random: np.random.Generator) -> Batch:
    """The sample numbers, and a random choice for each."""
    return Batch(keys=[f"{index}:{random.integers(1000)}" for index in indices])


def stream(num_samples: int = 10, batch_size: int = 4, **options: object) -> ShuffledStream:
    return ShuffledStream(num_samples, batch_size, make, **options)


def epoch_of(source: ShuffledStream) -> list[list[int]]:
    return [
        [int(key.split(":")[0]) for key in source.next().keys]
        for _ in range(source.batches_per_epoch)
    ]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 70), st.integers(0, 2**31))
def test_every_sample_once_an_epoch_in_even_batches(n: int, size: int, seed: int) -> None:
    source = stream(n, size, seed=seed)
    for _ in range(3):
        batches = epoch_of(source)
        assert sorted(chain.from_iterable(batches)) == list(range(n))
        sizes = {len(batch) for batch in batches}
        assert max(sizes) <= size
        assert max(sizes) - min(sizes) <= 1


def test_epochs_and_seeds_differ() -> None:
    source = stream(50, 50, seed=1)
    first, second = epoch_of(source), epoch_of(source)
    assert first != second
    assert epoch_of(stream(50, 50, seed=2)) != first
    assert epoch_of(stream(50, 50, seed=1)) == first


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 25), st.integers(0, 25))
def test_restored_at_any_point_it_goes_on_the_same(before: int, after: int) -> None:
    repeats = [1.5, 0.2, 1, 3, 1, 1, 0, 2.5, 1, 1]
    source = stream(seed=3, repeats=repeats)
    for _ in range(before):
        source.next()
    state = json.loads(json.dumps(source.state()))
    expected = [source.next().keys for _ in range(after)]
    other = stream(seed=3, repeats=repeats)
    other.next()
    other.restore(state)
    assert [other.next().keys for _ in range(after)] == expected


def test_repeats_are_kept_on_average_and_apart() -> None:
    repeats = [2.0, 1.0, 0.0, 0.5, 1.0, 1.0]
    source = stream(6, 3, seed=4, repeats=repeats)
    counts: Counter[int] = Counter()
    for _ in range(400):
        batches = epoch_of(source)
        counts.update(chain.from_iterable(batches))
        assert all(batch.count(0) <= 1 for batch in batches[:1])
    assert counts[0] == 800
    assert counts[1] == 400
    assert counts[2] == 0
    assert 150 < counts[3] < 250


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"num_samples": 11}, "num_samples"),
        ({"batch_size": 5}, "batch_size"),
        ({"seed": 1}, "seed"),
        ({"identity": "others"}, "identity"),
    ],
)
def test_a_position_in_other_data_is_refused(changed: dict[str, object], name: str) -> None:
    state = stream().state()
    with pytest.raises(CheckpointError, match=name):
        stream(**changed).restore(state)


@pytest.mark.parametrize("options", [{"num_samples": 0}, {"repeats": [0.0] * 10}])
def test_nothing_to_train_on(options: dict[str, object]) -> None:
    with pytest.raises(TrainingError, match="nothing to train on"):
        stream(**options)


@pytest.mark.parametrize("repeats", [[1.0], [-1.0] + [1.0] * 9])
def test_wrong_repeats(repeats: list[float]) -> None:
    with pytest.raises(ValueError, match="repeats"):
        stream(repeats=repeats)
