"""Whole runs, from the recipe to the folder, with small towers; slow ones with the real towers."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from interlingua.batch import Batch
from interlingua.config import to_plain
from interlingua.errors import CheckpointError, ConfigError, Interrupted, TrainingError
from interlingua.evaluate.run import evaluate_session
from interlingua.recipes import load_recipe
from interlingua.space import load
from interlingua.train.checkpoint import CheckpointStore
from interlingua.train.log import Silent
from interlingua.train.recipe import Recipe, apply_overrides, read_yaml
from interlingua.train.run_folder import RunFolder, read_lines
from interlingua.train.session import Session, open_run, prepare, resume_run, train_recipe


class At(Silent):
    """Does something once a step is done."""

    def __init__(self, step: int, action: Callable[[], None]):
        self.step, self.action = step, action
        self.works: list[str] = []

    def advance(self, step: int) -> None:
        if step == self.step:
            self.action()

    def work(self, what: str, done: int, total: int) -> None:
        self.works.append(what)


class Crash(Exception):
    """The power goes."""


def crash() -> None:
    raise Crash


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def weights(run: Path) -> Mapping[str, Tensor]:
    found: Mapping[str, Tensor] = CheckpointStore(run / "steps").load().tensors["model"]
    return found


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


def losses(run: Path) -> list[float]:
    rows = read_lines(run / "metrics.jsonl")
    return [row["loss"] for row in rows if row["kind"] == "train"]


def batch_numbers(batch: Batch) -> list[Any]:
    media = {view: (m.owner.tolist(), m.tokens.pooled.tolist()) for view, m in batch.media.items()}
    return [batch.keys, batch.component.tolist(), batch.text_id.tolist(), media]


def test_the_same_seed_gives_the_same_batches_and_weights(world: Any, tmp_path: Path) -> None:
    made = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        session = prepare(world.recipe(seed=seed), RunFolder(tmp_path / name))
        stream = session.stream_for()(session.recipe.stages[0])
        made.append([batch_numbers(stream.next()) for _ in range(5)])
        train_recipe(session.recipe, tmp_path / name)
    assert made[0] == made[1] != made[2]
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))
    assert losses(tmp_path / "a") == losses(tmp_path / "b")


def test_a_cold_cache_and_a_warm_one_give_the_same_weights(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERLINGUA_CACHE", str(tmp_path / "cache"))
    cold, warm = At(0, crash), At(0, crash)
    train_recipe(world.recipe(), tmp_path / "cold", display=cold)
    train_recipe(world.recipe(), tmp_path / "warm", display=warm)
    assert {"image features", "text features", "class names"} <= set(cold.works)
    assert warm.works == []
    assert same(weights(tmp_path / "cold"), weights(tmp_path / "warm"))


def test_training_lowers_the_loss_and_moves_every_head(world: Any, tmp_path: Path) -> None:
    stage = {"steps": 40, "batch_size": 18, "log_every": 1, "learning_rate": 1e-2}
    recipe = world.recipe(stages=[stage])
    start = prepare(recipe, RunFolder(tmp_path / "start")).model.state_dict()
    train_recipe(recipe, tmp_path / "run")
    found = losses(tmp_path / "run")
    assert found[-1] < 0.8 * found[0]
    end = weights(tmp_path / "run")
    moved = {name for name in end if not torch.equal(end[name], start[name])}
    assert {name for name in end if name.startswith("heads") and name.endswith("weight")} <= moved
    rows = read_lines(tmp_path / "run" / "metrics.jsonl")
    views = ("image", "sound", "speech", "text")
    assert set(rows[0]["parts"]) == {"-".join(pair) for pair in itertools.combinations(views, 2)}


def test_the_named_part_holds_the_class_names(world: Any, tmp_path: Path) -> None:
    session = prepare(world.recipe(), RunFolder(tmp_path / "run"))
    session.learn_names()
    classes = session.model.named_classes
    picture_tower = session.model.frozen_towers.load("image")
    assert torch.equal(classes.class_weight, picture_tower.classifier.weight)
    ids = {name: place for place, name in enumerate(("dog", "cat", "owl", "cow", "hen"))}
    text_tower = session.model.frozen_towers.load("text")

    def vector(*tokens: int) -> Tensor:
        with torch.no_grad():
            return text_tower(torch.tensor([tokens]), torch.ones(1, len(tokens)).bool()).pooled[0]

    unknown, article = 26, 24
    for place, name in enumerate(ids):  # "owl" and "owl: a owl" count the same
        expected = vector(ids[name]) + vector(ids[name], unknown, article, ids[name])
        expected = expected / expected.norm()
        assert torch.allclose(classes.name_vectors[place], expected, atol=1e-5)


def test_names_of_other_classes_are_refused(world: Any, tmp_path: Path) -> None:
    (tmp_path / "imagenet_names.json").write_text(
        json.dumps([{"lemmas": ["dog"], "definition": "a dog"}])
    )
    plain = to_plain(world.recipe().model)
    plain["named_classes"]["names"] = str(tmp_path)
    session = prepare(world.recipe(model=plain), RunFolder(tmp_path / "run"))
    with pytest.raises(ConfigError, match="names 1 classes, the tower 'image' knows 7"):
        session.learn_names()


@pytest.mark.parametrize("changes", [{}, {"named": False, "trained": ("image", "audio")}])
@pytest.mark.parametrize("action, error", [(crash, Crash), (terminate, Interrupted)])
def test_an_interrupted_run_ends_with_the_same_bits(
    world: Any, tmp_path: Path, changes: dict[str, Any], action: Any, error: type[Exception]
) -> None:
    recipe = world.recipe(**changes)
    train_recipe(recipe, tmp_path / "whole")
    with pytest.raises(error):
        train_recipe(recipe, tmp_path / "broken", display=At(5, action))
    steps = CheckpointStore(tmp_path / "broken" / "steps").steps()
    assert steps[-1] == (3 if action is crash else 5)
    session = resume_run(tmp_path / "broken")
    assert not session.model.training
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "broken"))
    assert losses(tmp_path / "whole") == losses(tmp_path / "broken")


def test_an_interruption_says_how_to_go_on(world: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(Interrupted) as raised:
        train_recipe(world.recipe(), run, display=At(2, terminate))
    assert "SIGTERM" in str(raised.value)
    assert f"interlingua train --resume {run}" in str(raised.value)
    assert raised.value.exit_code == 0


def test_a_finished_run_resumes_to_itself(world: Any, tmp_path: Path) -> None:
    train_recipe(world.recipe(), tmp_path / "run")
    metrics = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    before = weights(tmp_path / "run")
    session = resume_run(tmp_path / "run")
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == metrics
    assert same(before, dict(session.model.state_dict()))


def test_a_second_training_leaves_the_first_ones_recipe(world: Any, tmp_path: Path) -> None:
    train_recipe(world.recipe(), tmp_path / "run")
    with pytest.raises(TrainingError, match="already holds a run"):
        train_recipe(world.recipe(seed=5), tmp_path / "run")
    assert read_yaml(tmp_path / "run" / "recipe.yaml").seed == 0


def test_the_kept_recipe_runs_again_by_itself(world: Any, tmp_path: Path) -> None:
    train_recipe(world.recipe(), tmp_path / "run")
    train_recipe(read_yaml(tmp_path / "run" / "recipe.yaml"), tmp_path / "again")
    assert same(weights(tmp_path / "run"), weights(tmp_path / "again"))


def test_the_recipes_own_device_is_taken(world: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no device 'abacus'"):
        train_recipe(world.recipe(device="abacus"), tmp_path / "run")
    session = train_recipe(world.recipe(device="abacus"), tmp_path / "cpu", device="cpu")
    assert session.device == torch.device("cpu")


@pytest.mark.parametrize("how", [resume_run, open_run])
def test_a_folder_without_a_run_is_said(how: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no run here"):
        how(tmp_path)


def test_a_run_without_a_checkpoint_cant_be_opened(world: Any, tmp_path: Path) -> None:
    with pytest.raises(Crash):
        train_recipe(world.recipe(), tmp_path / "run", display=At(1, crash))
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        open_run(tmp_path / "run")


def test_opening_a_run_gives_its_model_and_its_split(world: Any, tmp_path: Path) -> None:
    trained = train_recipe(world.recipe(), tmp_path / "run")
    opened = open_run(tmp_path / "run", device="cpu")
    assert [s.key for s in opened.corpus.held_out] == [s.key for s in trained.corpus.held_out]
    assert same(dict(opened.model.state_dict()), dict(trained.model.state_dict()))
    assert not opened.model.training


def test_a_tower_is_trained_end_to_end_saved_and_loaded(world: Any, tmp_path: Path) -> None:
    """Pictures of a folder with captions, an EfficientNet with random weights, words frozen."""
    recipe = pictures_recipe(world, tmp_path / "pictures")
    start = prepare(recipe, RunFolder(tmp_path / "start")).model.state_dict()
    session = train_recipe(recipe, tmp_path / "run")
    end = weights(tmp_path / "run")
    convolutions = [n for n in end if n.startswith("towers.image.blocks") and end[n].ndim == 4]
    assert len(convolutions) > 10
    assert all(not torch.equal(end[name], start[name]) for name in convolutions)
    assert not any(name.startswith("towers.text") for name in end)
    space = load(tmp_path / "run", device="cpu", precision="fp32")
    picture = tmp_path / "pictures" / "owl.png"
    vectors = space.embed([picture, "a owl"])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    again = open_run(tmp_path / "run").model
    assert same(dict(again.state_dict()), dict(session.model.state_dict()))
    figures = evaluate_session(session).figures
    assert {row["n"] for row in figures["seen"]} == {12}


def test_damage_among_what_is_decoded_is_skipped_and_written_down(
    world: Any, tmp_path: Path
) -> None:
    recipe = pictures_recipe(world, tmp_path / "pictures")
    (tmp_path / "pictures" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "pictures" / "bad.txt").write_text("a pot")
    train_recipe(recipe, tmp_path / "run")
    rows = read_lines(tmp_path / "run" / "errors.jsonl")
    assert {Path(row["key"]).name for row in rows} == {"bad.png"}
    assert len(rows) == 2  # once an epoch


def pictures_recipe(world: Any, folder: Path) -> Recipe:
    folder.mkdir()
    for name in (
        "dog",
        "cat",
        "owl",
        "cow",
        "hen",
        "pig",
        "fox",
        "bat",
        "ant",
        "bee",
        "car",
        "van",
    ):
        (folder / f"{name}.png").write_bytes((world.things / f"{name}.png").read_bytes())
        (folder / f"{name}.txt").write_text(f"a {name}\n{name}\n")
    recipe: Recipe = world.recipe(trained=("image",), named=False)
    return apply_overrides(
        recipe,
        [
            f"data.sources=[{{source: {{name: folder, path: '{folder}'}}}}]",
            "data.split=null",
            "model.views={image: image, text: text}",
            "stages.heads.steps=4",
            "stages.heads.batch_size=7",
        ],
    )


def test_a_tower_that_nothing_needs_is_never_loaded(world: Any, tmp_path: Path) -> None:
    recipe = pictures_recipe(world, tmp_path / "pictures")
    plain = to_plain(recipe.model)
    plain["towers"]["audio"]["weights"] = "no-such-weights"
    plain["views"] = {"image": "image", "text": "text", "sound": "audio", "speech": "audio"}
    changed = apply_overrides(recipe, [f"model={json.dumps(plain)}"])
    session = train_recipe(changed, tmp_path / "run")
    assert set(evaluate_session(session).figures) == {"format_version", "counts", "seen"}


def test_the_log_scale_stays_below_its_maximum(world: Any, tmp_path: Path) -> None:
    plain = to_plain(world.recipe().model)
    recipe = world.recipe(model={**plain, "initial_scale": 30, "max_scale": 30.0})
    session: Session = train_recipe(recipe, tmp_path / "run")
    assert session.model.log_scale.exp().item() <= 30.001


@pytest.fixture
def demo_parts(real_weights: Any, real_data: Any) -> None:
    for name in ("minilm", "efficientnet-lite0", "whisper-tiny.en", "imagenet-names"):
        real_weights(name)
    real_data("stamps")


@pytest.mark.slow
def test_the_real_recipe_resumes_to_the_same_bits(demo_parts: None, tmp_path: Path) -> None:
    overrides = ["stages.heads.steps=8", "stages.heads.checkpoint_every=3",
                 "stages.heads.warmup_steps=2", "stages.heads.batch_size=200"]  # fmt: skip
    recipe = apply_overrides(load_recipe("demo", tiny=True), overrides)
    train_recipe(recipe, tmp_path / "whole")
    for name, action, error in (("a", crash, Crash), ("b", terminate, Interrupted)):
        with pytest.raises(error):
            train_recipe(recipe, tmp_path / name, display=At(5, action))
        resume_run(tmp_path / name)
        assert same(weights(tmp_path / "whole"), weights(tmp_path / name))
    heads = {name.split(".")[0] for name in weights(tmp_path / "whole")}
    assert heads == {"heads", "log_scale", "named_classes"}


@pytest.mark.slow
def test_real_unseen_languages_are_not_in_training(demo_parts: None, tmp_path: Path) -> None:
    session = prepare(load_recipe("demo", tiny=True), RunFolder(tmp_path))
    train = {part.language for s in session.corpus.train for part in s.alternatives("speech")}
    heard = {p.language for s in session.corpus.unseen_language for p in s.alternatives("speech")}
    assert "da" not in train and len(train) > 5
    assert heard == {"da"}
    held_out = {sample.meta.component for sample in session.corpus.held_out}
    assert len(session.corpus.held_out) == 200
    assert not held_out & {sample.meta.component for sample in session.corpus.train}


def test_no_two_of_the_made_up_things_are_one(world: Any, tmp_path: Path) -> None:
    """Else the splits of these tests would show little."""
    session = prepare(world.recipe(), RunFolder(tmp_path))
    samples = [*session.corpus.train, *session.corpus.held_out]
    assert len({sample.meta.component for sample in samples}) == len(samples) == 24
