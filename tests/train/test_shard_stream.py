"""A stream over shards: every sample once, few shards at a time, exact to resume anywhere."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlingua.batch import Batch
from interlingua.errors import CheckpointError, TrainingError
from interlingua.train.prefetch import Prefetched
from interlingua.train.processes import Processes
from interlingua.train.shard_stream import ShardStream, WindowOrder

SIZES = [5, 3, 8, 1, 6, 4, 7, 2, 9]


def make(indices: Sequence[int], random: np.random.Generator, share: range | None = None) -> Batch:
    """The sample numbers of the share, and a random choice for each of the batch."""
    keys = [f"{index}:{random.integers(1000)}" for index in indices]
    return Batch(keys=keys if share is None else keys[share.start : share.stop])


def stream(sizes: Sequence[int] = SIZES, batch_size: int = 4, **options: Any) -> ShardStream:
    return ShardStream(sizes, batch_size, make, **{"window": 3, **options})


def numbers(keys: Sequence[str]) -> list[int]:
    return [int(key.split(":")[0]) for key in keys]


def epoch_of(source: ShardStream) -> list[list[int]]:
    return [numbers(source.next().keys) for _ in range(source.batches_per_epoch)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(any),
    st.integers(1, 20), st.integers(1, 14), st.integers(0, 2**31),
)  # fmt: skip
def test_every_sample_once_an_epoch(sizes: list[int], size: int, window: int, seed: int) -> None:
    source = stream(sizes, size, window=window, seed=seed)
    for _ in range(3):
        batches = epoch_of(source)
        assert sorted(chain.from_iterable(batches)) == list(range(sum(sizes)))
        assert max(map(len, batches)) <= size


def test_a_window_of_shards_at_a_time_and_another_order_each_epoch() -> None:
    ends = np.cumsum(SIZES)
    source = stream(batch_size=1)
    orders = []
    for _ in range(4):
        shards = [int(np.searchsorted(ends, n, side="right")) for [n] in epoch_of(source)]
        windows = []
        while shards:
            windows.append(list(dict.fromkeys(shards))[:3])
            count = sum(SIZES[one] for one in windows[-1])
            assert set(shards[:count]) == set(windows[-1])
            shards = shards[count:]
        assert sorted(chain.from_iterable(windows)) == list(range(len(SIZES)))
        orders.append(windows)
    assert len({str(order) for order in orders}) == 4
    assert epoch_of(stream(seed=1)) == epoch_of(stream(seed=1)) != epoch_of(stream(seed=2))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 40), st.integers(0, 25))
def test_restored_at_any_point_it_goes_on_the_same(before: int, after: int) -> None:
    repeats = [1.5 if n % 5 else 0.3 for n in range(sum(SIZES))]
    source = stream(seed=3, repeats=repeats)
    for _ in range(before):
        source.next()
    state = json.loads(json.dumps(source.state()))
    expected = [source.next().keys for _ in range(after)]
    other = stream(seed=3, repeats=repeats)
    other.next()
    other.restore(state)
    assert [other.next().keys for _ in range(after)] == expected


class Counting:
    """What a source of shards is told, and which shards are near when a batch is made."""

    def __init__(self) -> None:
        self.near: list[int] = []
        self.told = 0

    def keep(self, shards: Sequence[int]) -> None:
        self.near, self.told = list(shards), self.told + 1


def test_the_shards_of_a_batch_are_announced_before_it_is_made() -> None:
    source, ends = Counting(), np.cumsum(SIZES)

    def make_near(indices: Sequence[int], random: np.random.Generator) -> Batch:
        shards = {int(np.searchsorted(ends, index, side="right")) for index in indices}
        assert shards <= set(source.near)
        assert len(source.near) <= 4
        return Batch(keys=[str(index) for index in indices])

    flow = ShardStream(SIZES, 4, make_near, window=2, ahead=source.keep)
    for _ in range(3 * flow.batches_per_epoch):
        flow.next()
    assert source.told <= 3 * 5 + 3, "once for each window"
    state = flow.state()
    again = ShardStream(SIZES, 4, make_near, window=2, ahead=source.keep)
    again.restore(state)
    source.near = []
    again.next()


WORLDS = [(1, 2), (2, 1), (1, 4), (4, 1), (2, 3)]


def batches_of(world: int, state: dict[str, Any] | None, count: int, **options: Any) -> Any:
    """What all processes of a training get together, batch by batch, and their position after."""
    streams = [stream(processes=Processes(rank, world), **options) for rank in range(world)]
    for one in streams:
        if state is not None:
            one.restore(state)
    found = [list(chain.from_iterable(one.next().keys for one in streams)) for _ in range(count)]
    states = [one.state() for one in streams]
    assert all(one == states[0] for one in states)
    return found, json.loads(json.dumps(states[0]))


@pytest.mark.parametrize(("before", "after"), WORLDS)
def test_another_number_of_processes_gets_the_same_batches(before: int, after: int) -> None:
    """No sample is lost or doubled: the joined shares are the batches of one process."""
    expected, _ = batches_of(1, None, 30, batch_size=8)
    for cut in (0, 1, 5, 6, 11, 29):
        first, state = batches_of(before, None, cut, batch_size=8)
        second, _ = batches_of(after, state, 30 - cut, batch_size=8)
        assert first + second == expected
    per_epoch = stream(batch_size=8).batches_per_epoch
    epoch = Counter(chain.from_iterable(map(numbers, expected[:per_epoch])))
    assert epoch == Counter(range(sum(SIZES)))


@pytest.mark.parametrize(("before", "after"), [(0, 4), (4, 0), (1, 2), (2, 1)])
def test_another_number_of_batches_ahead_gets_the_same(before: int, after: int) -> None:
    """Batches that lay ready when the run stopped are made again, not passed over."""

    def flow(ahead: int) -> Any:
        return Prefetched(stream(seed=5), ahead) if ahead else stream(seed=5)

    plain = stream(seed=5)
    expected = [plain.next().keys for _ in range(40)]
    first = flow(before)
    found = [first.next().keys for _ in range(17)]
    state = json.loads(json.dumps(first.state()))
    second = flow(after)
    second.restore(state)
    found += [second.next().keys for _ in range(23)]
    for one in (first, second):
        if isinstance(one, Prefetched):
            one.close()
    assert found == expected


def test_mixtures_keep_their_weights_exactly() -> None:
    """2.0 is twice, 0.5 is a coin for each sample, whatever the processes and the resume."""
    repeats = [2.0] * 20 + [0.5] * 20 + [0.0] * 5
    options = {"repeats": repeats, "batch_size": 6, "seed": 4}
    per_epoch = stream(**options).batches_per_epoch
    expected, _ = batches_of(1, None, per_epoch, **options)
    counts = Counter(chain.from_iterable(map(numbers, expected)))
    assert all(counts[n] == 2 for n in range(20))
    assert all(counts[n] in (0, 1) for n in range(20, 40))
    assert 4 <= sum(counts[n] for n in range(20, 40)) <= 16
    assert not any(counts[n] for n in range(40, 45))
    first, state = batches_of(2, None, 5, **options)
    second, _ = batches_of(3, state, per_epoch - 5, **options)
    assert first + second == expected


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"window": 4}, "identity"),
        ({"sizes": [*SIZES[:-2], 9, 2]}, "identity"),
        ({"seed": 1}, "seed"),
    ],
)
def test_a_position_in_other_shards_is_refused(changed: dict[str, Any], name: str) -> None:
    with pytest.raises(CheckpointError, match=name):
        stream(**changed).restore(stream().state())


def test_nothing_to_train_on() -> None:
    with pytest.raises(TrainingError, match="nothing to train on"):
        stream([0, 0])
    with pytest.raises(ValueError, match="window"):
        stream(window=0)
    assert len(WindowOrder([], 2)(np.random.default_rng(0), None)) == 0
