from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch

from interlingua.sample import Text
from interlingua.train.drawn_features import DrawnFeatures
from interlingua.train.dry_run import DryRun, dry_run, room_for_checkpoints
from interlingua.train.prefetch import Prefetched
from interlingua.train.run_folder import RunFolder
from interlingua.train.session import prepare, train_recipe
from interlingua.train.stage_trial import _estimate, _step_seconds

STAGES = [
    {"name": "heads", "steps": 6, "batch_size": 10, "learning_rate": 3e-3, "ema": 0.9},
    {"name": "all", "steps": 400, "batch_size": 18, "accumulate": 2, "learning_rate": 1e-3},
]


@pytest.fixture(scope="module")
def found(shared_world: Any, tmp_path_factory: pytest.TempPathFactory) -> DryRun:
    """A dry run of two stages; two towers are trained, the one of sounds is frozen."""
    folder = tmp_path_factory.mktemp("scratch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTERLINGUA_CACHE", str(shared_world.cache))
        patch.setattr(tempfile, "tempdir", str(folder))
        data = {"sources": [{"source": shared_world.source(damaged=True)}]}
        recipe = shared_world.recipe(
            trained=("image", "text"), named=False, stages=STAGES, data=data
        )
        before = sorted(shared_world.cache.rglob("*"))
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # tensors this small only wait for a second one
        found = dry_run(recipe, processes=2)
        torch.set_num_threads(threads)
        assert sorted(shared_world.cache.rglob("*")) == before
    assert list(folder.iterdir()) == []
    return found


def test_the_first_batch_is_that_of_the_run(world: Any, tmp_path: Path) -> None:
    recipe = world.recipe(trained=("image", "text"), named=False)
    session = prepare(recipe, RunFolder(tmp_path / "run"))
    stream = session.stream_for()(recipe.stages[0])
    real = (stream.inner if isinstance(stream, Prefetched) else stream).next()
    tried = dry_run(recipe).stages[0].batch
    assert tried.keys == real.keys
    assert tried.component.equal(real.component)
    assert tried.media.keys() == real.media.keys() == {"image", "text", "sound", "speech"}
    for view in ("image", "text"):
        assert tried.media[view].values.equal(real.media[view].values)
    for view in ("sound", "speech"):
        assert tried.media[view].owner.equal(real.media[view].owner)
        mine, its = tried.media[view].tokens.pooled, real.media[view].tokens.pooled
        torch.testing.assert_close(mine, its, rtol=1e-4, atol=1e-5)


def test_what_is_measured(found: DryRun) -> None:
    heads, everything = found.stages
    assert found.counts == {"train": 25}
    assert heads.stage.batch_size == 5  # the share of one of two processes
    assert heads.epochs == pytest.approx(6 / 5)
    # one of the five pictures is damaged
    assert [size.shape for size in heads.inputs if size.view == "image"] == [(4, 3, 32, 32)]
    assert heads.outputs["heads.text"] == "5 x 12 float32"
    assert "vectors image 4 x 12 float32" in heads.outputs["model"]
    assert everything.stage.batch_size == 9  # 25 samples in 3 batches
    assert everything.outputs["towers.image"].startswith("states 8 x 1 x 1280 float32; pooled")
    assert math.isfinite(heads.loss)
    assert 0 < heads.step_seconds < heads.seconds < everything.seconds
    assert heads.peak_memory >= heads.memory_before > 1e6
    assert found.seconds > everything.seconds
    assert found.memory[0] > 0


def test_bytes_are_counted_exactly(found: DryRun) -> None:
    heads, everything = found.stages
    parameters = sum(trained for _, trained in found.parameters.values())
    assert parameters == sum(
        every for part, (every, _) in found.parameters.items() if "frozen" not in part
    )
    assert heads.held.gradients == heads.held.average == 4 * parameters
    assert heads.held.optimizer == 8 * parameters
    assert everything.held.average == 0
    assert heads.held.total == heads.held.weights + 16 * parameters
    assert found.parameters["audio, frozen"] == (7776, 0)


def test_a_checkpoint_is_as_large_as_foretold(world: Any, tmp_path: Path) -> None:
    stages = [{"name": "all", "steps": 2, "batch_size": 12, "ema": 0.9}]
    recipe = world.recipe(trained=("image",), named=False, stages=stages)
    foretold = dry_run(recipe)
    train_recipe(recipe, tmp_path / "run")
    (step,) = (tmp_path / "run" / "steps").glob("step-*")
    tensors = sum(file.stat().st_size for file in step.glob("*.safetensors"))
    assert foretold.checkpoint_bytes == pytest.approx(tensors, rel=0.1)
    needed, free = room_for_checkpoints(foretold, tmp_path / "not" / "there")
    assert needed == 4 * foretold.checkpoint_bytes
    assert free > 1e6


