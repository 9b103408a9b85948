"""Many episodes side by side, in as many simulators or in a few array operations.

Notable features:
- ``StillWorlds``, for levels in which nothing moves but the agent, takes the rooms that the
  simulator has built and moves E agents with a few array operations; what they see, where they
  stand and when they have arrived are the simulator's own answers (tests compare each step);
- ``LiveWorlds`` steps E simulators, for levels in which things are picked up and doors are opened.

Sources: what an agent sees, ``MiniGridEnv.gen_obs`` and ``Grid.process_vis`` of minigrid 3.2.

Shape legend: E episodes, A of them that still go on, W and H the size of the grid, V cells along a
side of what is seen.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from interlingua.simulators.babyai import (
    DONE,
    DOOR,
    EMPTY,
    FLOOR,
    FORWARD,
    LEFT,
    RIGHT,
    VIEW,
    WALL,
    UInt8Array,
    begin,
    make_level,
)

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_STILL_ACTIONS = {LEFT, RIGHT, FORWARD, DONE}
_AHEAD = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])  # east, south, west, north
_TO_RIGHT = np.array([(0, 1), (-1, 0), (0, -1), (1, 0)])
_OPEN = 0  # a door's state
_DEADLY = {8, 9}  # goal and lava end an episode by being stepped on


class Worlds(Protocol):
    """E episodes.

    Attributes:
        missions: [E] the instructions.
        max_steps: [E] after which an episode has failed.
    """

    missions: list[str]
    max_steps: IntArray

    def seen(self, episodes: IntArray) -> tuple[UInt8Array, UInt8Array]:
        """Of A episodes what their agents see [A, V, V, 3] and where they look [A]."""

    def act(self, episodes: IntArray, actions: IntArray) -> tuple[BoolArray, BoolArray]:
        """One step of A episodes: whether the goal is reached [A], whether all is lost [A]."""

    def states(self, episodes: IntArray) -> IntArray | None:
        """[A] equal numbers for equal states of one episode; None where that is not known."""


def worlds_for(level: str, seeds: Sequence[int], actions: Collection[int]) -> Worlds:
    """The episodes of a level, in the quickest way that gives the same answers.

    Args:
        level: e.g. ``BabyAI-GoToLocal-v0``.
        seeds: [E] one for each episode.
        actions: all that will ever be done.

    Raises:
        MissingExtraError: minigrid is not installed.
        ConfigError: there is no such level.
    """
    simulators = []
    for seed in seeds:
        simulator = make_level(level)
        begin(simulator, seed)
        simulators.append(simulator)
    if set(actions) <= _STILL_ACTIONS and all(map(is_still, simulators)):
        return StillWorlds(simulators)
    return LiveWorlds(simulators)


def is_still(simulator: Any) -> bool:
    """Whether turns and steps move the agent only, and the goal is to stand before a thing."""
    from minigrid.envs.babyai.core.verifier import GoToInstr

    kinds = set(np.unique(simulator.grid.encode()[..., 0]).tolist())
    return type(simulator.instrs) is GoToInstr and not kinds & _DEADLY


class LiveWorlds:
    """See ``Worlds``."""

    def __init__(self, simulators: Sequence[Any]):
        self._simulators = simulators
        self.missions = [str(one.mission) for one in simulators]
        self.max_steps = np.array([one.max_steps for one in simulators], np.int64)

    def seen(self, episodes: IntArray) -> tuple[UInt8Array, UInt8Array]:
        """See ``Worlds``."""
        found = [self._simulators[number].gen_obs() for number in episodes]
        views = [one["image"] for one in found]
        directions = np.array([one["direction"] for one in found], np.uint8)
        return np.array(views, np.uint8).reshape(-1, VIEW, VIEW, 3), directions

    def act(self, episodes: IntArray, actions: IntArray) -> tuple[BoolArray, BoolArray]:
        """See ``Worlds``."""
        reached, lost = np.zeros(len(episodes), bool), np.zeros(len(episodes), bool)
        for row, (number, action) in enumerate(zip(episodes, actions, strict=True)):
            _, reward, ended, _, _ = self._simulators[number].step(int(action))
            reached[row], lost[row] = ended and reward > 0, ended and not reward > 0
        return reached, lost

    def states(self, episodes: IntArray) -> IntArray | None:
        """See ``Worlds``: not known, things may have been moved."""
        return None


class StillWorlds:
    """See ``Worlds`` and the module's text; every simulator must be ``is_still``."""

    def __init__(self, simulators: Sequence[Any]):
        self.missions = [str(one.mission) for one in simulators]
        self.max_steps = np.array([one.max_steps for one in simulators], np.int64)
        rooms = [one.grid.encode() for one in simulators]
        width, height = np.max([room.shape[:2] for room in rooms], axis=0)
        wall = (WALL, 5, 0)  # beyond its grid the simulator has grey walls
        self._rooms = np.full((len(rooms), width, height, 3), wall, np.uint8)
        self._goals = np.zeros(self._rooms.shape[:3], bool)  # [E, W, H]
        for number, (room, one) in enumerate(zip(rooms, simulators, strict=True)):
            self._rooms[number, : room.shape[0], : room.shape[1]] = room
            for x, y in one.instrs.desc.obj_poss:
                self._goals[number, x, y] = True
        self._places = np.array([one.agent_pos for one in simulators], np.int64)  # [E, 2]
        self._looks = np.array([one.agent_dir for one in simulators], np.int64)  # [E]
        side, depth = np.meshgrid(np.arange(VIEW), np.arange(VIEW), indexing="ij")
        self._right, self._ahead = side - VIEW // 2, VIEW - 1 - depth  # [V, V] of each cell

    def seen(self, episodes: IntArray) -> tuple[UInt8Array, UInt8Array]:
        """See ``Worlds``."""
        looks = self._looks[episodes]
        places = (
            self._places[episodes, None, None]
            + self._ahead[..., None] * _AHEAD[looks][:, None, None]
            + self._right[..., None] * _TO_RIGHT[looks][:, None, None]
        )  # [A, V, V, 2]
        views = self._cells(episodes[:, None, None], places)  # [A, V, V, 3]
        views[:, VIEW // 2, VIEW - 1] = (EMPTY, 0, 0)  # where it stands itself
        is_door = views[..., 0] == DOOR
        opaque = (views[..., 0] == WALL) | (is_door & (views[..., 2] != _OPEN))
        return np.where(_visible(opaque)[..., None], views, 0), looks.astype(np.uint8)

    def act(self, episodes: IntArray, actions: IntArray) -> tuple[BoolArray, BoolArray]:
        """See ``Worlds``.

        Raises:
            ValueError: an action that could move something.
        """
        if not set(np.unique(actions).tolist()) <= _STILL_ACTIONS:
            raise ValueError("in a still world the agent can only turn, step and be done")
        turns = (actions == RIGHT).astype(np.int64) - (actions == LEFT)
        self._looks[episodes] = (self._looks[episodes] + turns) % 4
        before = self._before(episodes)
        cells = self._cells(episodes, before)  # [A, 3]
        what = cells[:, 0]
        free = (what == EMPTY) | (what == FLOOR) | ((what == DOOR) & (cells[:, 2] == _OPEN))
        steps = (actions == FORWARD) & free
        self._places[episodes[steps]] = before[steps]
        before = self._before(episodes)
        inside = self._inside(before)
        x, y = np.where(inside[:, None], before, 0).T
        return self._goals[episodes, x, y] & inside, np.zeros(len(episodes), bool)

    def states(self, episodes: IntArray) -> IntArray:
        """See ``Worlds``: place and look, as all the rest stays as it is."""
        x, y = self._places[episodes].T
        states: IntArray = (x * self._rooms.shape[2] + y) * 4 + self._looks[episodes]
        return states

    def _before(self, episodes: IntArray) -> IntArray:
        """[A, 2] the places that the agents stand before."""
        before: IntArray = self._places[episodes] + _AHEAD[self._looks[episodes]]
        return before

    def _inside(self, places: IntArray) -> BoolArray:
        inside: BoolArray = ((places >= 0) & (places < self._rooms.shape[1:3])).all(-1)
        return inside

    def _cells(self, episodes: IntArray, places: IntArray) -> UInt8Array:
        """[..., 3] what is at these places [..., 2]; grey walls beyond the grid."""
        inside = self._inside(places)
        x, y = np.moveaxis(np.where(inside[..., None], places, 0), -1, 0)
        cells: UInt8Array = self._rooms[np.broadcast_to(episodes, x.shape), x, y]
        cells[~inside] = (WALL, 5, 0)
        return cells


def _visible(opaque: BoolArray) -> BoolArray:
    """[A, V, V] which cells are seen past the opaque ones, from the near rows to the far ones."""
    seen = np.zeros_like(opaque)
    seen[:, VIEW // 2, VIEW - 1] = True
    for row in reversed(range(VIEW)):
        for step in (1, -1):
            for column in range(VIEW - 1) if step == 1 else range(VIEW - 1, 0, -1):
                clear = seen[:, column, row] & ~opaque[:, column, row]
                seen[:, column + step, row] |= clear
                if row > 0:
                    seen[:, column + step, row - 1] |= clear
                    seen[:, column, row - 1] |= clear
    return seen
