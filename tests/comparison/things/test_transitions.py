"""Transitions as examples: what is asked, what is answered, what is left when it is damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from interlingua.comparison.things.transitions import (
    INSTRUCTION,
    VIEW,
    Transitions,
    unusual_episodes,
    usual_actions,
)
from interlingua.data.text import Tokenizer
from interlingua.data.word_vocabulary import word_vocabulary
from interlingua.errors import DataError
from interlingua.simulators.demonstrations import Demonstrations, demonstrations
from interlingua.simulators.symmetries import with_mirrored
from interlingua.towers.tower import TextPreprocess

LEVEL = "BabyAI-GoToLocal-v0"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("transitions")


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLINGUA_CACHE", str(cache))


@pytest.fixture
def some() -> Demonstrations:
    return demonstrations(LEVEL, 60, 0)


@pytest.fixture
def made(some: Demonstrations) -> Transitions:
    words = word_vocabulary(some.missions)
    return Transitions((0, 1, 2), 4, Tokenizer(TextPreprocess(tokenizer=str(words.folder))))


def test_rare_actions_are_no_answer(some: Demonstrations) -> None:
    actions = some.actions.copy()
    actions[3] = 4
    rare = replace(some, actions=actions)
    assert usual_actions(rare, 0.01) == (0, 1, 2)
    assert usual_actions(rare, 0.0) == (0, 1, 2, 4)
    assert unusual_episodes(rare, (0, 1, 2)).tolist() == [int(some.episode_of_step[3])]
    with pytest.raises(DataError, match="same thing all the time"):
        usual_actions(replace(some, actions=np.full_like(actions, 2)), 0.01)


def test_the_examples_are_the_demonstrations(some: Demonstrations, made: Transitions) -> None:
    actions = some.actions.copy()
    actions[0] = 4  # the first episode is left out
    rare = replace(some, actions=actions)
    found = made.examples(rare)
    kept = np.flatnonzero(some.episode_of_step > 0)
    assert len(found) == len(kept)
    assert np.array_equal(found.labels, some.actions[kept])
    assert np.array_equal(found.clusters, some.seeds[some.episode_of_step[kept]])
    assert len(set(found.keys)) == len(found)
    batch = found.batch([0, 5])
    frames = batch.media[VIEW].values
    assert frames is not None
    for row, step in enumerate(kept[[0, 5]]):
        assert np.array_equal(frames[row, 0, :147], some.views[step].ravel())
    ids, mask = made.tokenizer([some.missions[some.episode_of_step[kept[5]]]])
    told = batch.media[INSTRUCTION]
    assert told.values is not None and told.mask is not None
    assert torch.equal(told.values[1][told.mask[1]], ids[0][mask[0]])


def test_a_mirrored_episode_is_of_its_seeds_cluster(
    some: Demonstrations, made: Transitions
) -> None:
    both = made.examples(with_mirrored(some))
    count = len(some.actions)
    assert len(both) == 2 * count and len(set(both.keys)) == 2 * count
    assert np.array_equal(both.clusters[:count], both.clusters[count:])
    assert np.array_equal(np.array([1, 0, 2])[both.labels[:count]], both.labels[count:])
    told = both.modalities[INSTRUCTION].variants
    assert np.array_equal(told[:count], told[count:])


def test_damage_goes_from_nothing_to_all(some: Demonstrations, made: Transitions) -> None:
    whole = made.examples(some)
    worse = made.degraded(some, (0.25, 0.75))
    for name, levels in worse.items():
        assert list(levels) == [0.0, 0.25, 0.75, 1.0]
        other = VIEW if name == INSTRUCTION else INSTRUCTION
        expected = whole.batch(range(len(whole)))
        for level, examples in levels.items():
            assert examples.keys == whole.keys and np.array_equal(examples.labels, whole.labels)
            batch = examples.batch(range(len(examples)))
            assert torch.equal(batch.media[other].values, expected.media[other].values)
            if level == 1.0:
                assert len(batch.media[name]) == 0
            elif level == 0.0:
                assert torch.equal(batch.media[name].values, expected.media[name].values)
    seen = {level: (worse[VIEW][level].modalities[VIEW].values[..., :147:3] > 0).sum().item()
            for level in (0.0, 0.25, 0.75)}  # fmt: skip
    assert seen[0.75] < 0.4 * seen[0.0] and 0.6 * seen[0.0] < seen[0.25] < 0.9 * seen[0.0]
    words = {
        level: int(worse[INSTRUCTION][level].batch(range(len(whole))).media[INSTRUCTION].mask.sum())
        for level in (0.0, 0.25, 0.75)
    }
    assert words[0.0] > words[0.25] > 2 * words[0.75] > 0


def test_damage_is_the_same_each_time(some: Demonstrations, made: Transitions) -> None:
    first, again = (made.degraded(some, (0.5,)) for _ in range(2))
    for name in (VIEW, INSTRUCTION):
        one, other = (kind[name][0.5].modalities[name] for kind in (first, again))
        assert torch.equal(one.values, other.values)
        assert np.array_equal(one.variants, other.variants)
