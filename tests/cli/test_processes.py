"""`interlingua train --processes 2`: real torchrun, real processes, one run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from interlingua.cli.processes import start
from interlingua.errors import ConfigError
from interlingua.train.checkpoint import CheckpointStore
from interlingua.train.recipe import to_yaml
from interlingua.train.run_folder import read_lines
from interlingua.train.session import open_run, train_recipe

TESTS = Path(__file__).resolve().parents[1]


def interlingua(*arguments: Any) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, which may become torchrun."""
    return subprocess.run(
        [sys.executable, "-m", "interlingua", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def losses(run: Path) -> list[float]:
    return [row["loss"] for row in read_lines(run / "metrics.jsonl") if row["kind"] == "train"]


def test_within_torchrun_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="torchrun started this"):
        start(2, ["train", "demo"])


@pytest.mark.slow
@pytest.mark.parametrize("distributed", ["ddp", "fsdp2"])
def test_two_processes_of_one_command(world: Any, tmp_path: Path, distributed: str) -> None:
    """A whole run: features, heads, a decoded tower, report; then it goes on in one process."""
    recipe = world.recipe(
        named=False, trained=("image",), stages=[
            {"steps": 4, "batch_size": 10, "log_every": 1, "checkpoint_every": 2, "ema": 0.9}
        ], distributed=distributed,
    )  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(to_yaml(recipe))
    run = tmp_path / "run"
    ended = interlingua("train", tmp_path / "recipe.yaml", "--processes", 2, "--out", run)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("interlingua eval") == 1, "one process speaks"
    assert len(losses(run)) == 4
    assert (run / "report.html").exists()
    assert CheckpointStore(run / "steps").load().state["processes"] == 2
    again = interlingua("train", "--resume", run)
    assert again.returncode == 0, again.stderr
    assert not open_run(run).model.training


@pytest.mark.slow
def test_heads_on_cached_features_train_alike(world: Any, tmp_path: Path) -> None:
    """The towers' features come from the cache, so that everything is equal but the sums' order."""
    stage = {"steps": 6, "batch_size": 10, "log_every": 1}
    recipe = world.recipe(stages=[stage])
    plain = recipe.model_dump()
    for tower in plain["model"]["towers"].values():
        tower["head"]["dropout"] = 0.0
    recipe = type(recipe).model_validate(plain)
    (tmp_path / "recipe.yaml").write_text(to_yaml(recipe))
    train_recipe(recipe, tmp_path / "one")
    ended = interlingua(
        "train", tmp_path / "recipe.yaml", "--processes", 2, "--out", tmp_path / "two"
    )
    assert ended.returncode == 0, ended.stderr
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-5)
