from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from interlingua.comparison.task import Fold
from interlingua.comparison.tasks.complement import Complement
from interlingua.comparison.tasks.redundancy import Redundancy
from interlingua.comparison.things.damaged import CURVE
from interlingua.comparison.things.spoken import spoken_things
from interlingua.config import to_plain, validate
from interlingua.errors import DataError
from interlingua.fusion.late_average import LateAverage
from interlingua.models.fused_classifier import FusedClassifier
from interlingua.sample import Text

RealData = Callable[[str], object]
Make = Callable[..., Any]


@pytest.fixture
def complement(settings: dict[str, Any]) -> Make:
    def make(**changes: Any) -> Complement:
        return validate(Complement.Config, {**settings, **changes}, "test").build()

    return make


@pytest.fixture
def redundancy(settings: dict[str, Any], world: Any) -> Make:
    def make(**changes: Any) -> Redundancy:
        text = world.tower("text")
        return validate(Redundancy.Config, {**settings, "text": text, **changes}, "test").build()

    return make


def rows_of(fold: Fold) -> dict[str, Any]:
    """Everything that a fold holds but the tables."""
    sets = {"train": fold.train, "test": fold.test}
    for name, levels in fold.degraded.items():
        sets |= {f"{name} {level}": examples for level, examples in levels.items()}
    sets |= {f"against {name}": one.examples for name, one in fold.contradictions.items()}
    return {
        name: [
            one.keys,
            one.labels.tolist(),
            {modality: part.variants.tolist() for modality, part in one.modalities.items()},
        ]
        for name, one in sets.items()
    }


@pytest.mark.parametrize("which", ["complement", "redundancy"])
def test_folds_are_complete_and_share_no_component(
    which: str, request: pytest.FixtureRequest
) -> None:
    task = request.getfixturevalue(which)()
    tested: list[str] = []
    for number in range(task.folds):
        fold = task.fold(number, seed=0)
        assert not set(fold.train.clusters) & set(fold.test.clusters)
        assert not set(fold.train.keys) & set(fold.test.keys)
        assert len(fold.train) + len(fold.test) == len(task.things)
        assert set(fold.test.labels) == set(fold.train.labels) == set(range(len(task.classes)))
        tested += fold.test.keys
    assert sorted(tested) == sorted(task.things.keys)


def test_small_groups_are_left_out_and_that_is_said(complement: Make) -> None:
    task = complement()
    assert task.classes == ("animals", "household", "town")
    assert len(task.things) == 23
    assert any("sports 1" in note for note in task.notes)
    with pytest.raises(DataError, match="0 groups have 20 things"):
        complement(least=20)
    with pytest.raises(DataError):
        complement(language="da")


def test_things_that_are_called_the_same_share_a_component(stamps: Path) -> None:
    (stamps / "household" / "hat.txt").write_text("hat\nfr.utf8=Chien\n", "utf-8")
    things = spoken_things("fr", least=5, root=stamps)
    place = {key.rpartition("/")[2]: number for number, key in enumerate(things.keys)}
    assert things.components[place["hat"]] == things.components[place["dog"]]
    assert len(set(things.components.tolist())) == len(things) - 1
    names = [part.text for part in things.names if isinstance(part, Text)]
    assert names[place["hat"]] == "hat"


def test_training_has_all_levels_and_a_test_thing_one(complement: Make) -> None:
    task = complement(draws=2)
    fold = task.fold(0, seed=0)
    for name, table in task.damaged.tables.items():
        trained = fold.train.modalities[name].variants
        assert trained.shape == (len(fold.train), 8), "four levels, two each"
        place = task.things.keys.index(fold.train.keys[0])
        levels = sorted(level for level in (0.0, 0.25, 0.5, 0.75) for row in table.at(level)[place])
        shown = sorted(level_of(table, row) for row in trained[0])
        assert shown == [0.0, 0.0, *levels[1:]], "undamaged twice, so equally often"
        assert fold.test.modalities[name].variants.shape == (len(fold.test), 1)
    wanted = {
        name: [level_of(task.damaged.tables[name], row) for row in one.variants[:, 0]]
        for name, one in fold.test.modalities.items()
    }
    assert wanted["picture"] != wanted["speech"], "each on its own"
    for drawn in task.damaged.test_levels.values():
        assert set(drawn) == {0.0, 0.25, 0.5, 0.75}


def level_of(table: Any, row: int) -> float:
    place = int(np.argwhere(table.rows == row)[0, 1])
    return float(table.variants[place][0])


