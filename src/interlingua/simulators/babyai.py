"""BabyAI: grid worlds with instructions in English, and an expert that solves them.

An agent in a room sees the 7 × 7 cells before it (itself at the middle of the last row), each as
(what, colour, state), knows which way it looks and is told in English what to do.

Notable features:
- the levels, their words and the expert are those of the package ``minigrid``; nothing of them is
  written anew here;
- an episode is a level and a seed, the same one everywhere.

Sources: Chevalier-Boisvert et al. 2019 (BabyAI, arXiv 1810.08272), sections 3.1 and 3.4;
Chevalier-Boisvert et al. 2023 (Minigrid, arXiv 2306.13831).

Shape legend: T steps of an episode, V cells along a side of what is seen.
"""

from __future__ import annotations

import contextlib
import io
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from interlingua.config import nearest
from interlingua.errors import ConfigError, MissingExtraError

UInt8Array = npt.NDArray[np.uint8]

ACTIONS = ("left", "right", "forward", "pickup", "drop", "toggle", "done")
LEFT, RIGHT, FORWARD, DONE = 0, 1, 2, 6
VIEW = 7  # cells along each side of what is seen
COLOURS = ("red", "green", "blue", "purple", "yellow", "grey")
THINGS = ("key", "ball", "box")
UNSEEN, EMPTY, WALL, FLOOR, DOOR = 0, 1, 2, 3, 4  # what is in a cell; THINGS follow


@dataclass(slots=True)
class Episode:
    """What the expert saw and did until the level was solved.

    Attributes:
        seed: of the episode.
        mission: the instruction.
        views: [T, V, V, 3] what it saw before each action: from its left to its right, from far
            to near; what, colour, state.
        directions: [T] which way it looked: east, south, west, north.
        actions: [T] numbers of ``ACTIONS``.
    """

    seed: int
    mission: str
    views: UInt8Array
    directions: UInt8Array
    actions: UInt8Array


def simulator_version() -> str:
    """Of the package that has the levels and the expert.

    Raises:
        MissingExtraError: it is not installed.
    """
    return str(_minigrid().__version__)


def make_level(level: str) -> Any:
    """A simulator of one level, to be reset with the seed of an episode.

    Raises:
        MissingExtraError: minigrid is not installed.
        ConfigError: there is no such level.
    """
    _minigrid()
    import gymnasium

    known = sorted(name for name in gymnasium.registry if name.startswith("BabyAI-"))
    if level not in known:
        raise ConfigError(
            f"There is no level {level!r}{nearest(level, known)}.",
            where="level",
            next_step=f"There are {len(known)}, among them BabyAI-GoToLocal-v0, BabyAI-GoToObj-v0.",
        )
    with _silent():
        return gymnasium.make(level).unwrapped


def begin(simulator: Any, seed: int) -> dict[str, Any]:
    """Set an episode up and give what is seen first: ``image``, ``direction``, ``mission``."""
    with _silent():  # it prints each room that it threw away
        seen: dict[str, Any] = simulator.reset(seed=seed)[0]
    return seen


def expert_episode(simulator: Any, seed: int) -> Episode | None:
    """One episode of the expert; None where it gives up or runs out of time."""
    from minigrid.utils import baby_ai_bot

    seen = begin(simulator, seed)
    mission = str(seen["mission"])
    make_expert: Any = baby_ai_bot.BabyAIBot  # it carries no types
    expert, action = make_expert(simulator), None
    views, directions, actions = [], [], []
    ended = False
    while not ended:
        try:
            action = expert.replan(action)
        # its way to say that it has no plan
        except (AssertionError, baby_ai_bot.DisappearedBoxError):
            return None
        views.append(seen["image"])
        directions.append(seen["direction"])
        actions.append(int(action))
        seen, reward, solved, late, _ = simulator.step(action)
        ended = solved or late
    if not reward > 0:
        return None
    return Episode(
        seed,
        mission,
        np.stack(views).astype(np.uint8),
        np.array(directions, np.uint8),
        np.array(actions, np.uint8),
    )


def _minigrid() -> Any:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    try:
        import minigrid
    except ImportError as error:
        raise MissingExtraError("minigrid", "simulators", "BabyAI") from error
    return minigrid


@contextlib.contextmanager
def _silent() -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        yield
