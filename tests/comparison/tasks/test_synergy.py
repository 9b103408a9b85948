"""Synergy: the folds, acting in the simulator, and its controls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from interlingua.batch import Batch
from interlingua.comparison.runs.acting import Prior
from interlingua.comparison.tasks.synergy import TEST_SEED, Synergy, other_instructions
from interlingua.comparison.things.transitions import INSTRUCTION, VIEW
from interlingua.config import to_plain, validate
from interlingua.errors import ConfigError, DataError
from interlingua.fusion.early import EarlyFusion
from interlingua.models.fused_classifier import FusedClassifier, FusedOutputs
from interlingua.simulators.demonstrations import demonstrations

EPISODES = 24


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("synergy")


@pytest.fixture(autouse=True)
def own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLINGUA_CACHE", str(cache))


def task(**options: Any) -> Synergy:
    settings = {"demonstrations": 60, "episodes": EPISODES, "history": 3, "width": 16, **options}
    built: Synergy = Synergy.Config(**settings).build()
    return built


def model_of(one: Synergy, *modalities: str) -> FusedClassifier:
    torch.manual_seed(0)
    names = modalities or (VIEW, INSTRUCTION)
    config = FusedClassifier.Config(
        classes=one.classes,
        towers={name: one.towers[name] for name in names},
        views={name: name for name in names},
        fusion=EarlyFusion.Config(width=16, num_layers=1, num_heads=2, hidden_width=16),
    )
    return FusedClassifier(config).eval()


def test_the_fold_is_the_same_in_every_process_and_shares_nothing() -> None:
    one = task()
    config = validate(Synergy.Config, to_plain(one.config), "test")
    assert config == one.config
    first, again = one.fold(0, 1), config.build().fold(0, 1)
    for name in ("train", "test"):
        ours, theirs = getattr(first, name), getattr(again, name)
        assert ours.keys == theirs.keys and np.array_equal(ours.labels, theirs.labels)
        for modality, table in ours.modalities.items():
            assert torch.equal(table.values, theirs.modalities[modality].values)
    other = one.fold(0, 2)
    clusters = [set(examples.clusters.tolist()) for examples in (first.train, other.train)]
    assert not clusters[0] & clusters[1]
    assert not (clusters[0] | clusters[1]) & set(first.test.clusters.tolist())
    assert min(first.test.clusters) >= TEST_SEED > max(clusters[0] | clusters[1])
    assert first.test.keys == other.test.keys
    assert one.classes == ("left", "right", "forward")
    assert set(first.degraded) == {VIEW, INSTRUCTION}


def test_mirrored_demonstrations_are_trained_on_and_not_measured_on() -> None:
    with_mirror, without = task().fold(0, 0), task(mirror=False).fold(0, 0)
    assert len(with_mirror.train) == 2 * len(without.train)
    assert len(with_mirror.test) == len(without.test)


class Knowing(nn.Module):
    """Goes to what it is told: looks the expert's next action up by the frames and the words."""

    def __init__(self, one: Synergy):
        super().__init__()
        self.views = (VIEW, INSTRUCTION)
        some = demonstrations(one.config.level, EPISODES, TEST_SEED)
        found = one.transitions.examples(some)
        batch = found.batch(range(len(found)))
        self.known = dict(zip(self.asked(batch), found.labels.tolist(), strict=True))
        self.unknown = 0

    def asked(self, batch: Batch) -> list[bytes]:
        view, told = batch.media[VIEW], batch.media[INSTRUCTION]
        assert view.values is not None and told.values is not None and told.mask is not None
        return [
            frames.numpy().tobytes() + ids[mask].numpy().tobytes()
            for frames, ids, mask in zip(view.values, told.values, told.mask, strict=True)
        ]

    def forward(self, batch: Batch) -> FusedOutputs:
        logits = torch.zeros(len(batch), 3)
        for row, key in enumerate(self.asked(batch)):
            self.unknown += key not in self.known
            logits[row, self.known.get(key, 0)] = 1.0
        return FusedOutputs(logits, torch.arange(len(batch)))


