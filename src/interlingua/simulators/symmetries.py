"""What a world may be exchanged with: its mirror image, and itself in other colours and shapes.

BabyAI draws rooms, colours and things without preference, and its expert looks at none of them
but to find out whether a thing is meant. So a demonstration stays one in the changed world, with
the instruction changed alike; each is worth many to a learner that doesn't know that yet.

Shape legend: V cells along a side of what is seen.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from interlingua.simulators.babyai import (
    COLOURS,
    DOOR,
    LEFT,
    RIGHT,
    THINGS,
    UInt8Array,
)
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


def recoloured(some: Demonstrations, random: np.random.Generator) -> Demonstrations:
    """The same episodes, in each of them all colours and all things (keys, balls, boxes) exchanged.

    What was of one colour is of one colour still, and the instruction names what the same thing is
    called now. Walls and floors stay grey.
    """
    count = len(some)
    colours = random.permuted(np.tile(np.arange(len(COLOURS)), (count, 1)), axis=1)  # [E, colours]
    shapes = random.permuted(np.tile(np.arange(len(THINGS)), (count, 1)), axis=1)
    episode = some.episode_of_step[:, None, None]
    views = some.views.copy()
    kind, colour = some.views[..., 0], some.views[..., 1]
    is_thing = (kind >= DOOR + 1) & (kind <= DOOR + len(THINGS))
    number = np.where(is_thing, kind - (DOOR + 1), 0)
    views[..., 0] = np.where(is_thing, shapes[episode, number] + DOOR + 1, kind)
    has_colour = is_thing | (kind == DOOR)
    views[..., 1] = np.where(has_colour, colours[episode, np.where(has_colour, colour, 0)], colour)
    missions = []
    for mission, own_colours, own_shapes in zip(some.missions, colours, shapes, strict=True):
        named = {word: COLOURS[new] for word, new in zip(COLOURS, own_colours, strict=True)}
        named |= {word: THINGS[new] for word, new in zip(THINGS, own_shapes, strict=True)}
        missions.append(" ".join(named.get(word, word) for word in mission.split(" ")))
    return replace(some, views=views, missions=missions)


def enlarged(some: Demonstrations, *, mirror: bool, recolour: int, seed: int) -> Demonstrations:
    """The demonstrations with their mirror images, and all of these in other colours.

    Args:
        some: N episodes.
        mirror: N more, mirrored.
        recolour: times that everything is added once more in other colours and shapes.
        seed: of the colours.
    """
    whole = with_mirrored(some) if mirror else some
    random = np.random.default_rng((seed, 1))
    copies = [replace(recoloured(whole, random), unsolved=0) for _ in range(recolour)]
    return joined([whole, *copies])
