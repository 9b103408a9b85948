"""A demonstration in an exchanged world is what the expert does there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX
from minigrid.core.grid import Grid
from minigrid.core.world_object import Ball, Box, Key
from minigrid.utils.baby_ai_bot import BabyAIBot

from interlingua.simulators.babyai import COLOURS, LEFT, RIGHT, THINGS, begin, make_level
from interlingua.simulators.demonstrations import demonstrations
from interlingua.simulators.symmetries import enlarged, mirrored, recoloured, with_mirrored

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


def repainted(level: str, seed: int, things: dict[tuple[str, str], tuple[str, str]]) -> Any:
    """The episode's room with other things in it, made of the simulator's own parts."""
    made = {"key": Key, "ball": Ball, "box": Box}
    simulator = make_level(level)
    begin(simulator, seed)
    for x in range(simulator.width):
        for y in range(simulator.height):
            cell = simulator.grid.get(x, y)
            if cell is not None and cell.type in THINGS:
                shape, colour = things[cell.type, cell.color]
                simulator.put_obj(made[shape](colour), x, y)
    meant = simulator.instrs.desc
    meant.type, meant.color = things[meant.type, meant.color]
    simulator.instrs.reset_verifier(simulator)
    simulator.mission = simulator.instrs.surface(simulator)
    return simulator


def test_the_recoloured_episode_is_the_expert_in_the_recoloured_world() -> None:
    some = demonstrations(LEVEL, 80, 10**9)
    other = recoloured(some, np.random.default_rng(0))
    changed = 0
    for episode, start in enumerate(some.starts):
        steps = range(start, start + some.lengths[episode])
        now = other.views[steps]
        is_thing = some.views[steps][..., 0] > 4
        names = [
            [(THINGS[kind - 5], COLOURS[colour]) for kind, colour in views[is_thing][:, :2]]
            for views in (some.views[steps], now)
        ]
        things = dict(zip(*names, strict=True))
        shapes = {old[0]: new[0] for old, new in things.items()}
        colours = {old[1]: new[1] for old, new in things.items()}
        for old in ((shape, colour) for shape in THINGS for colour in COLOURS):
            if old[0] in shapes and old[1] in colours:  # what was seen tells the exchange
                things[old] = (shapes[old[0]], colours[old[1]])
            things.setdefault(old, old)
        simulator = repainted(LEVEL, int(some.seeds[episode]), things)
        if simulator.mission != other.missions[episode]:
            continue  # a thing that was never seen is of an unknown exchange
        expert = BabyAIBot(simulator)
        for row, step in enumerate(steps):
            assert np.array_equal(simulator.gen_obs()["image"], now[row])
            action = expert.replan(None if row == 0 else int(some.actions[step - 1]))
            assert int(action) == some.actions[step] == other.actions[step]
            simulator.step(action)
        changed += other.missions[episode] != some.missions[episode]
    assert changed > 60


def test_demonstrations_are_enlarged_as_asked() -> None:
    some = replace(demonstrations(LEVEL, 80, 10**9), unsolved=2)
    whole = enlarged(some, mirror=True, recolour=2, seed=3)
    assert len(whole) == 6 * len(some) and whole.unsolved == 2
    assert np.array_equal(whole.seeds, np.tile(some.seeds, 6))
    again = enlarged(some, mirror=True, recolour=2, seed=3)
    other = enlarged(some, mirror=True, recolour=2, seed=4)
    assert whole.missions == again.missions != other.missions
    assert np.array_equal(whole.views, again.views)
    alone = enlarged(some, mirror=False, recolour=0, seed=3)
    assert np.array_equal(alone.views, some.views) and alone.missions == some.missions
