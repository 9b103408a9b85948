"""How a training step's cost grows: with batch, text length, picture size, and 1 or 2 processes.

Ours and open_clip under bf16 autocast, as ``train_step`` times them, along one axis at a time; the
text axis shows what open_clip's padding to 77 tokens costs. Two processes share the cores and the
batch of 32 through gloo; their losses are over the whole batch on both sides.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from benchmarks import clip_models, processes
from benchmarks.harness import Case
from benchmarks.train_step import step_case

BATCHES = (8, 16, 32, 64, 128)
TEXT_LENGTHS = (8, 16, 32, 64, 77)
PICTURE_SIZES = (128, 160, 224, 288, 320)  # multiples of the patch of 32
AXES = ("batch", "text", "picture", "processes")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this benchmark."""
    parser.add_argument("--model", default="ViT-B-32", choices=sorted(clip_models.SIZES))
    parser.add_argument("--axes", nargs="+", default=list(AXES), choices=AXES)
    parser.set_defaults(no_exact=True)


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """All places on all axes; 32 pairs, 16 tokens and the model's own size on the others."""
    model = "small" if options.quick else options.model
    patch = clip_models.SIZES[model]["vision_cfg"]["patch_size"]

    def one(axis: str, at: int, batch: int = 32, tokens: int = 16, size: int | None = None) -> Case:
        return step_case(f"{axis} {at}", model, batch, tokens, options, image_size=size,
                         with_fp32=False, axis=axis, at=at)  # fmt: skip

    if "batch" in options.axes:
        for batch in (2, 4) if options.quick else BATCHES:
            yield one("batch", batch, batch=batch)
    usual = 4 if options.quick else 32
    if "text" in options.axes:
        for tokens in (8, 77) if options.quick else TEXT_LENGTHS:
            yield one("text length", tokens, usual, tokens)
    if "picture" in options.axes:
        for size in (4 * patch, 7 * patch) if options.quick else PICTURE_SIZES:
            yield one("picture size", size, usual, size=size)
    if "processes" in options.axes and options.device == "cpu":
        for number in (1, 2):
            yield processes.step_case(number, model, usual, options)
