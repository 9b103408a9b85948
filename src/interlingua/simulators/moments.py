"""Moments: the last frames of an episode as one row of numbers, as the tower ``grid_view`` reads.

Shape legend: S steps of any episodes, N moments, H frames (the present first), V cells along a
side of what is seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from interlingua.simulators.babyai import UInt8Array
from interlingua.simulators.rollout import Seen
from interlingua.simulators.worlds import BoolArray, IntArray


@dataclass(slots=True)
class Moments:
    """N moments.

    Attributes:
        frames: [N, H, 3 V² + 2] what, colour and state of each cell, the direction, and 1 + what
            was done then (0 in the present frame); zeros before the episode's first step.
        there: [N, H] which frames there are.
    """

    frames: UInt8Array
    there: BoolArray

    def __len__(self) -> int:
        return len(self.frames)


def moments(
    views: UInt8Array,
    directions: UInt8Array,
    actions: UInt8Array,
    present: IntArray,
    first: IntArray,
    history: int,
) -> Moments:
    """The moments at some steps of episodes that lie one after another.

    Args:
        views: [S, V, V, 3], directions: [S], actions: [S].
        present: [N] the steps.
        first: [N] the first step of the episode of each.
        history: H.
    """
    steps = present[:, None] - np.arange(history)  # [N, H]
    there = steps >= first[:, None]
    steps = np.where(there, steps, 0)
    done = actions[steps].astype(np.uint8) + 1
    done[:, 0] = 0
    cells = views.reshape(len(views), -1)[steps]  # [N, H, 3 V²]
    frames = np.concatenate([cells, directions[steps][..., None], done[..., None]], axis=2)
    return Moments(np.where(there[..., None], frames, 0).astype(np.uint8), there)


def present_moments(seen: Seen, history: int) -> Moments:
    """The moments at which a policy is asked, [A, ...]."""
    views, directions = seen.views[:, -history:], seen.directions[:, -history:]
    count, length = directions.shape
    actions = np.zeros_like(directions)
    actions[:, :-1] = seen.actions[:, seen.actions.shape[1] - length + 1 :]
    last = np.arange(1, count + 1) * length - 1
    return moments(
        views.reshape(-1, *views.shape[2:]),
        directions.reshape(-1),
        actions.reshape(-1),
        present=last,
        first=last - length + 1,
        history=history,
    )


def with_hidden_cells(some: Moments, share: float, random: np.random.Generator) -> Moments:
    """The same with this share of the cells of each frame unseen, each equally likely."""
    cells: npt.NDArray[np.uint8] = some.frames[..., :-2].copy()
    shape = cells.shape
    single = cells.reshape(*shape[:2], -1, 3)  # [N, H, V², 3]
    count = round(share * single.shape[2])
    chance = random.random(single.shape[:3])
    hidden = chance.argsort(axis=2).argsort(axis=2) < count
    single[hidden] = 0
    frames = np.concatenate([single.reshape(shape), some.frames[..., -2:]], axis=2)
    return Moments(frames, some.there)
