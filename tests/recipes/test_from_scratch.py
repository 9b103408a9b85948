"""Recipes of dual encoders and of towers alone: complete, of the published sizes, and they run."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from interlingua.cli.demo import finish
from interlingua.evaluate.run import evaluate_session
from interlingua.evaluate.tower_alone import held_out_losses
from interlingua.index.build import build_index
from interlingua.index.table import Index
from interlingua.recipes import TABLE, load_recipe
from interlingua.recipes.towers_alone import STAMP_CLASSES
from interlingua.sample import Text
from interlingua.space import load
from interlingua.towers.vit import ViT
from interlingua.train.recipe import Recipe, apply_overrides, from_yaml, to_yaml
from interlingua.train.run_folder import RunFolder, read_lines
from interlingua.train.session import open_run, prepare, resume_run, train_recipe

MODULES = ("clip", "siglip", "align", "lit", "towers_alone")
NAMES = sorted(n for n, path in TABLE.items() if path.split(":")[0].split(".")[-1] in MODULES)
SMALL = ("align", "aligned", "clip", "clip_small_first", "siglip")
PUBLISHED = {  # parameters, as the checkpoints of transformers have them
    "clip_b32": 151_277_313, "clip_b16": 149_620_737, "clip_l14": 427_616_513,
    "siglip_b16": 203_155_970, "siglip_l16": 652_150_786, "siglip_so400m": 877_415_602,
    "align_b7": 172_117_841 - (768 * 768 + 768),  # BERT's pooler is not built
}  # fmt: skip


def write_clip_tokenizer(world: Any) -> Path:
    """The words of ``tiny_recipe`` between CLIP's marks, at CLIP's own numbers."""
    path: Path = world.folder / "clip_tokenizer.json"
    known = Tokenizer.from_file(str(world.folder / "tokenizer.json")).get_vocab()
    start, end = ("<|startoftext|>", 49_406), ("<|endoftext|>", 49_407)
    tokenizer = Tokenizer(models.WordLevel({**known, **dict((start, end))}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start[0]} $A {end[0]}", special_tokens=[start, end]
    )
    tokenizer.save(str(path))
    return path


def offline(name: str, world: Any, *overrides: str) -> Recipe:
    """The tiny variant on things of this folder, their tokenizer and, where it is frozen, tower."""
    recipe = load_recipe(name, tiny=True)
    changes: dict[str, Any] = {
        "data.sources": [{"source": world.source()}],
        "data.split": {"source": "things", "held_out": 6, "seed": 1},
        "evaluation": {"bootstrap": 20, "ks": [1, 2, 3]},
        "device": "cpu",
        "precision": "fp32",
        "distributed": "ddp",
    }
    towers = recipe.model.towers
    if "text" in towers:
        is_clip = getattr(towers["text"].tower, "pooling", "") == "end"
        tokenizer = write_clip_tokenizer(world) if is_clip else world.folder / "tokenizer.json"
        changes["model.towers.text.tower.tokenizer"] = str(tokenizer)
    if "image" in towers and towers["image"].frozen:
        use = world.tower("image")
        changes["model.towers.image.tower"] = use["tower"]
        changes["model.towers.image.weights"] = use["weights"]
    if recipe.model.name == "classifier":
        changes["model.classes"] = ["animals", "things"]
    if filters := [one for one in recipe.data.filters if one.name != "size"]:
        changes["data.filters"] = [
            {"name": one.name} for one in filters if one.name != "text_length"
        ]
    texts = [
        f"{key}={yaml.safe_dump(value, default_flow_style=True)}" for key, value in changes.items()
    ]
    return apply_overrides(recipe, [*texts, *overrides])


@pytest.mark.parametrize("tiny", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_it_survives_as_yaml_and_says_what_it_is(name: str, tiny: bool) -> None:
    recipe = load_recipe(name, tiny=tiny)
    assert recipe.name == name and from_yaml(to_yaml(recipe)) == recipe
    for word in ("Source:", "Cost:", "Expected:", f"Command: ``interlingua train {name}"):
        assert word in recipe.description, word
    assert re.search(r"\b(19|20)\d\d\b", recipe.description), "a source has a year"
    if tiny:
        assert sum(stage.steps for stage in recipe.stages) <= 20


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_sizes(name: str) -> None:
    with torch.device("meta"):
        model = load_recipe(name).model.build()
    assert sum(one.numel() for one in model.parameters()) == PUBLISHED[name]


@pytest.mark.parametrize("name", NAMES)
def test_tiny_runs_and_measures(name: str, world: Any, tmp_path: Path) -> None:
    recipe = offline(name, world)
    session = train_recipe(recipe, tmp_path / "run")
    rows = read_lines(tmp_path / "run" / "metrics.jsonl")
    steps = [row for row in rows if row["kind"] == "train"]
    assert len(steps) == sum(stage.steps for stage in recipe.stages)
    assert all(row["loss"] > 0 and row["skipped_steps"] == 0 for row in steps)
    if recipe.model.name == "dual_encoder":
        figures = evaluate_session(session).figures
        assert "held_out_losses" not in figures
        directions = {(row["query"], row["gallery"]) for row in figures["held_out"]}
        assert directions == {("text", "image"), ("image", "text")}
        assert figures["held_out"][0]["n"] == 6
        return
    losses = finish(open_run(tmp_path / "run"))["held_out_losses"]
    assert losses["n"] == 6
    for part in steps[-1]["parts"]:
        assert losses[part]["counted"] > 0 and np.isfinite(losses[part]["value"])
    assert losses == evaluate_session(open_run(tmp_path / "run")).figures["held_out_losses"]
    assert (tmp_path / "run" / "report.html").exists()


def test_accuracy_has_its_interval_and_what_guessing_gets(world: Any, tmp_path: Path) -> None:
    session = train_recipe(offline("picture_classes", world), tmp_path / "run")
    accuracy = held_out_losses(session, session.corpus.held_out)["accuracy"]
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"] and accuracy["counted"] == 6
    groups = Counter(one.meta.group.split("/")[0] for one in session.corpus.held_out)
    assert accuracy["majority"] == max(groups.values()) / 6
    animals = [one for one in session.corpus.held_out if one.meta.group.startswith("animals")]
    assert held_out_losses(session, animals) == {}  # one class: nothing is told apart


def test_a_run_is_measured_reported_and_searched(world: Any, tmp_path: Path) -> None:
    run = tmp_path / "run"
    session = train_recipe(offline("clip", world), run)
    finish(open_run(run))
    assert "modified_resnet" in (run / "report.html").read_text()
    space = load(run, device="cpu", precision="fp32")
    assert space.embed(texts=["a dog", "a cat"]).shape == (2, session.recipe.model.width)
    build_index(tmp_path / "index", space, session.recipe.data.sources[0].source.build())
    index = Index.open(tmp_path / "index", space.id)
    hits = index.search(space.embed(texts="a dog")[0], 3, kinds=["image"])
    assert [hit.kind for hit in hits] == ["image"] * 3


def test_stages_go_from_small_to_large(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = offline("clip_small_first", world)
    assert [stage.model for stage in recipe.stages] == [
        {"image": {"image_size": 32, "patch_dropout": 0.5}}, {},
    ]  # fmt: skip
    sides: list[int] = []
    forward = ViT.forward

    def watched(self: ViT, values: torch.Tensor, *arguments: Any, **options: Any) -> Any:
        sides.append(values.shape[-1])
        return forward(self, values, *arguments, **options)

    monkeypatch.setattr(ViT, "forward", watched)
    session = train_recipe(recipe, tmp_path / "run")
    assert sides == [32] * recipe.stages[0].steps + [64] * recipe.stages[1].steps
    assert session.model.preprocess("image").size == 64
    assert session.model.towers["image"].patch_dropout == 0


def test_augmented_training_resumes_exactly(world: Any, tmp_path: Path) -> None:
    """Crops, colours and dropped tokens come again after an interruption."""
    change = ("data.augment.token_dropout=0.3", "stages.train.checkpoint_every=5")
    recipe = offline("clip", world, *change)
    assert recipe.data.augment.crops and recipe.data.augment.colours
    whole = train_recipe(recipe, tmp_path / "whole").model.state_dict()
    train_recipe(recipe, tmp_path / "broken")
    steps = sorted((tmp_path / "broken" / "steps").glob("step-*"))
    for later in steps[1:]:
        later.rename(tmp_path / later.name)
    resumed = resume_run(tmp_path / "broken").model.state_dict()
    assert len(steps) > 1
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_tower_that_learned_alone_is_aligned(world: Any, tmp_path: Path) -> None:
    """``weights export`` of each tower, then ``aligned`` from them."""
    from interlingua.models.pretrained import save_pretrained

    overrides = []
    for name, view in (("picture_patches", "image"), ("caption_words", "text")):
        session = train_recipe(offline(name, world), tmp_path / name)
        save_pretrained(session.model, tmp_path / view, layout="interlingua", part=f"towers.{view}")
        overrides.append(f"model.towers.{view}.weights={tmp_path / view}")
    recipe = offline("aligned", world, *overrides)
    model = recipe.model.build()
    alone = session.model.state_dict()
    for key in (key for key in alone if key.startswith("towers.text.")):
        assert torch.equal(model.state_dict()[key], alone[key])
    session = train_recipe(recipe, tmp_path / "aligned")
    heads = list(read_lines(tmp_path / "aligned" / "metrics.jsonl"))
    assert {row["stage"] for row in heads} == {"heads", "all"}
    assert evaluate_session(session).figures["held_out"]


def test_a_lone_pair_trains_to_nothing(world: Any, tmp_path: Path) -> None:
    """A batch of one has nothing to contrast with."""
    recipe = offline("aligned", world, "stages.all.batch_size=1", "stages.heads.batch_size=1")
    train_recipe(recipe, tmp_path / "run")
    rows = read_lines(tmp_path / "run" / "metrics.jsonl")
    assert {row["loss"] for row in rows if row["kind"] == "train"} == {0.0}


def test_equal_captions_are_no_negatives(world: Any, tmp_path: Path) -> None:
    recipe = offline("aligned", world, "data.split=null")
    session = prepare(recipe, RunFolder(tmp_path / "same"))
    session.corpus.train = [
        replace(one, parts=(*(part for part in one.parts if part.view == "image"), Text("a dog")))
        for one in session.corpus.train
    ]
    batch = session.stream_for()(recipe.stages[0]).next()
    loss = recipe.objectives["contrastive"].objective.build()(session.model(batch), batch)
    assert len(batch) > 5 and float(loss.total.detach()) == pytest.approx(0.0, abs=1e-6)
    loss.total.backward()


def test_the_classes_of_the_stamps_are_in_order() -> None:
    assert len(set(STAMP_CLASSES)) == len(STAMP_CLASSES) >= 20


def test_every_recipe_explains_its_first_line() -> None:
    for name in NAMES:
        first = (inspect.cleandoc(load_recipe(name).description)).splitlines()[0]
        assert first.endswith(".") and len(first) < 100