def test_who_does_what_the_expert_does_succeeds() -> None:
    one = task()
    knowing = Knowing(one)
    rollout = one.act(knowing, 0)
    assert rollout.success.mean() == 1.0 and knowing.unknown == 0
    assert rollout.clusters.tolist() == list(range(TEST_SEED, TEST_SEED + EPISODES))
    assert one.act(knowing, 1).success.mean() == 1.0  # the worlds stand at their beginning again
    misled = one.act(knowing, 0, exchanged=INSTRUCTION)
    assert misled.success.mean() < 0.5 and knowing.unknown > 0


def test_every_exchanged_instruction_asks_for_something_else() -> None:
    missions = demonstrations("BabyAI-GoToLocal-v0", 200, TEST_SEED).missions
    others = other_instructions(missions)
    assert len(others) == len(missions)
    for own, other in zip(missions, others, strict=True):
        assert own.split()[-2:] != other.split()[-2:]  # colour and thing
    assert other_instructions(["go to a red key", "go to the red key", "go to a box"]) == [
        "go to a box",
        "go to a box",
        "go to a red key",
    ]
    with pytest.raises(DataError, match="All episodes ask for the same"):
        other_instructions(["go to a red key", "go to the red key"])


def test_models_act_with_all_or_some_modalities_and_the_same_each_time() -> None:
    one = task()
    whole = model_of(one)
    first = one.act(whole, 0)
    assert first.success.shape == (EPISODES,) and set(first.success.tolist()) <= {0.0, 1.0}
    assert np.array_equal(first.success, one.act(whole, 0).success)
    for missing in (VIEW, INSTRUCTION):
        assert one.act(whole, 0, without=[missing]).success.shape == (EPISODES,)
    forward = one.act(Prior(np.array([0.1, 0.2, 0.7], np.float32)), 0, without=[VIEW, INSTRUCTION])
    turning = one.act(Prior(np.array([0.7, 0.2, 0.1], np.float32)), 0, without=[VIEW, INSTRUCTION])
    assert turning.success.sum() == 0, "who only turns gets nowhere"
    assert forward.success.mean() < 0.5
    np.testing.assert_array_equal(forward.clusters, first.clusters)
    alone = model_of(one, VIEW)
    told = one.act(alone, 0, exchanged=INSTRUCTION).success
    assert np.array_equal(one.act(alone, 0).success, told)  # it doesn't listen
    deaf = one.act(model_of(one, INSTRUCTION), 0).success
    assert deaf.mean() <= 0.5  # it does one thing all the time
    with pytest.raises(ConfigError, match="'view' can't be exchanged"):
        one.act(whole, 0, exchanged=VIEW)


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="BabyAI-GoToLocal-v0"):
        task(level="BabyAI-GoToLocal")
    with pytest.raises(ConfigError, match="1,000,001 demonstrations"):
        task(demonstrations=1_000_001)
    one = task()
    for seed in (-1, 1000):
        with pytest.raises(ConfigError, match="from 0 to 999"):
            one.fold(0, seed)


def test_quick_is_a_quarter() -> None:
    one = task(quick=True, demonstrations=80)
    assert len(set(one.fold(0, 0).train.clusters.tolist())) <= 20
    assert one.budget.steps == task().budget.steps // 4
    assert len(one.act(model_of(one), 0).success) == EPISODES // 4


def test_one_object_makes_the_instruction_redundant() -> None:
    one = task(level="BabyAI-GoToObj-v0")
    things = one.fold(0, 0).test.modalities[VIEW].values[..., :147:3] >= 4
    assert things[:, 0].sum(-1).max() == 1  # one object in sight at most


@pytest.mark.slow
def test_with_both_modalities_more_is_learned_than_with_one() -> None:
    one = task(demonstrations=400, episodes=100, width=32, history=6)
    fold = one.fold(0, 0)
    reached = {}
    for names in ((VIEW, INSTRUCTION), (VIEW,)):
        model = model_of(one, *names).train()
        optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
        random = np.random.default_rng(0)
        for _ in range(500):
            batch = fold.train.batch(random.integers(0, len(fold.train), 128), random)
            loss = nn.functional.cross_entropy(model(batch).logits, batch.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        reached[names] = one.act(model.eval(), 0).success.mean()
    assert reached[VIEW, INSTRUCTION] > reached[VIEW,] + 0.05
