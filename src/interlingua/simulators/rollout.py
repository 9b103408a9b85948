"""Rollout: a policy acts in many episodes at once.

Shape legend: E episodes, A of them that still go on, T steps done so far, V cells along a side of
what is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlingua.simulators.babyai import ACTIONS, VIEW, UInt8Array
from interlingua.simulators.worlds import BoolArray, IntArray, Worlds, worlds_for

_PRICE = 0.9  # of the whole time: what a level takes off the reward of 1


@dataclass(slots=True)
class Seen:
    """What a policy may know at one moment, of A episodes.

    Attributes:
        episodes: [A] their numbers, of E.
        missions: [A] the instructions.
        views: [A, T + 1, V, V, 3] everything that was seen, the present last.
        directions: [A, T + 1].
        actions: [A, T] everything that was done.
    """

    episodes: IntArray
    missions: list[str]
    views: UInt8Array
    directions: UInt8Array
    actions: UInt8Array


Policy = Callable[[Seen], IntArray]  # gives [A] numbers of ACTIONS


@dataclass(slots=True)
class Outcome:
    """What came of E episodes.

    Attributes:
        success: [E] whether the goal was reached in time.
        steps: [E] that it took; the limit where it was not reached.
        returns: [E] 1 - 0.9 · steps / limit where it was reached, else 0, as the levels give it.
    """

    success: BoolArray
    steps: IntArray
    returns: npt.NDArray[np.float64]


def rollout(
    policy: Policy,
    level: str,
    seeds: Sequence[int],
    *,
    actions: Collection[int] = range(len(ACTIONS)),
    frames: int | None = None,
) -> Outcome:
    """Let a policy act in the episodes of these seeds until each is solved or its time is over.

    Args:
        policy: gives the next action of each episode that still goes on.
        level: e.g. ``BabyAI-GoToLocal-v0``.
        seeds: [E].
        actions: all that it will ever choose; few of them can make it quicker.
        frames: of a policy that is certain (the same answer to the same frames): how many frames
            it looks at. An episode that comes back to a state with the same last frames goes
            round for ever, so it is ended as failed at once; nothing else changes. None: every
            episode runs its time out.

    Raises:
        MissingExtraError: minigrid is not installed.
        ConfigError: there is no such level.
        ValueError: the policy chose an action that was not named.
    """
    return act_in(worlds_for(level, seeds, actions), policy, actions, frames)


def act_in(
    worlds: Worlds, policy: Policy, actions: Collection[int], frames: int | None = None
) -> Outcome:
    """As ``rollout``, in worlds that stand at their beginning."""
    count = len(worlds.missions)
    limit = int(worlds.max_steps.max(initial=0))
    views = np.zeros((count, limit + 1, VIEW, VIEW, 3), np.uint8)
    directions = np.zeros((count, limit + 1), np.uint8)
    done = np.zeros((count, limit), np.uint8)
    success, steps = np.zeros(count, bool), worlds.max_steps.copy()
    rounds = _Rounds(count, frames)
    going = np.arange(count)
    for step in range(limit):
        going = rounds.without(worlds, going, done[:, :step])
        if not len(going):
            break
        views[going, step], directions[going, step] = worlds.seen(going)
        chosen = np.asarray(
            policy(
                Seen(
                    episodes=going,
                    missions=[worlds.missions[number] for number in going],
                    views=views[going, : step + 1],
                    directions=directions[going, : step + 1],
                    actions=done[going, :step],
                )
            ),
            np.int64,
        )
        if chosen.shape != going.shape or not set(np.unique(chosen).tolist()) <= set(actions):
            raise ValueError(f"the policy must choose one of {sorted(actions)} for each episode")
        done[going, step] = chosen
        reached, lost = worlds.act(going, chosen)
        success[going[reached]] = True
        steps[going[reached]] = step + 1
        going = going[~(reached | lost | (step + 1 >= worlds.max_steps[going]))]
    returns = np.where(success, 1 - _PRICE * steps / worlds.max_steps, 0.0)
    return Outcome(success, steps, returns)


class _Rounds:
    """Finds episodes that go round: the same state after the same last frames and actions."""

    def __init__(self, episodes: int, frames: int | None):
        self.frames = frames
        self._paths: list[list[int]] = [[] for _ in range(episodes)]
        self._known: list[set[tuple[int, ...]]] = [set() for _ in range(episodes)]

    def without(self, worlds: Worlds, going: IntArray, actions: UInt8Array) -> IntArray:
        """Those that don't."""
        states = None if self.frames is None else worlds.states(going)
        if states is None or self.frames is None:
            return going
        before = actions[going, -1].astype(np.int64) if actions.shape[1] else 0 * states
        fresh = []
        for number, place in zip(going.tolist(), (states * 8 + before).tolist(), strict=True):
            path, known = self._paths[number], self._known[number]
            path.append(place)
            last = tuple(path[-self.frames :])
            fresh.append(last not in known)
            known.add(last)
        return going[fresh]
