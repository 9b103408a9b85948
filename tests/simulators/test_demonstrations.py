"""Demonstrations are made once, the same by any number of processes, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interlingua.errors import ConfigError, DataError
from interlingua.simulators import demonstrations as module
from interlingua.simulators.babyai import expert_episode, make_level
from interlingua.simulators.demonstrations import Demonstrations, demonstrations

LEVEL = "BabyAI-GoToObj-v0"


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path))
    yield tmp_path / "simulators" / "babyai"


def equal(one: Demonstrations, other: Demonstrations) -> bool:
    arrays = ("seeds", "lengths", "views", "directions", "actions")
    same = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays)
    return same and one.missions == other.missions and one.unsolved == other.unsolved


def test_they_are_the_experts_own_episodes() -> None:
    some = demonstrations(LEVEL, 30, 5)
    assert some.seeds.tolist() == list(range(5, 35)) and some.unsolved == 0
    for number in (0, 29):
        one = expert_episode(make_level(LEVEL), 5 + number)
        steps = slice(some.starts[number], some.starts[number] + some.lengths[number])
        assert one is not None and one.mission == some.missions[number]
        assert np.array_equal(some.views[steps], one.views)
        assert np.array_equal(some.actions[steps], one.actions)
        assert set(some.episode_of_step[steps].tolist()) == {number}


def test_they_are_made_once(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []

    def progress(message: str, done: int = 0, total: int = 0) -> None:
        told.append((done, total))

    monkeypatch.setattr(module, "_CHUNK", 50)
    first = demonstrations(LEVEL, 120, 0, processes=1, progress=progress)
    assert told == [(0, 120), (50, 120), (100, 120), (120, 120)]

    def never(*rest: Any) -> Demonstrations:
        raise AssertionError("made again")

    monkeypatch.setattr(module, "_make", never)
    assert equal(demonstrations(LEVEL, 120, 0), first)
    with pytest.raises(AssertionError, match="made again"):
        demonstrations(LEVEL, 120, 1)


def test_workers_make_the_same(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = demonstrations(LEVEL, 30, 0, processes=1)
    monkeypatch.setattr(module, "_CHUNK", 13)
    made = module._make(LEVEL, 30, 0, 2, module.silent)
    assert equal(made, alone)


def test_a_worker_that_dies_is_named(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 5)
    monkeypatch.setattr(module, "_WORKER", "interlingua.simulators.no_such_worker")
    with pytest.raises(DataError, match=r"ended with 1.*no_such_worker"):
        demonstrations(LEVEL, 10, 0, processes=2)
    assert not list(empty_cache.glob("*"))


def test_a_damaged_file_is_made_again(empty_cache: Path) -> None:
    first = demonstrations(LEVEL, 10, 0)
    (folder,) = empty_cache.iterdir()
    steps = folder / "steps.safetensors"
    whole = steps.read_bytes()
    for damaged in (whole[:100], whole[:-1], b""):
        steps.write_bytes(damaged)
        assert equal(demonstrations(LEVEL, 10, 0), first)
        assert steps.read_bytes() == whole
    (folder / "episodes.json").write_text('{"level": "x", "unsolved": 0, "missions": []}')
    assert equal(demonstrations(LEVEL, 10, 0), first)


def test_what_breaks_off_leaves_nothing(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(made: Demonstrations, folder: Path) -> None:
        (folder / "steps.safetensors").write_bytes(b"half")
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_demonstrations", full)
        with pytest.raises(OSError, match="no space"):
            demonstrations(LEVEL, 10, 0)
    assert not list(empty_cache.glob("*"))
    assert len(demonstrations(LEVEL, 10, 0)) == 10


@pytest.mark.parametrize(("count", "seed"), [(0, 0), (-1, 0), (5, -1)])
def test_none_can_be_asked_for(count: int, seed: int) -> None:
    with pytest.raises(ConfigError, match="demonstrations"):
        demonstrations(LEVEL, count, seed)


def test_episodes_that_the_expert_does_not_solve_are_left_out_and_counted(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sometimes(simulator: Any, seed: int) -> Any:
        return expert_episode(simulator, seed) if seed % 3 else None

    with monkeypatch.context() as patch:
        patch.setattr(module, "expert_episode", sometimes)
        some = demonstrations(LEVEL, 12, 0)
    assert some.unsolved == 4 and some.seeds.tolist() == [1, 2, 4, 5, 7, 8, 10, 11]
    assert equal(demonstrations(LEVEL, 12, 0), some)  # as it was kept


def test_a_level_that_the_expert_cannot_solve_is_refused(empty_cache: Path) -> None:
    with pytest.raises(DataError, match="solved none of 6 episodes"):
        demonstrations("BabyAI-PutNextS5N2Carrying-v0", 6, 0)
    assert not list(empty_cache.glob("*"))
