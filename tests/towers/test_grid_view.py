"""What the grid view tower knows of a world is what was there to see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from interlingua.simulators.babyai import begin, make_level
from interlingua.simulators.moments import Moments, moments
from interlingua.towers.grid_view import GridView
from interlingua.towers.pretrained import build_tower

REACH = 6


def tower(**options: Any) -> GridView:
    torch.manual_seed(0)
    settings = {"width": 16, "hidden_width": 24, "reach": REACH, **options}
    built = build_tower(GridView.Config(**settings))
    assert isinstance(built, GridView)
    return built.eval()


def walk(level: str, seed: int, actions: list[int], history: int) -> tuple[Moments, list[Any]]:
    """The moments of a walk, and where the agent stood and looked: (place, ahead, right)."""
    simulator = make_level(level)
    seen = begin(simulator, seed)
    views, directions, poses = [], [], []
    for action in actions:
        views.append(seen["image"])
        directions.append(seen["direction"])
        poses.append((np.array(simulator.agent_pos), simulator.dir_vec, simulator.right_vec))
        seen = simulator.step(action)[0]
    steps = np.arange(len(actions))
    found = moments(
        np.stack(views), np.array(directions, np.uint8), np.array(actions, np.uint8),
        present=steps, first=np.zeros_like(steps), history=history,
    )  # fmt: skip
    return found, [simulator, *poses]


def knowledge(found: Moments, **options: Any) -> Tensor:
    """[M, S, S, 3] the map, to the right and ahead from the middle."""
    frames, there = torch.from_numpy(found.frames).long(), torch.from_numpy(found.there)
    known = tower(history=found.frames.shape[1], **options)._map(frames, there)
    side = 2 * REACH + 1
    return torch.stack([known.kind, known.colour, known.state], -1).unflatten(1, (side, side))


@pytest.mark.parametrize("level", ["BabyAI-GoToLocal-v0", "BabyAI-GoTo-v0", "BabyAI-GoToDoor-v0"])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_map_is_the_world_around_the_agent(level: str, seed: int) -> None:
    actions = np.random.default_rng(seed).choice([0, 1, 2, 2, 2, 6], 40).tolist()
    found, (simulator, *poses) = walk(level, seed, actions, history=12)
    known = knowledge(found)
    cells = 0
    for moment, (place, ahead, right) in enumerate(poses):
        for column in range(2 * REACH + 1):
            for row in range(2 * REACH + 1):
                if not known[moment, column, row, 0]:
                    continue
                x, y = place + (column - REACH) * right + (row - REACH) * ahead
                cell = simulator.grid.get(x, y)
                expected = (1, 0, 0) if cell is None else cell.encode()
                assert tuple(known[moment, column, row].tolist()) == tuple(expected)
                cells += 1
    in_view = (found.frames[:, 0, :147:3] > 0).sum()
    assert cells > 1.2 * in_view  # more than what is seen at the moment


def test_with_one_frame_the_map_is_the_view() -> None:
    found, _ = walk("BabyAI-GoToLocal-v0", 3, [0, 2, 2, 1, 2], history=1)
    known = knowledge(found)
    views = torch.from_numpy(found.frames[:, 0, :147]).unflatten(1, (7, 7, 3)).long()
    assert torch.equal(known[:, 3:10, REACH:].flip(2), views)
    assert not known[:, :, :REACH].any() and not known[:, :3].any() and not known[:, 10:].any()


def test_a_turn_about_keeps_what_was_seen_before() -> None:
    found, _ = walk("BabyAI-GoToLocal-v0", 3, [0, 0, 2], history=3)
    known = knowledge(found)
    first, behind = known[0], known[2].flip(0, 1)  # after two left turns all lies the other way
    seen = first[..., :1] > 0
    seen[REACH, REACH] = False
    assert torch.equal(torch.where(seen, behind, 0), torch.where(seen, first, 0))
    short = knowledge(Moments(found.frames[:, :1], found.there[:, :1]))
    assert (known[2, ..., 0] > 0).sum() > (short[2, ..., 0] > 0).sum()


def test_what_changed_is_known_as_it_was_seen_last() -> None:
    """A key that is picked up is gone, though an older frame shows it."""
    frames = torch.zeros(1, 2, 149, dtype=torch.int64)
    cells = frames[..., :147].unflatten(2, (7, 7, 3))
    cells[..., 0] = 1
    cells[0, 1, 3, 5] = torch.tensor([5, 2, 0])  # older frame: a key just ahead
    cells[0, 0, 3, 6] = torch.tensor([5, 2, 0])  # now it is carried
    frames[0, 1, 148] = 1 + 3
    known = knowledge(Moments(frames.numpy().astype(np.uint8), np.ones((1, 2), bool)))
    assert known[0, REACH, REACH + 1].tolist() == [1, 0, 0]
    assert known[0, REACH, REACH].tolist() == [5, 2, 0]


def test_each_object_has_a_token_and_nothing_else_has() -> None:
    actions = [0, 0, 2, 1, 2, 2]
    found, _ = walk("BabyAI-GoToLocal-v0", 5, actions, history=6)
    known = knowledge(found)
    encode = tower(history=6)
    tokens = encode(torch.from_numpy(found.frames), torch.from_numpy(found.there))
    assert tokens.states is not None and tokens.mask is not None
    objects = (known[..., 0] >= 4).flatten(1).sum(1)
    assert objects.max() > 3
    assert torch.equal(tokens.mask.sum(1), 1 + objects)
    assert (tokens.states[~tokens.mask] == 0).all()
    fewer = tower(history=6, objects=2)(
        torch.from_numpy(found.frames), torch.from_numpy(found.there)
    )
    assert torch.allclose(fewer.states[:, :3], tokens.states[:, :3])  # the nearest stand first


def test_frames_that_are_not_there_change_nothing() -> None:
    found, _ = walk("BabyAI-GoToLocal-v0", 5, [0, 2, 1, 2], history=4)
    encode = tower(history=4)
    frames, there = torch.from_numpy(found.frames), torch.from_numpy(found.there)
    expected = encode(frames, there).states
    rubbish = torch.where(there[..., None], frames, 9)
    assert torch.equal(encode(rubbish, there).states, expected)
    shorter = encode(frames[:2, :2], there[:2, :2]).states  # two steps have no more than two
    assert torch.allclose(shorter, expected[:2], atol=1e-6)
    missing = torch.where(there[..., None], frames.float(), torch.nan)
    assert torch.equal(encode(missing).states, expected)
    nothing = encode(frames, torch.zeros_like(there))
    assert not nothing.mask.any() and not nothing.states.any() and not nothing.pooled.any()


def test_numbers_that_are_too_large_count_as_the_largest() -> None:
    encode = tower(history=2)
    largest = torch.full((1, 2, 149), 3)
    largest[..., :147] = torch.tensor([10, 5, 3]).repeat(49)
    largest[..., 148] = 7
    larger = torch.full((1, 2, 149), 200)
    assert torch.equal(encode(larger).states, encode(largest).states)


def test_frames_of_another_shape_are_refused() -> None:
    encode = tower(history=2)
    for shape in ((1, 3, 149), (1, 2, 150)):
        with pytest.raises(ValueError, match=r"not up to \[2, 149\]"):
            encode(torch.zeros(shape))
    with pytest.raises(ValueError, match="no cell in its middle"):
        GridView.Config(view_size=6)
    with pytest.raises(ValueError, match="no room"):
        GridView.Config(reach=1, objects=10)


def test_left_and_right_are_told_apart() -> None:
    frames = torch.zeros(2, 1, 149, dtype=torch.uint8)
    cells = frames[..., :147].unflatten(2, (7, 7, 3))
    cells[..., 0] = 1
    cells[0, 0, 1, 4] = cells[1, 0, 5, 4] = torch.tensor([6, 0, 0], dtype=torch.uint8)
    states = tower(history=1)(frames).states
    assert not torch.allclose(states[0, 1], states[1, 1])
