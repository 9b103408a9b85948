"""Loss curves of the first 200 steps, ours and open_clip: same weights, same batches.

By default a small CLIP (112 pixels, width 256, batch 16) on clipart pictures and titles, so that it
takes about two minutes; ``--full`` trains ViT-B/32. Step by step, our loss is held against
open_clip's in fp32; the yardstick for "equal within noise" is how far open_clip under bf16
autocast is from open_clip in fp32, the same code in another precision.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from benchmarks import chart, clip_batches, clip_models
from benchmarks.clip_batches import Pairs
from benchmarks.clip_training import OpenClipTraining, OurTraining
from benchmarks.clipart_set import clipart_set
from benchmarks.harness import Findings
from interlingua.device import has_fast_bf16, pick_device

WINDOW = 20  # steps in one point of the smoothed curves
# ours may be this many times as far from open_clip fp32 as open_clip bf16 is, and this far at least
TIMES_THE_NOISE = 2.0
FLOOR = 0.005


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this benchmark."""
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1e-4, help="5e-4 needs a warm-up")
    parser.add_argument("--full", action="store_true", help="ViT-B/32 instead of the small model")


def measure(options: argparse.Namespace) -> Findings:
    """Train all sides, one after another; hold their curves against each other."""
    steps, batch = (6, 4) if options.quick else (options.steps, options.batch_size)
    model = "ViT-B-32" if options.full and not options.quick else "small"
    folder = clip_models.checkpoint(model)
    batches = shuffled_batches(steps, batch, clip_models.SIZES[model]["vision_cfg"]["image_size"])
    ours = "bf16" if has_fast_bf16(pick_device(options.device)) else "fp32"
    sides: dict[str, tuple[Any, Any]] = {
        "open_clip fp32": (OpenClipTraining, "fp32"),
        "open_clip bf16": (OpenClipTraining, "bf16"),
        f"interlingua {ours}": (OurTraining, ours),
        "interlingua fp32": (OurTraining, "fp32"),
    }
    curves = {}
    for name, (kind, precision) in sides.items():
        training = kind(
            folder, batches, precision, options.device, learning_rate=options.learning_rate
        )
        curves[name] = [training.step() for _ in range(steps)]
        print(f"{name}: {curves[name][0]:.4f} to {np.mean(curves[name][-WINDOW:]):.4f}", flush=True)
    return judged(curves, {"model": model, "batch_size": batch, "steps": steps})


def shuffled_batches(steps: int, batch_size: int, size: int) -> list[Pairs]:
    """So many batches, each epoch in another order, the same for everybody."""
    pictures = clipart_set(min(2000, steps * batch_size))
    pixels = clip_batches.pixels_of(pictures.paths("png"), size)
    whole = next(clip_batches.title_batches(pictures.titles, pixels, len(pixels)))
    generator = torch.Generator().manual_seed(0)
    batches: list[Pairs] = []
    while len(batches) < steps:
        order = torch.randperm(len(pixels), generator=generator)
        for start in range(0, len(order) - batch_size + 1, batch_size):
            rows = order[start : start + batch_size]
            batches.append(Pairs(whole.pixels[rows], whole.ids[rows]))
    return batches[:steps]


def judged(curves: dict[str, list[float]], settings: dict[str, Any]) -> Findings:
    """The distances, and whether ours are within the noise."""
    noise = distance(curves["open_clip bf16"], curves["open_clip fp32"])
    limit = max(TIMES_THE_NOISE * noise, FLOOR)
    lines = [
        f"mean distance of open_clip bf16 from open_clip fp32, the noise: {noise:.4f}; "
        f"limit {limit:.4f}"
    ]
    distances, passed = {"open_clip bf16": noise}, True
    for name in (name for name in curves if name.startswith("interlingua")):
        distances[name] = distance(curves[name], curves["open_clip fp32"])
        within = distances[name] <= limit
        passed = passed and within
        lines.append(
            f"mean distance of {name} from open_clip fp32: {distances[name]:.4f} "
            f"({'within the noise' if within else 'NOT within the noise'})"
        )
    picture = chart.lines(
        f"Loss, mean of {WINDOW} steps", {n: smoothed(c) for n, c in curves.items()}, "step"
    )
    figures = settings | {"curves": curves, "distances": distances, "limit": limit}
    return Findings(figures, lines, passed, {"": picture})


def distance(first: Sequence[float], second: Sequence[float]) -> float:
    """Mean absolute difference, step by step; NaN in a curve stays NaN and fails."""
    return float(np.abs(np.asarray(first) - np.asarray(second)).mean())


def smoothed(curve: Sequence[float]) -> list[tuple[float, float]]:
    """Means of stretches, at their middle step."""
    window = min(WINDOW, max(1, len(curve) // 3))
    return [
        (start + window / 2, float(np.mean(curve[start : start + window])))
        for start in range(0, len(curve) - window + 1, window)
    ]
