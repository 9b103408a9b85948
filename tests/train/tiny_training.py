"""A real training in small: pictures and sounds into the cache, then two contrastive stages."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor, nn
from torch.nn import functional

from interlingua.batch import Batch, Media
from interlingua.content import FileContent
from interlingua.objectives.contrastive import PairwiseContrastive
from interlingua.sample import Audio, Image
from interlingua.tokens import Tokens
from interlingua.towers.tower import AudioPreprocess, ImagePreprocess, Tower
from interlingua.train import random_state
from interlingua.train.checkpoint import CheckpointStore
from interlingua.train.feature_cache import FeatureCache
from interlingua.train.loop import FitResult, fit
from interlingua.train.run_folder import RunFolder, read_lines
from interlingua.train.stages import Stage
from interlingua.train.stream import ShuffledStream

NUM_THINGS = 36
WIDTH = 16


class TinyImageTower(Tower):
    """One convolution, averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.width = self.pooled_width = WIDTH
        self.preprocess = ImagePreprocess(size=32)
        self.convolution = nn.Conv2d(3, WIDTH, 5, stride=3)
        self.blocks = nn.ModuleList([self.convolution])

    def forward(
        self, values: Tensor, mask: Tensor | None = None, layers: Sequence[int] = ()
    ) -> Tokens:
        states = functional.relu(self.convolution(values.float() / 255))  # [M, D, H, W]
        return Tokens(pooled=states.mean((2, 3)))


class TinySoundTower(Tower):
    """One convolution over time, averaged over what is real."""

    def __init__(self) -> None:
        super().__init__()
        self.width = self.pooled_width = WIDTH
        self.preprocess = AudioPreprocess(bucket_seconds=0.5, max_seconds=2)
        self.convolution = nn.Conv1d(80, WIDTH, 3, padding=1)
        self.blocks = nn.ModuleList([self.convolution])

    def forward(
        self, values: Tensor, mask: Tensor | None = None, layers: Sequence[int] = ()
    ) -> Tokens:
        states = self.convolution(values)  # [M, D, T]
        weights = mask[:, None, :].float()
        return Tokens(pooled=(states * weights).sum(2) / weights.sum(2))


@dataclass
class Outputs:
    vectors: dict[str, Tensor]
    owner: dict[str, Tensor]
    scale: Tensor


