"""Moments: the same frames from demonstrations and from acting."""

from __future__ import annotations

import numpy as np

from interlingua.simulators.demonstrations import demonstrations
from interlingua.simulators.moments import Moments, moments, present_moments, with_hidden_cells
from interlingua.simulators.rollout import Seen, act_in
from interlingua.simulators.worlds import IntArray, worlds_for

LEVEL = "BabyAI-GoToObj-v0"


def all_moments(history: int) -> Moments:
    some = demonstrations(LEVEL, 30, 10**9)
    steps = np.arange(len(some.actions))
    first = some.starts[some.episode_of_step]
    return moments(some.views, some.directions, some.actions, steps, first, history)


def test_frames_go_back_from_the_present_and_stop_at_the_first() -> None:
    some = demonstrations(LEVEL, 30, 10**9)
    found = all_moments(history=4)
    assert found.frames.shape == (len(some.actions), 4, 149)
    for step, episode in enumerate(some.episode_of_step):
        start = some.starts[episode]
        assert found.there[step].tolist() == [step - back >= start for back in range(4)]
        for back in range(4):
            frame = found.frames[step, back]
            if step - back < start:
                assert not frame.any()
                continue
            assert np.array_equal(frame[:147], some.views[step - back].ravel())
            assert frame[147] == some.directions[step - back]
            assert frame[148] == (1 + some.actions[step - back] if back else 0)


def test_the_action_to_be_chosen_is_not_in_the_moment() -> None:
    some = demonstrations(LEVEL, 30, 10**9)
    found = all_moments(history=4)
    steps = np.arange(len(some.actions))
    other = moments(
        some.views, some.directions, np.full_like(some.actions, 5), steps,
        some.starts[some.episode_of_step], history=1,
    )  # fmt: skip
    assert np.array_equal(found.frames[:, :1], other.frames)


def test_acting_gives_the_moments_of_the_demonstrations() -> None:
    some = demonstrations(LEVEL, 30, 10**9)
    for history in (1, 3, 20):
        expected = all_moments(history)

        def policy(seen: Seen, expected: Moments = expected, history: int = history) -> IntArray:
            steps = some.starts[seen.episodes] + seen.actions.shape[1]
            found = present_moments(seen, history)
            assert np.array_equal(found.frames, expected.frames[steps])
            assert np.array_equal(found.there, expected.there[steps])
            return some.actions[steps].astype(np.int64)

        worlds = worlds_for(LEVEL, some.seeds.tolist(), (0, 1, 2, 6))
        assert act_in(worlds, policy, (0, 1, 2, 6)).success.all()


def test_a_known_share_of_the_cells_is_hidden() -> None:
    found = all_moments(history=3)
    seen = found.frames[..., :147:3] > 0
    for share in (0.0, 0.5, 1.0):
        hidden = with_hidden_cells(found, share, np.random.default_rng(0))
        again = with_hidden_cells(found, share, np.random.default_rng(0))
        assert np.array_equal(hidden.frames, again.frames)
        assert np.array_equal(hidden.frames[..., 147:], found.frames[..., 147:])
        left = hidden.frames[..., :147:3] > 0
        assert (left <= seen).all()
        assert abs(left.sum() / seen.sum() - (1 - share)) < 0.02
        kept = np.repeat(left, 3, axis=-1)
        assert np.array_equal(hidden.frames[..., :147] > 0, (found.frames[..., :147] > 0) & kept)
    assert np.array_equal(with_hidden_cells(found, 0.0, np.random.default_rng(0)).frames,
                          found.frames)  # fmt: skip