def test_frozen_towers_are_measured(found: DryRun) -> None:
    fills = {fill.view: fill for fill in found.fills}
    assert fills.keys() == {"sound", "speech"}
    assert (fills["sound"].media, fills["speech"].media) == (8, 72)
    assert all(fill.rate > 0 and fill.seconds > 0 for fill in fills.values())
    assert found.frozen_seconds == pytest.approx(sum(fill.seconds for fill in found.fills))


def test_damaged_media_are_told(found: DryRun) -> None:
    assert set(found.damaged) == {"damaged"}


def test_what_the_towers_see_is_kept_for_a_look(found: DryRun) -> None:
    heads = found.stages[0]
    batch = heads.batch.media
    for one, pixels in zip(heads.seen["image"], batch["image"].values, strict=True):
        assert one.values.equal(pixels)
    speech = heads.seen["speech"][0]
    assert speech.values.shape[0] == 8  # mels, without padding
    assert speech.part.view == "speech"


class TowerOfOnes:
    """In place of a frozen tower: one batch is one call."""

    calls = 0

    def __call__(self, chunk: Any) -> torch.Tensor:
        self.calls += 1
        return torch.full((len(chunk), 3), float(self.calls))


def drawn(world: Any, seconds: float) -> tuple[DrawnFeatures, TowerOfOnes]:
    from interlingua.data.errors_log import SkipLog
    from interlingua.towers.tower import TextPreprocess

    texts = [Text(f"a {name}") for name in ("dog", "cat", "owl", "cow")] * 50
    preprocess = TextPreprocess(tokenizer=str(world.folder / "tokenizer.json"))
    tower = TowerOfOnes()
    features = DrawnFeatures(texts, preprocess, lambda: tower, 3, SkipLog(), max_seconds=seconds)
    return features, tower


def test_equal_texts_share_a_row(world: Any) -> None:
    features, tower = drawn(world, 60)
    table = features.table()
    assert table.rows.tolist() == [0, 1, 2, 3] * 50
    assert table.values[table.rows[:8]].shape == (8, 3)
    assert (features.computed, features.distinct, tower.calls) == (4, 4, 1)
    assert features.asked == [0, 1, 2, 3, 0, 1, 2, 3]
    assert [features.shown[row].tolist() for row in (0, 1)] == [[24, 0], [24, 1]]
    table.values[torch.tensor([3, 3])]
    assert tower.calls == 1


def test_a_slow_tower_lends_its_rows(world: Any) -> None:
    features, tower = drawn(world, 0)
    features.parts = [Text("dog " * number) for number in range(1, 201)]
    values = features.table().values[torch.arange(200)]
    assert tower.calls == 1
    assert features.computed == 64  # a batch of the plan
    assert values.eq(1).all()


def test_a_stage_is_estimated_from_its_parts(found: DryRun) -> None:
    trial = found.stages[1]  # 400 steps of 2 batches, 3 batches an epoch
    trial.step_seconds, trial.batch_seconds, trial.again_seconds = 1.0, 10.0, 0.1
    epoch = trial.batches_per_epoch
    assert epoch == 3
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    again = 10.0 * epoch + 0.1 * (800 - epoch)
    assert _estimate(trial, cpu, ahead=True, keeps=True) == pytest.approx(400 + again)
    assert _estimate(trial, cuda, ahead=True, keeps=True) == pytest.approx(400)
    assert _estimate(trial, cuda, ahead=True, keeps=False) == pytest.approx(8000)
    assert _estimate(trial, cuda, ahead=False, keeps=False) == pytest.approx(8400)
    # the first step allocates; two batches each
    assert _step_seconds([0, 1, 5, 6, 7, 8, 9, 10], 2) == 2
    assert _step_seconds([0, 5], 1) == 5
    assert _step_seconds([0], 1) == 0


LITTLE_MEMORY = """
import resource, sys
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
import tiny_recipe
from pathlib import Path
from interlingua.errors import TrainingError
from interlingua.train.dry_run import dry_run

world = tiny_recipe.World(Path(sys.argv[2]))
recipe = world.recipe(trained=("image", "text"), named=False, stages=[
    {"name": "all", "steps": 2, "batch_size": 18}])
tower = recipe.model.towers["image"].tower.model_copy(update={"image_size": 640})
use = recipe.model.towers["image"].model_copy(update={"tower": tower})
towers = {**recipe.model.towers, "image": use}
recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update={"towers": towers})})
with open("/proc/self/statm") as file:
    present = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (present + 600_000_000, -1))
try:
    dry_run(recipe)
except TrainingError as error:
    print(error)
    sys.exit(7)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux' own")
def test_too_little_memory_is_told_with_the_sizes(world: Any) -> None:
    tests = Path(__file__).resolve().parents[1]
    ended = subprocess.run(
        [sys.executable, "-c", LITTLE_MEMORY, str(tests), str(world.folder)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 7, ended.stderr
    assert "There is not enough memory on cpu for batches of 18" in ended.stdout
    assert "image 18 x 3 x 640 x 640 uint8" in ended.stdout
    assert "weights 1.1 MB; gradients 1.0 MB" in ended.stdout
    assert "stages.all.micro_batch=9" in ended.stdout