class TinyModel(nn.Module):
    """Two heads with dropout (so that the random state matters) and a learned temperature."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(
            {
                view: nn.Sequential(
                    nn.Linear(WIDTH, 32), nn.GELU(), nn.Dropout(0.2), nn.Linear(32, 8)
                )
                for view in ("image", "sound")
            }
        )
        self.log_scale = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("average", torch.zeros(8))

    def forward(self, batch: Batch, needs: frozenset[str] = frozenset()) -> Outputs:
        vectors = {
            view: functional.normalize(self.heads[view](media.tokens.pooled), dim=1)
            for view, media in batch.media.items()
        }
        owner = {view: media.owner for view, media in batch.media.items()}
        return Outputs(vectors, owner, self.log_scale.exp())

    def after_step(self, step: int) -> None:
        """A moving average of a weight, and a limit for the temperature."""
        with torch.no_grad():
            self.average.lerp_(self.heads["image"][3].weight.mean(1), 0.1)
            self.log_scale.clamp_(max=4.6)


def make_media(folder: Path, num_things: int = NUM_THINGS) -> None:
    """Real small pictures (a colour each) and sounds (a pitch each) of different sizes."""
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    for number in range(num_things):
        height, width = random.integers(20, 90, 2)
        colour = random.integers(0, 200, 3)
        pixels = (colour + random.integers(0, 50, (height, width, 3))).astype(np.uint8)
        buffer = io.BytesIO()
        Pillow.fromarray(pixels).save(buffer, "PNG" if number % 2 else "JPEG")
        (folder / f"{number:03d}.{'png' if number % 2 else 'jpg'}").write_bytes(buffer.getvalue())
        seconds = random.uniform(0.2, 1.4)
        moments = np.arange(int(seconds * 16_000)) / 16_000
        tone = np.sin(2 * np.pi * random.uniform(200, 4000) * moments)
        wave = (0.3 * tone + random.normal(0, 0.02, len(moments))).astype(np.float32)
        soundfile.write(folder / f"{number:03d}.wav", wave, 16_000)


def fill(media: Path, cache: Path) -> dict[str, Tensor]:
    """Features of every picture and every sound, cached."""
    random_state.seed_all(1)
    towers = {"image": TinyImageTower(), "sound": TinySoundTower()}
    parts = {
        "image": [Image(FileContent(p)) for p in sorted(media.iterdir()) if p.suffix != ".wav"],
        "sound": [Audio(FileContent(p)) for p in sorted(media.glob("*.wav"))],
    }
    store = FeatureCache(cache, batches_per_chunk=2)
    features = {}
    for view, tower in towers.items():
        table = store.features(tower, f"tiny {view}", parts[view], tower.preprocess, batch_size=6)
        values = table.values[table.rows]
        features[view] = (values - values.mean(0)) / (values.std(0) + 1e-6)
    return features


STAGES = (
    Stage(
        name="heads", steps=6, batch_size=12, trainable=(("heads.*", 1.0),), warmup_steps=2,
        checkpoint_every=4, evaluate_every=3, log_every=1,
    ),
    Stage(
        name="all", steps=5, batch_size=10, trainable=(("log_scale", 10.0), ("*", 1.0)),
        accumulate=2, schedule="linear", checkpoint_every=3, log_every=1, learning_rate=3e-3,
    ),
)  # fmt: skip


def batches(features: Mapping[str, Tensor], stage: Stage) -> ShuffledStream:
    """Both views of each thing, with a random half of the sounds missing."""

    def make(indices: Sequence[int], random: np.random.Generator) -> Batch:
        owner = torch.arange(len(indices))
        heard = torch.from_numpy(random.random(len(indices)) < 0.7)
        chosen = torch.tensor(indices)
        pooled = {"image": features["image"][chosen], "sound": features["sound"][chosen[heard]]}
        owners = {"image": owner, "sound": owner[heard]}
        return Batch(
            keys=[str(index) for index in indices],
            media={
                view: Media(
                    owner=owners[view],
                    slot=torch.zeros_like(owners[view]),
                    tokens=Tokens(pooled=pooled[view]),
                )
                for view in pooled
            },
            component=chosen,
        )

    return ShuffledStream(len(features["image"]), stage.batch_size, make, seed=5)


def train(
    folder: Path,
    *,
    resume: bool = False,
    stages: Sequence[Stage] = STAGES,
    make_stream: Callable[[Mapping[str, Tensor], Stage], Any] = batches,
    **options: Any,
) -> tuple[TinyModel, FitResult]:
    """The whole run in ``folder/run``; media and cache beside it."""
    features = fill(folder / "media", folder / "cache")
    random_state.seed_all(3)
    model = TinyModel()
    objective = PairwiseContrastive(PairwiseContrastive.Config())

    def evaluate(trained: nn.Module) -> dict[str, float]:
        torch.rand(3)  # an evaluation that draws random numbers must not change the training
        return {"weight": float(trained.heads["image"][0].weight.sum())}

    result = fit(
        model,
        {"contrastive": (objective, 1.0)},
        stages,
        lambda stage: make_stream(features, stage),
        RunFolder(folder / "run", keep=2),
        evaluate=evaluate,
        resume=resume,
        **options,
    )
    return model, result


def outcome(folder: Path) -> Any:
    """All that must be equal bit for bit: weights, optimizer, losses of every step, figures."""
    checkpoint = CheckpointStore(folder / "run" / "steps").load()
    timing = {"seconds", "rate", "peak_memory"}
    rows = [
        {key: value for key, value in row.items() if key not in timing}
        for row in read_lines(folder / "run" / "metrics.jsonl")
    ]
    progress = {**checkpoint.state["progress"], "seconds": 0}
    return {
        "digests": checkpoint.digests,
        "metrics": rows,
        "progress": progress,
        "stream": checkpoint.state["stream"],
    }
