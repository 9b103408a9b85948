from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from interlingua.errors import Interrupted
from interlingua.recipes import TABLE
from interlingua.train.checkpoint import CheckpointStore
from interlingua.train.log import Silent
from interlingua.train.recipe import Recipe, apply_overrides
from interlingua.train.session import train_recipe
from interlingua.train.source_batches import SourceBatches


def test_without_a_recipe(interlingua) -> None:
    ended = interlingua("train")
    assert ended.code == 2
    assert "recipes list" in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["demo"], ["demo", "seed=2"], ["--tiny"], ["--out", "elsewhere"], ["--dry-run"],
        ["demo", "--processes", 2],
    ],
)  # fmt: skip
def test_a_resumed_run_keeps_its_recipe(interlingua, arguments, tmp_path: Path) -> None:
    ended = interlingua("train", *arguments, "--resume", tmp_path)
    assert ended.code == 2
    assert "keeps its own recipe" in ended.err


class StopAt(Silent):
    """SIGTERM, as it were, once a step is done."""

    def __init__(self, step: int):
        self.step = step

    def advance(self, step: int) -> None:
        if step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def streaming(world: Any, workers: int) -> Recipe:
    """Pictures and words, both towers trained, over more than one epoch."""
    recipe: Recipe = world.recipe(
        trained=("image", "text"),
        named=False,
        stages=[{"steps": 6, "batch_size": 7, "log_every": 1}],
        data={"sources": [{"source": world.source()}], "stream": {"workers": workers}},
    )
    return apply_overrides(recipe, ["model.views={image: image, text: text}"])


def test_resumed_with_another_number_of_workers(
    interlingua, world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 -> 2 threads that decode, by the command: the weights of an unbroken run, bit for bit."""
    threads: list[int] = []
    begin = SourceBatches.__init__

    def noted(self: SourceBatches, *arguments: Any, **options: Any) -> None:
        threads.append(options["threads"])
        begin(self, *arguments, **options)

    monkeypatch.setattr(SourceBatches, "__init__", noted)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train_recipe(streaming(world, 1), whole)
    with pytest.raises(Interrupted):
        train_recipe(streaming(world, 1), broken, display=StopAt(3))
    assert CheckpointStore(broken / "steps").load().step == 3
    ended = interlingua("train", "--resume", broken, "--workers", 2)
    assert ended.code == 0, ended.err
    assert threads == [1, 1, 2]
    first, second = (CheckpointStore(run / "steps").load() for run in (whole, broken))
    assert (second.step, second.digests) == (6, first.digests)
    for name, value in first.tensors["model"].items():
        assert torch.equal(value, second.tensors["model"][name]), name


def test_workers_where_there_can_be_none(interlingua, finished_run: Path, tmp_path: Path) -> None:
    ended = interlingua("train", "--resume", finished_run, "--workers", 2)
    assert ended.code == 2
    assert "data.stream" in ended.err and "Leave out the number" in ended.err
    ended = interlingua("train", "demo", "--workers", 2, "--out", tmp_path / "run")
    assert ended.code == 2
    assert "data.stream.workers=2" in ended.err
    assert not (tmp_path / "run").exists()


def test_an_unknown_recipe(interlingua) -> None:
    ended = interlingua("train", "no-such-recipe")
    assert ended.code == 2
    assert "no-such-recipe" in ended.err


def test_a_dry_run_tells_shapes_memory_and_time_and_leaves_a_page(
    interlingua, world, tmp_path: Path
) -> None:
    from interlingua.train.recipe import to_yaml

    recipe, out = tmp_path / "mine.yaml", tmp_path / "runs" / "mine"
    recipe.write_text(to_yaml(world.recipe(trained=("image",), named=False)))
    ended = interlingua("train", recipe, "--dry-run", "--processes", 2, "--out", out, "seed=11")
    assert ended.code == 0, ended.err
    rows = {" ".join(line.split()) for line in ended.out.splitlines()}
    assert "samples 18 to train on, 6 held out, 18 in unseen languages" in rows
    assert "steps 6 of 5 samples, 1.5 epochs" in rows
    assert "in image 5 x 3 x 32 x 32 uint8, 15 kB" in rows
    assert "out heads.text: 5 x 12 float32" in rows
    assert any("one of 2 processes, on its share" in row for row in rows)
    assert any(row.startswith("parameters towers.image: 234,791, all trained") for row in rows)
    assert any(row.startswith("memory") and "AdamW's moments" in row for row in rows)
    assert any(row.startswith("time about") for row in rows)
    assert "Nothing was trained" in ended.err
    page = out.with_name("mine-first-batch.html")
    assert [*out.parent.iterdir()] == [page]
    text = page.read_text("utf-8")
    assert text.count('class="card"') == 5
    assert 'data-sound="s' in text  # speech can be listened to
    assert "234,791" in text


def test_a_dry_run_refuses_what_the_run_would_refuse(interlingua, world, tmp_path: Path) -> None:
    from interlingua.train.recipe import to_yaml

    recipe = tmp_path / "mine.yaml"
    recipe.write_text(to_yaml(world.recipe(named=False)))
    assert interlingua("train", recipe, "--dry-run", "--out", tmp_path).code == 2
    change = 'stages.heads.trainable=[["no.such.part", 1.0]]'
    ended = interlingua("train", recipe, "--dry-run", "--out", tmp_path / "run", change)
    assert ended.code == 2
    assert "no.such.part" in ended.err


@pytest.mark.parametrize("name", TABLE)
def test_a_folder_that_holds_something_is_refused(interlingua, name: str, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    ended = interlingua("train", name, "--tiny", "--out", tmp_path)
    assert ended.code == 2
    assert f"--resume {tmp_path}" in ended.err
    assert (tmp_path / "mine.txt").read_text() == "keep me"


@pytest.mark.parametrize("name", TABLE)
def test_an_absent_device_is_refused_before_anything_starts(
    interlingua, name: str, tmp_path: Path
) -> None:
    ended = interlingua("train", name, "--tiny", "--out", tmp_path / "run", "--device", "abacus")
    assert ended.code == 2
    assert "abacus" in ended.err
    assert not (tmp_path / "run").exists()
