"""A demonstration in an exchanged world is what the expert does there."""

from __future__ import annotations

from typing import Any

import numpy as np
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX
from minigrid.core.grid import Grid
from minigrid.utils.baby_ai_bot import BabyAIBot

from interlingua.simulators.babyai import COLOURS, LEFT, RIGHT, THINGS, begin, make_level
from interlingua.simulators.demonstrations import demonstrations
from interlingua.simulators.symmetries import mirrored, with_mirrored

LEVEL = "BabyAI-GoToLocal-v0"


def transposed(level: str, seed: int) -> Any:
    """The episode's room with x and y exchanged, made of the simulator's own parts."""
    simulator = make_level(level)
    begin(simulator, seed)
    grid = Grid(simulator.height, simulator.width)
    for x in range(simulator.width):
        for y in range(simulator.height):
            cell = simulator.grid.get(x, y)
            grid.set(y, x, cell)
            if cell is not None and cell.cur_pos is not None:
                cell.init_pos = cell.cur_pos = (y, x)
    simulator.grid = grid
    simulator.agent_pos = tuple(reversed(simulator.agent_pos))
    simulator.agent_dir = int(simulator.agent_dir) ^ 1
    simulator.instrs.reset_verifier(simulator)
    return simulator


def test_the_mirrored_episode_is_the_expert_in_the_mirrored_world() -> None:
    some = demonstrations(LEVEL, 80, 10**9)
    views, directions, actions = mirrored(some.views, some.directions, some.actions)
    steps = equal = ties = 0
    for episode, start in enumerate(some.starts):
        simulator = transposed(LEVEL, int(some.seeds[episode]))
        expert, reward = BabyAIBot(simulator), 0.0
        for step in range(start, start + some.lengths[episode]):
            seen = simulator.gen_obs()
            assert np.array_equal(seen["image"], views[step])
            assert seen["direction"] == directions[step]
            planned = int(expert.replan(None if step == start else int(actions[step - 1])))
            steps, equal = steps + 1, equal + (planned == actions[step])
            ties += (planned, int(actions[step])) == (RIGHT, LEFT)  # to the right
            _, reward, *_ = simulator.step(int(actions[step]))
        assert reward > 0
    assert equal / steps > 0.95  # the rest are the ties that ``mirrored`` names
    assert ties >= 0.8 * (steps - equal)


def test_a_mirror_twice_is_the_world_itself() -> None:
    some = demonstrations(LEVEL, 80, 10**9)
    twice = mirrored(*mirrored(some.views, some.directions, some.actions))
    for once, back in zip((some.views, some.directions, some.actions), twice, strict=True):
        assert np.array_equal(once, back)
    both = with_mirrored(some)
    assert len(both) == 2 * len(some) and len(both.actions) == 2 * len(some.actions)
    half = len(some.actions)
    assert np.array_equal(both.actions[:half] == LEFT, both.actions[half:] == RIGHT)
    assert both.missions[: len(some)] == both.missions[len(some) :] == some.missions


def test_colours_and_things_are_numbered_as_in_the_simulator() -> None:
    assert list(COLOR_TO_IDX) == list(COLOURS)
    assert [OBJECT_TO_IDX[thing] for thing in THINGS] == [5, 6, 7]