def test_damage_only_grows_and_touches_one_modality(complement: Make) -> None:
    task = complement()
    fold = task.fold(1, seed=0)
    assert set(fold.degraded) == {"picture", "speech"}
    for name, levels in fold.degraded.items():
        assert tuple(levels) == CURVE
        assert np.array_equal(
            levels[0.0].modalities[name].variants, fold.test.modalities[name].variants
        )
        table = task.damaged.tables[name]
        before = [level_of(table, row) for row in fold.test.modalities[name].variants[:, 0]]
        for level, examples in levels.items():
            now = [level_of(table, row) for row in examples.modalities[name].variants[:, 0]]
            assert now == [max(level, one) for one in before]
            other = {"picture": "speech", "speech": "picture"}[name]
            assert np.array_equal(
                examples.modalities[other].variants, fold.test.modalities[other].variants
            )


def test_at_level_1_nothing_of_a_picture_is_left(complement: Make) -> None:
    table = complement().damaged.tables["picture"]
    states = table.states[torch.from_numpy(table.at(1.0)[:, 0])]
    assert (states == states[:1]).all()
    clean = table.states[torch.from_numpy(table.at(0.0)[:, 0])]
    assert len(clean.flatten(1).unique(dim=0)) == len(clean)


def test_a_model_learns_from_it(complement: Make) -> None:
    task = complement()
    fold = task.fold(0, seed=0)
    config = FusedClassifier.Config(
        classes=task.classes,
        towers=task.towers,
        views={name: name for name in task.towers},
        fusion=LateAverage.Config(width=8, num_layers=1, num_heads=2, hidden_width=8),
    )
    model = FusedClassifier(config)
    batch = fold.train.batch(range(4), np.random.default_rng(0))
    loss = torch.nn.functional.cross_entropy(model(batch).logits, batch.labels)
    loss.backward()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_every_process_has_the_same_folds(complement: Make, redundancy: Make) -> None:
    tasks = [complement(), redundancy()]
    code = (
        "import json, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from test_complement import rows_of\n"
        "from interlingua.config import resolve, validate\n"
        "for plain in map(json.loads, sys.argv[2:]):\n"
        "    made = resolve('comparison.tasks', plain['name'])\n"
        "    task = validate(made.Config, plain, 'x').build()\n"
        "    print(json.dumps(rows_of(task.fold(1, seed=0))))\n"
    )
    here = Path(__file__).parent
    settings = [json.dumps(to_plain(task.config)) for task in tasks]
    done = subprocess.run(
        [sys.executable, "-c", code, str(here), *settings],
        env={**os.environ, "PYTHONPATH": str(here.parents[2] / "src"), "PYTHONHASHSEED": "5"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for line, task in zip(done.stdout.splitlines(), tasks, strict=True):
        assert json.loads(line) == json.loads(json.dumps(rows_of(task.fold(1, seed=0))))
    assert "computing" not in done.stderr, "the second process reads what the first computed"


def test_a_contradicting_modality_is_of_another_group(redundancy: Make) -> None:
    task = redundancy()
    fold = task.fold(2, seed=0)
    assert set(fold.contradictions) == set(task.towers) == {"picture", "text", "speech"}
    for name, one in fold.contradictions.items():
        assert (one.says[name] != fold.test.labels).all()
        for other in set(task.towers) - {name}:
            assert np.array_equal(one.says[other], fold.test.labels)
            assert np.array_equal(
                one.examples.modalities[other].variants, fold.test.modalities[other].variants
            )
        label = dict(
            zip(
                fold.test.modalities[name].variants[:, 0].tolist(),
                fold.test.labels.tolist(),
                strict=True,
            )
        )
        told = [label[row] for row in one.examples.modalities[name].variants[:, 0].tolist()]
        assert told == one.says[name].tolist(), "the label is that of the thing it was taken from"


def test_redundancy_is_tested_undamaged(redundancy: Make) -> None:
    task = redundancy()
    fold = task.fold(0, seed=0)
    for name, one in fold.test.modalities.items():
        table = task.damaged.tables[name]
        assert {level_of(table, row) for row in one.variants[:, 0]} == {0.0}
    assert fold.test.modalities["text"].mask is not None


def test_the_real_stamps_are_enough(real_data: RealData) -> None:
    real_data("stamps")
    things = spoken_things("fr")
    assert len(things) == 610
    assert len(things.groups) == 9
    counts = np.bincount(things.labels)
    assert counts.min() >= 20
    assert counts.sum() == 610
    assert sum(things.left_out.values()) == 676 - 610
