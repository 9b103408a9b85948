"""What a world may be exchanged with: its mirror image.

BabyAI draws rooms without preference for a side, and its expert has hardly any. So a demonstration
stays one in the mirrored world; each is worth two to a learner that doesn't know that yet.

Shape legend: V cells along a side of what is seen.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from interlingua.simulators.babyai import LEFT, RIGHT, UInt8Array
from interlingua.simulators.demonstrations import Demonstrations, joined


def mirrored(
    views: UInt8Array, directions: UInt8Array, actions: UInt8Array
) -> tuple[UInt8Array, UInt8Array, UInt8Array]:
    """The same episode in a world whose x and y are exchanged: left becomes right.

    East becomes south and west north. The expert plans the same way in both, but for ties: with
    equal room on both sides it turns about to the right, and of two equal targets at the same
    distance it takes the first of its list. Instructions with words of place ("on your left")
    would not stay true; the levels that go to a thing have none.

    Args:
        views: [..., V, V, 3].
        directions: [...].
        actions: [...], other numbers than left's and right's stay.
    """
    turned = np.where(actions == LEFT, RIGHT, np.where(actions == RIGHT, LEFT, actions))
    return np.flip(views, axis=-3), directions ^ np.uint8(1), turned.astype(np.uint8)


def with_mirrored(some: Demonstrations) -> Demonstrations:
    """The same episodes, and after them each once more in the mirrored world."""
    views, directions, actions = mirrored(some.views, some.directions, some.actions)
    other = replace(some, views=views, directions=directions, actions=actions, unsolved=0)
    return joined([some, other])
