"""Batches made ahead: the same ones, at the position of the last one given."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from interlingua.batch import Batch
from interlingua.train.prefetch import Prefetched
from interlingua.train.stream import ShuffledStream


def stream(make: Callable[..., Any] | None = None) -> ShuffledStream:
    def numbers(indices: Sequence[int], random: np.random.Generator) -> Batch:
        return Batch([f"{index}/{random.random()}" for index in indices])

    return ShuffledStream(17, 4, make or numbers, seed=3)


def test_the_same_batches_come() -> None:
    plain, prefetched = stream(), Prefetched(stream())
    for _ in range(13):
        assert prefetched.next().keys == plain.next().keys
        assert prefetched.state() == plain.state()
    prefetched.close()


@pytest.mark.parametrize("given", [0, 1, 4, 9])
def test_its_position_is_that_of_the_last_batch_given(given: int) -> None:
    plain, prefetched = stream(), Prefetched(stream(), ahead=3)
    for _ in range(given):
        plain.next()
        prefetched.next()
    time.sleep(0.02)  # it runs ahead meanwhile
    state = prefetched.state()
    prefetched.close()
    again = Prefetched(stream())
    again.next()  # it has begun elsewhere
    again.restore(state)
    assert again.state() == plain.state() == state
    assert [again.next().keys for _ in range(8)] == [plain.next().keys for _ in range(8)]
    again.close()


def test_no_batch_is_made_in_vain() -> None:
    made: list[int] = []

    def make(indices: Sequence[int], random: np.random.Generator) -> Batch:
        made.append(len(indices))
        return Batch(["a"])

    prefetched = Prefetched(stream(make), ahead=4)
    prefetched.expect(3)
    for _ in range(3):
        prefetched.next()
    time.sleep(0.02)
    assert len(made) == 3
    with pytest.raises(RuntimeError, match="more batches"):
        prefetched.next()


def test_at_most_so_many_lie_ready() -> None:
    made: list[int] = []

    def make(indices: Sequence[int], random: np.random.Generator) -> Batch:
        made.append(len(indices))
        return Batch(["a"])

    prefetched = Prefetched(stream(make), ahead=2)
    prefetched.next()
    time.sleep(0.05)
    assert len(made) <= 1 + 2 + 1  # given, ready, and one in hand
    prefetched.close()


def test_an_error_comes_at_its_batch_and_as_it_is() -> None:
    def make(indices: Sequence[int], random: np.random.Generator) -> Batch:
        if len(calls) == 2:
            raise KeyError("the third batch")
        calls.append(1)
        return Batch(["a"])

    calls: list[int] = []
    prefetched = Prefetched(stream(make), ahead=5)
    assert prefetched.next().keys == prefetched.next().keys == ["a"]
    with pytest.raises(KeyError, match="the third batch"):
        prefetched.next()


def test_closing_ends_the_thread_though_nobody_takes_its_batches() -> None:
    before = threading.active_count()
    prefetched = Prefetched(stream(), ahead=1)
    prefetched.next()
    assert threading.active_count() == before + 1
    prefetched.close()
    assert threading.active_count() == before
    assert len(prefetched.next().keys) in (3, 4)  # it can begin again
    prefetched.close()
