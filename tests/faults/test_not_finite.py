"""NaN and infinity in a batch, in the weights, in the media: nothing of them is kept, all is named.

Losses and gradients that are not finite: tests/train/test_loop.py; in one of many processes:
tests/train/test_many_processes.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from interlingua.content import FileContent
from interlingua.data.errors_log import SkipLog
from interlingua.errors import TrainingError
from interlingua.objectives.contrastive import PairwiseContrastive
from interlingua.sample import Audio, Image
from interlingua.train.checkpoint import CheckpointStore
from interlingua.train.feature_cache import FeatureCache
from interlingua.train.loop import fit
from interlingua.train.not_finite import Buffers, spoiled
from interlingua.train.run_folder import RunFolder, read_lines
from interlingua.train.stages import Stage
from tests.faults.tally import Tally
from tests.train import tiny_training
from tests.train.tiny_training import WIDTH, Outputs, TinyImageTower, TinyModel, TinySoundTower

MakeFolder = Callable[[str], Path]
BAD = [math.nan, math.inf, -math.inf]


class NormedModel(nn.Module):
    """Two heads with BatchNorm, whose forward moves running averages."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(
            {
                view: nn.Sequential(nn.Linear(WIDTH, 8), nn.BatchNorm1d(8))
                for view in ("image", "sound")
            }
        )
        self.log_scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, batch: Any, needs: frozenset[str] = frozenset()) -> Outputs:
        vectors = {
            view: functional.normalize(self.heads[view](media.tokens.pooled), dim=1)
            for view, media in batch.media.items()
        }
        return Outputs(vectors, {v: m.owner for v, m in batch.media.items()}, self.log_scale.exp())


def fit_with(
    folder: Path, model: nn.Module, bad_batches: Mapping[int, float] | None = None, **stage: Any
) -> Any:
    """Train; the n-th batch has the value in one number of one picture's features."""
    features = tiny_training.fill(folder / "media", folder / "cache")
    plan = Stage(steps=6, batch_size=12, log_every=1, checkpoint_every=1, **stage)

    def stream(stage: Stage) -> Any:
        made = tiny_training.batches(features, stage)
        honest, number = made.next, iter(range(1, 100))

        def ask() -> Any:
            batch, at = honest(), next(number)
            if bad_batches and at in bad_batches:
                batch.media["image"].tokens.pooled[3, 5] = bad_batches[at]
            return batch

        made.next = ask
        return made

    objective = PairwiseContrastive(PairwiseContrastive.Config())
    return fit(
        model, {"contrastive": (objective, 1.0)}, [plan], stream, RunFolder(folder / "run", keep=9),
        max_skipped_in_a_row=3,
    )  # fmt: skip


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("make", [TinyModel, NormedModel])
def test_in_a_batch_it_leaves_no_trace(
    tiny_folder: MakeFolder, tally: Tally, make: type[nn.Module], value: float
) -> None:
    folder = tiny_folder("batch")
    with tally.trial("not finite, in a batch", f"{value} for {make.__name__}"):
        result = fit_with(folder, make(), {3: value, 4: value})
        assert (result.finished, result.skipped_steps) == (True, 2)
        store = CheckpointStore(folder / "run" / "steps", keep=9)
        before, after = store.load(2), store.load(4)
        for group in ("model", "optimizer"):  # running averages are in the model
            assert before.digests[group] == after.digests[group]
        assert store.load(5).digests["model"] != before.digests["model"]
        errors = read_lines(folder / "run" / "errors.jsonl")
        assert [row["step"] for row in errors] == [3, 4]
        assert all(len(row["keys"]) == 12 for row in errors)


def test_buffers_that_a_forward_moves_come_back() -> None:
    model = NormedModel()
    norm = model.heads["image"][1]
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    buffers = Buffers(model)
    norm(torch.full((4, 8), math.nan))
    assert spoiled(model) == "heads.image.1.running_mean"
    buffers.put_back()
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())
    assert spoiled(model) == ""


def test_running_averages_that_are_not_finite_are_never_saved(tiny_folder: MakeFolder) -> None:
    class Breaking(NormedModel):
        def after_step(self, step: int) -> None:
            if step == 4:
                self.heads["sound"][1].running_var.fill_(math.inf)

    folder = tiny_folder("averages")
    with pytest.raises(TrainingError, match=r"any more \(heads\.sound\.1\.running_var\)"):
        fit_with(folder, Breaking())
    assert CheckpointStore(folder / "run" / "steps").load().step == 3


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("value", BAD)
def test_in_a_weight_it_is_named_and_nothing_is_saved(
    tiny_folder: MakeFolder, tally: Tally, value: float, frozen: bool
) -> None:
    """A weight that was read so; whether it is trained or not."""
    folder = tiny_folder("weight")
    model = NormedModel()
    model.heads["image"][0].weight.data[2, 2] = value
    trainable = (("heads.sound.*", 1.0), ("log_scale", 1.0)) if frozen else (("*", 1.0),)
    with tally.trial("not finite, in a weight", f"{value}, frozen: {frozen}"):
        with pytest.raises(TrainingError, match=r"heads\.image\.0\.weight") as caught:
            fit_with(folder, model, trainable=trainable)
        assert "not finite" in str(caught.value)
        if not frozen:
            assert CheckpointStore(folder / "run" / "steps").steps() == []
        for step in CheckpointStore(folder / "run" / "steps").steps():
            saved = CheckpointStore(folder / "run" / "steps").load(step).tensors["model"]
            bad = [name for name, one in saved.items() if not one.isfinite().all()]
            assert bad == ["heads.image.0.weight"], "as it was read; what is trained is as it was"


@pytest.mark.parametrize("value", BAD)
def test_in_a_frozen_tower_it_is_named_and_no_medium_is_blamed(
    tiny_media: Path, tmp_path: Path, tally: Tally, value: float
) -> None:
    tower = TinyImageTower()
    tower.convolution.weight.data[1, 1, 1, 1] = value
    parts = [Image(FileContent(path)) for path in sorted(tiny_media.glob("*.png"))]
    log = SkipLog()
    with (
        tally.trial("not finite, in a tower's weight", value),
        pytest.raises(TrainingError, match="weights of TinyImageTower are not finite, convolution"),
    ):
        FeatureCache(tmp_path).features(tower, "x", parts, tower.preprocess, skip_log=log)
    assert log.counts == {}
    assert not list(tmp_path.rglob("chunk-*")), "nothing of it is cached"


@pytest.mark.parametrize("value", BAD)
def test_in_a_sound_it_is_counted_and_left_out(
    tiny_media: Path, tmp_path: Path, tally: Tally, value: float
) -> None:
    import soundfile

    wave: Any = np.sin(np.arange(8000) / 9).astype(np.float32)
    wave[4000] = value
    soundfile.write(tmp_path / "bad.wav", wave, 16_000, subtype="FLOAT")
    parts = [Audio(FileContent(path)) for path in [*sorted(tiny_media.glob("*.wav"))[:5],
                                                   tmp_path / "bad.wav"]]  # fmt: skip
    tower, log = TinySoundTower(), SkipLog()
    with tally.trial("not finite, in a sound", value):
        table = FeatureCache(tmp_path / "cache").features(
            tower, "x", parts, tower.preprocess, skip_log=log
        )
        assert log.counts == {"not_finite": 1}
        assert table.rows.tolist()[-1] == -1
        assert len(table) == 5
        values: Tensor = table.values
        assert values.isfinite().all()
