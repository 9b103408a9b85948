"""What is killed, refused and signalled in these tests: saves, a cache fill, a whole training.

A server of ``disk_switch``: each request names its ``work``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from interlingua.content import FileContent
from interlingua.errors import CheckpointError
from interlingua.sample import Audio, Image
from interlingua.train import random_state
from interlingua.train.checkpoint import CheckpointStore
from interlingua.train.feature_cache import FeatureCache
from tests.faults import disk_switch
from tests.train import tiny_training

Acknowledge = Callable[[], None]

KEEP = 2
BATCHES_PER_CHUNK = 2


def tensors_of(step: int) -> dict[str, dict[str, torch.Tensor]]:
    """What is saved as a step: every group that a training has."""
    return {
        "model": {
            "weight": torch.full((40, 30), float(step)),
            "half": torch.full((2,), step, dtype=torch.bfloat16),
        },
        "ema": {"weight": torch.full((40, 30), step / 7)},
        "optimizer": {"weight:exp_avg": torch.full((40, 30), step / 3)},
        "random": {"torch": torch.arange(40, dtype=torch.uint8)},
    }


def state_of(step: int) -> dict[str, Any]:
    return {"progress": {"step": step, "third": step / 3}}


def save(request: dict[str, Any], acknowledge: Acknowledge) -> dict[str, Any]:
    """Save the steps that are asked for, as a training does: what is refused stops nothing."""
    store = CheckpointStore(Path(request["folder"]) / "steps", keep=KEEP)
    refused = []
    for step in request["steps"]:
        try:
            store.save(step, tensors_of(step), state_of(step))
        except (OSError, CheckpointError) as error:
            refused.append([step, f"{type(error).__name__}: {error}"])
            continue
        acknowledge()
    return {"refused": refused}


def fill(request: dict[str, Any], acknowledge: Acknowledge) -> dict[str, Any]:
    """Features of all pictures and sounds of ``media``; their digests, how many were computed."""
    random_state.seed_all(1)
    towers = {"image": tiny_training.TinyImageTower(), "sound": tiny_training.TinySoundTower()}
    files = sorted(Path(request["media"]).iterdir())
    parts = {
        "image": [Image(FileContent(path)) for path in files if path.suffix != ".wav"],
        "sound": [Audio(FileContent(path)) for path in files if path.suffix == ".wav"],
    }
    cache = FeatureCache(Path(request["folder"]), BATCHES_PER_CHUNK)
    digests, computed = {}, {}
    for view, tower in towers.items():
        table = cache.features(tower, view, parts[view], tower.preprocess, batch_size=6)
        values = table.values[table.rows]
        digests[view] = hashlib.sha256(values.numpy().tobytes()).hexdigest()
        computed[view] = table.computed
        acknowledge()
    return {"digests": digests, "computed": computed}


def train(request: dict[str, Any], acknowledge: Acknowledge) -> dict[str, Any]:
    """The tiny training, from the beginning or from where it was; ``status`` 10 if it was stopped.

    ``file_limit``: bytes over which the system refuses a file. ``steps``: of the first stage alone.
    """
    folder = Path(request["folder"])
    if request.get("file_limit"):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_limit"],) * 2)
    stages = list(tiny_training.STAGES)
    if request.get("steps"):
        stages = [stages[0].model_copy(update={"steps": request["steps"]})]
    resume = (folder / "run").exists()
    _, result = tiny_training.train(folder, resume=resume, stages=stages)
    acknowledge()
    return {"status": 0 if result.finished else 10 + result.exit_code}


WORKS = {"save": save, "fill": fill, "train": train}


if __name__ == "__main__":
    import soundfile  # noqa: F401  what every child needs is loaded once, before the forks

    torch.set_num_threads(1)
    torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))])  # loads a second's worth of modules
    disk_switch.serve(lambda request, acknowledge: WORKS[request["work"]](request, acknowledge))
