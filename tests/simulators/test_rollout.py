"""Acting in many episodes at once gives what the simulator gives one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from interlingua.simulators.babyai import DONE, FORWARD, LEFT, RIGHT, begin, make_level
from interlingua.simulators.demonstrations import Demonstrations, demonstrations
from interlingua.simulators.rollout import Outcome, Seen, act_in, rollout
from interlingua.simulators.worlds import IntArray, LiveWorlds, StillWorlds, worlds_for

LEVEL = "BabyAI-GoToLocal-v0"
STILL = (LEFT, RIGHT, FORWARD, DONE)


class Replay:
    """Does what was demonstrated, and checks that it sees what the expert saw."""

    def __init__(self, some: Demonstrations):
        self.some = some

    def __call__(self, seen: Seen) -> IntArray:
        some = self.some
        steps = some.starts[seen.episodes] + seen.actions.shape[1]
        assert np.array_equal(seen.views[:, -1], some.views[steps])
        assert np.array_equal(seen.directions[:, -1], some.directions[steps])
        assert seen.missions == [some.missions[number] for number in seen.episodes]
        return some.actions[steps].astype(np.int64)


@pytest.mark.parametrize("level", [LEVEL, "BabyAI-PickupLoc-v0", "BabyAI-OpenDoor-v0"])
def test_the_expert_replayed_solves_everything_in_its_own_time(level: str) -> None:
    some = demonstrations(level, 40, 10**9)
    outcome = rollout(Replay(some), level, some.seeds.tolist())
    assert outcome.success.all()
    assert np.array_equal(outcome.steps, some.lengths)
    limit = worlds_for(level, some.seeds.tolist(), range(7)).max_steps
    assert np.allclose(outcome.returns, 1 - 0.9 * some.lengths / limit)


def test_the_expert_replayed_in_still_worlds() -> None:
    some = demonstrations("BabyAI-GoToObj-v0", 60, 10**9)
    worlds = worlds_for(some.level, some.seeds.tolist(), STILL)
    assert isinstance(worlds, StillWorlds)
    outcome = act_in(worlds, Replay(some), STILL, frames=5)
    assert outcome.success.all() and np.array_equal(outcome.steps, some.lengths)


def random_walk(worlds: Any, seed: int) -> tuple[list[tuple[Any, ...]], Outcome]:
    """Everything that is seen under random actions, and the outcome."""
    actions = np.random.default_rng(seed).integers(0, 3, (len(worlds.missions), 800))
    log = []

    def policy(seen: Seen) -> IntArray:
        log.append((seen.episodes, seen.views[:, -1].copy(), seen.directions[:, -1].copy()))
        chosen: IntArray = actions[seen.episodes, seen.actions.shape[1]]
        return chosen

    return log, act_in(worlds, policy, STILL)


@pytest.mark.parametrize(
    ("level", "episodes"),
    [(LEVEL, 24), ("BabyAI-GoToDoor-v0", 8), ("BabyAI-GoTo-v0", 2), ("BabyAI-GoToObjS4-v0", 8)],
)
def test_still_worlds_are_the_simulators(level: str, episodes: int) -> None:
    seeds = range(10**9, 10**9 + episodes)
    still = worlds_for(level, seeds, STILL)
    assert isinstance(still, StillWorlds)
    live = worlds_for(level, seeds, range(7))
    assert isinstance(live, LiveWorlds)
    for number, seed in enumerate(seeds):
        begin(live._simulators[number], seed)
    (seen, outcome), (truth, expected) = random_walk(still, 1), random_walk(live, 1)
    assert len(seen) == len(truth)
    for ours, theirs in zip(seen, truth, strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True))
    assert np.array_equal(outcome.success, expected.success)
    assert np.array_equal(outcome.steps, expected.steps)
    assert np.allclose(outcome.returns, expected.returns)


def test_a_random_policy_gets_the_published_return() -> None:
    """Random agents have .162 on GoToLocal in the scores of JAT (arXiv 2402.09844)."""
    random = np.random.default_rng(5)
    outcome = rollout(lambda seen: random.integers(0, 7, len(seen.episodes)), LEVEL, range(150))
    assert abs(outcome.returns.mean() - 0.162) < 0.07  # standard error .024; 1,000 give .156
    assert set(outcome.steps[~outcome.success].tolist()) == {64}
    assert (outcome.returns[~outcome.success] == 0).all()


class Stubborn:
    """Goes ahead, and turns right and left for ever before a wall."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, seen: Seen) -> IntArray:
        self.asked += len(seen.episodes)
        ahead = seen.views[:, -1, 3, 5, 0]  # what it stands before
        last = seen.actions[:, -1] if seen.actions.shape[1] else np.full(len(ahead), FORWARD)
        at_wall = np.where(last == RIGHT, LEFT, RIGHT)
        return np.where((ahead == 1) & (last == FORWARD), FORWARD, at_wall)


