"""Picture files to vectors, and the model alone: ours and open_clip, CLIP ViT-B/32.

The files are those of ``clipart_set.py``: 2,000 pictures of 400 to 800 pixels, as JPEG and as
PNG. A round embeds the next ``--pictures-per-round`` of them, the same for every side. Ours: the
``Space`` that users get, decoding in threads, products in bf16 where that is fast. open_clip:
its evaluation preprocessing in a ``DataLoader`` with 0 and 2 workers, batches of 64, fp32 (its
default) and bf16 autocast. Vectors of every picture of the first round are compared first.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import clip_batches, clip_models, flops
from benchmarks.clip_training import DTYPES, autocast
from benchmarks.clipart_set import ClipartSet, clipart_set, images
from benchmarks.compare import row_cosines
from benchmarks.harness import Case, Precision, Prepared, Side
from interlingua.device import has_fast_bf16, pick_device

BATCH_SIZE = 64
compare = row_cosines("vectors", 0.999)
# for a tower of small pictures: ours decodes large files at a fraction of their size
compare_roughly = row_cosines("vectors", 0.995)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this benchmark."""
    parser.add_argument("--model", default="ViT-B-32", choices=sorted(clip_models.SIZES))
    add_file_options(parser)


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """Which files: of every benchmark that reads ``clipart_set`` in slices."""
    parser.add_argument("--pictures-per-round", type=int, default=160, help="400: all in 5 rounds")
    parser.add_argument("--formats", nargs="+", default=["jpeg", "png"], choices=["jpeg", "png"])


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """One of each file format, then the model alone."""
    model = "small" if options.quick else options.model
    per_round = 16 if options.quick else options.pictures_per_round
    pictures = clipart_set(min(2000, per_round * options.rounds))
    folder = clip_models.checkpoint(model, clip_models.SPREAD)
    flops_each = flops.picture(clip_models.SIZES[model])
    ours: Precision = "bf16" if has_fast_bf16(pick_device(options.device)) else "fp32"
    for file_format in options.formats:
        yield files_case(file_format, model, folder, pictures, per_round, ours, options.device)
    batch = 8 if options.quick else BATCH_SIZE
    yield model_case(model, folder, pictures, batch, flops_each, ours, options.device)


def files_case(
    file_format: Any, model: str, folder: Path, pictures: ClipartSet, per_round: int,
    ours: Precision, device: str,
) -> Case:  # fmt: skip
    """Files to vectors."""
    rounds = slices(pictures.paths(file_format), per_round)

    def space() -> Prepared:
        return our_files(folder, rounds, device)

    def theirs(workers: int, precision: Precision) -> Prepared:
        return open_clip_files(folder, rounds, workers, precision, device)

    return Case(
        f"{model}, {file_format} files to vectors",
        [
            Side("interlingua", space, ours),
            Side("open_clip fp32, 0 workers", lambda: theirs(0, "fp32"), goal=4.0),
            Side("open_clip fp32, 2 workers", lambda: theirs(2, "fp32"), goal=4.0),
            Side("open_clip bf16, 2 workers", lambda: theirs(2, "bf16"), "bf16", goal=1.25),
        ],
        amount=len(rounds[0]),
        unit="pictures",
        compare=compare
        if clip_models.SIZES[model]["vision_cfg"]["image_size"] >= 224
        else compare_roughly,
        note=f"{sum(map(len, rounds))} files of 400 to 800 pixels in {len(rounds)} slices, "
        f"ours in {ours}",
    )


def model_case(
    model: str, folder: Path, pictures: ClipartSet, batch: int, flops_each: float,
    ours: Precision, device: str,
) -> Case:  # fmt: skip
    """Pixels in memory to vectors."""
    size = clip_models.SIZES[model]["vision_cfg"]["image_size"]
    pixels = clip_batches.pixels_of(pictures.paths("png")[:batch], size).to(device)
    floats = clip_batches.normalized(pixels.cpu()).to(device)
    return Case(
        f"{model} alone, batches of {batch}",
        [
            Side("interlingua", lambda: our_model(folder, pixels, device), ours),
            Side("open_clip fp32", lambda: open_clip_alone(folder, floats, "fp32", device)),
            Side("open_clip bf16", lambda: open_clip_alone(folder, floats, "bf16", device), "bf16"),
        ],
        amount=len(pixels),
        unit="pictures",
        compare=compare,
        flops=len(pixels) * flops_each,
        note="uint8 pixels for ours, normalised floats for open_clip",
    )


def slices(paths: Sequence[Path], size: int) -> list[Sequence[Path]]:
    """The files of each round."""
    return [paths[start : start + size] for start in range(0, len(paths), size)]


def our_files(folder: Path, rounds: Sequence[Sequence[Path]], device: str) -> Prepared:
    """``Space.embed_parts`` of files."""
    from interlingua.space import Space

    space = Space(clip_models.ours(folder), device=device)
    parts = [images(paths) for paths in rounds]
    return Prepared(lambda number: space.embed_parts(parts[number % len(parts)]))


def our_model(folder: Path, pixels: torch.Tensor, device: str) -> Prepared:
    """The model of a ``Space`` on pixels."""
    from interlingua.batch import Media
    from interlingua.space import Space

    space = Space(clip_models.ours(folder), device=device)
    owner = torch.arange(len(pixels))
    media = Media(owner, torch.zeros_like(owner), values=pixels).to(device)

    def run(_: int) -> torch.Tensor:
        with torch.inference_mode():
            return space.model.embed_media("image", media)

    return Prepared(run)


class Files(torch.utils.data.Dataset[torch.Tensor]):
    """Opened and preprocessed as open_clip's guide does."""

    def __init__(self, paths: Sequence[Path], preprocess: Any):
        self.paths, self.preprocess = paths, preprocess

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> torch.Tensor:
        from PIL import Image

        pixels: torch.Tensor = self.preprocess(Image.open(self.paths[place]))
        return pixels


def open_clip_files(
    folder: Path, rounds: Sequence[Sequence[Path]], workers: int, precision: Precision, device: str
) -> Prepared:
    """Its preprocessing in a ``DataLoader``, then ``encode_image``."""
    model, preprocess = clip_models.open_clip_model(folder, device=device)
    model.eval()

    def run(number: int) -> Any:
        files = Files(rounds[number % len(rounds)], preprocess)
        loader = torch.utils.data.DataLoader(files, BATCH_SIZE, num_workers=workers)
        found = []
        with torch.no_grad(), autocast(device, DTYPES[precision]):
            for pixels in loader:
                vectors = model.encode_image(pixels.to(device), normalize=True)
                found.append(vectors.float().cpu().numpy())
        return np.concatenate(found)

    return Prepared(run)


def open_clip_alone(
    folder: Path, floats: torch.Tensor, precision: Precision, device: str
) -> Prepared:
    """``encode_image`` of pixels in memory."""
    model, _ = clip_models.open_clip_model(folder, device=device)
    model.eval()

    def run(_: int) -> torch.Tensor:
        with torch.no_grad(), autocast(device, DTYPES[precision]):
            vectors: torch.Tensor = model.encode_image(floats, normalize=True)
            return vectors

    return Prepared(run)
