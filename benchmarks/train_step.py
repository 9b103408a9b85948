"""A training step of CLIP ViT-B/32 at batch 32, ours and open_clip: forward, loss, backward, AdamW.

Same weights, pictures and captions, once with captions of 16 tokens, once with clipart's real
titles. open_clip runs at its library's default (fp32) and under bf16 autocast; how each steps is in
``clip_training.py``. Batches are in memory: open_clip's as normalised floats, which its loader
makes, ours as uint8, so normalising is timed on our side only.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks import clip_batches, clip_models, clip_training, flops
from benchmarks.clip_batches import Pairs
from benchmarks.clip_training import OpenClipTraining, OurTraining
from benchmarks.clipart_set import clipart_set
from benchmarks.harness import Case, Precision, Prepared, Side
from interlingua.device import has_fast_bf16, pick_device


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this benchmark."""
    parser.add_argument("--model", default="ViT-B-32", choices=sorted(clip_models.SIZES))
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--no-exact", action="store_true", help="leave the fp32 check out")


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Captions of 16 tokens, and real titles."""
    model = "small" if options.quick else options.model
    batch = 4 if options.quick else options.batch_size
    for name, tokens in (("captions of 16 tokens", 16), ("clipart titles", 0)):
        yield step_case(f"{model}, batch {batch}, {name}", model, batch, tokens, options)


def step_case(
    name: str,
    model: str,
    batch_size: int,
    tokens: int,
    options: argparse.Namespace,
    *,
    image_size: int | None = None,
    with_fp32: bool = True,
    axis: str = "",
    at: float = 0.0,
) -> Case:
    """One step at one size; ``train_growth`` makes more of them."""
    folder = clip_models.checkpoint(model)
    config = clip_models.SIZES[model]
    size = image_size or config["vision_cfg"]["image_size"]
    pairs = first_batch(batch_size, tokens, size)
    device = options.device
    ours: Precision = "bf16" if has_fast_bf16(pick_device(device)) else "fp32"

    def open_clip() -> Prepared:
        return training(OpenClipTraining, folder, pairs, "fp32", device, image_size)

    sides = [
        Side("interlingua", lambda: training(OurTraining, folder, pairs, ours, device, image_size),
             ours),
        Side("open_clip bf16 autocast",
             lambda: training(OpenClipTraining, folder, pairs, "bf16", device, image_size),
             "bf16", goal=2.2),
    ]  # fmt: skip
    if with_fp32:
        sides.append(Side("open_clip fp32 (default)", open_clip, goal=4.0))
    return Case(
        name,
        sides,
        amount=batch_size,
        unit="pairs",
        compare=clip_training.compare,
        exact=None
        if options.no_exact or axis
        else lambda: clip_training.exactly_equal(folder, pairs, device, image_size),
        flops=flops.BACKWARD_AND_FORWARD
        * batch_size
        * (flops.picture(config, size) + flops.text(config, pairs.longest)),
        axis=axis,
        at=at,
        note=f"longest text {pairs.longest} tokens, pictures {size}, ours in {ours}",
        memory_rounds=2,
    )


def first_batch(batch_size: int, tokens: int, size: int) -> Pairs:
    """The first pictures of the set with their titles."""
    pictures = clipart_set(batch_size)
    pixels = clip_batches.pixels_of(pictures.paths("png"), size)
    return next(clip_batches.title_batches(pictures.titles, pixels, batch_size, tokens))


def training(
    kind: type[OurTraining] | type[OpenClipTraining],
    folder: Path,
    pairs: Pairs,
    precision: Precision,
    device: str,
    image_size: int | None,
) -> Prepared:
    """A side that trains on one batch."""
    return clip_training.prepared(lambda: kind(folder, [pairs], precision, device, image_size))