def test_what_goes_round_for_ever_is_ended_and_nothing_else_changes() -> None:
    seeds = range(10**9, 10**9 + 60)
    patient, quick = Stubborn(), Stubborn()
    whole = rollout(patient, LEVEL, seeds, actions=STILL)
    ended = rollout(quick, LEVEL, seeds, actions=STILL, frames=2)
    assert 0 < whole.success.sum() < 60
    assert np.array_equal(whole.success, ended.success)
    assert np.array_equal(whole.steps, ended.steps)
    assert quick.asked < patient.asked / 4


def test_frames_that_differ_are_no_round() -> None:
    """Four turns lead to the same state: with a longer memory the policy may know it."""
    seeds = range(10**9, 10**9 + 20)
    calls = []

    def turns_five_times_then_goes(seen: Seen) -> IntArray:
        step = seen.actions.shape[1]
        calls.append(step)
        return np.full(len(seen.episodes), LEFT if step < 5 else FORWARD)

    rollout(turns_five_times_then_goes, LEVEL, seeds, actions=STILL, frames=6)
    assert max(calls) > 5


def test_an_action_that_was_not_named_is_refused() -> None:
    with pytest.raises(ValueError, match="must choose one of"):
        rollout(lambda seen: np.full(len(seen.episodes), 3), LEVEL, [1, 2], actions=STILL)
    with pytest.raises(ValueError, match="must choose one of"):
        rollout(lambda seen: np.zeros(1, np.int64), LEVEL, [1, 2])
    worlds = worlds_for(LEVEL, [1], STILL)
    with pytest.raises(ValueError, match="still world"):
        worlds.act(np.array([0]), np.array([3]))


def test_levels_in_which_things_move_are_simulated() -> None:
    assert isinstance(worlds_for("BabyAI-PickupLoc-v0", [1], STILL), LiveWorlds)
    assert isinstance(worlds_for(LEVEL, [1], range(4)), LiveWorlds)
    assert worlds_for(LEVEL, [1], range(4)).states(np.array([0])) is None


def test_no_episode_is_no_outcome() -> None:
    outcome = rollout(lambda seen: np.zeros(0, np.int64), LEVEL, [])
    assert outcome.success.shape == outcome.steps.shape == outcome.returns.shape == (0,)


def test_a_view_is_from_left_to_right_and_from_far_to_near() -> None:
    simulator = make_level(LEVEL)
    view = begin(simulator, 3)["image"]
    x, y = simulator.agent_pos
    ahead, right = simulator.dir_vec, simulator.right_vec
    for column in range(7):
        for row in range(7):
            if view[column, row, 0] == 0 or (column, row) == (3, 6):
                continue
            place = np.array([x, y]) + (6 - row) * ahead + (column - 3) * right
            cell = simulator.grid.get(*place)
            assert view[column, row, 0] == (1 if cell is None else cell.encode()[0])
