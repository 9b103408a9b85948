"""Pictures to pixels, files and shards: ours, torch's DataLoader with Pillow, and webdataset.

The pictures are those of ``clipart_set.py`` as JPEG and as PNG, and as ``large`` JPEGs the source's
first that have 1,200 to 4,096 pixels as they are. They are read from files and from shards, resized
and cut to 224 pixels, uint8, in batches of 64. Nothing is trained, so nothing but the
loader is timed. On one core, which every side is bound to, the rate is pictures/s per core; on all
cores the peers get as many worker processes. "Pictures per CPU second" is what other work on the
machine hardly changes. Ours: what training uses, ``decode`` for files and
``SourceBatches`` in the random order of ``ShuffledStream`` for shards. Peers: Pillow and
torchvision's Resize and CenterCrop, in the order of the files, which costs less. The pixels are
compared first. Then the memory of a process that goes through 1,000 and 100,000 samples in shards.
"""

from __future__ import annotations

import argparse
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.clipart_set import JPEG_QUALITY, clipart_set, images
from benchmarks.embed_images import BATCH_SIZE, Files
from benchmarks.harness import Case, Check, Prepared, Side
from interlingua import data
from interlingua.batch import Batch
from interlingua.catalogue import cache
from interlingua.content import BytesContent, FileContent
from interlingua.data.image import open_image
from interlingua.data.image_header import declared_size, image_kind
from interlingua.data.loader import available_cores, decode
from interlingua.data.shards.write import write_shards
from interlingua.data.source import ListSource
from interlingua.data.sources.shards import Shards
from interlingua.errors import MediaError
from interlingua.sample import Image, Sample, Text
from interlingua.towers.tower import ImagePreprocess
from interlingua.train.prefetch import Prefetched
from interlingua.train.source_batches import SourceBatches
from interlingua.train.stream import ShuffledStream

FORMATS = ("jpeg", "png", "large")
LARGE = (1200, 4096)  # pixels of the longer side
PREPROCESS = ImagePreprocess(size=224, crop_fraction=1.0)
GOAL = 1.5
MEMORY_SIZES = (1_000, 100_000)  # samples
MEMORY_BATCHES = 200  # that are made, whatever the size
Batches = Callable[[], Iterator[Tensor]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this benchmark."""
    parser.add_argument("--pictures-per-round", type=int, default=400)
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=FORMATS)


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Files and shards of each format, on one core and on all; then memory."""
    count = 16 if options.quick else options.pictures_per_round
    cores = available_cores()
    for file_format in options.formats:
        paths = paths_of(file_format, count)
        for used in dict.fromkeys((1, cores)):
            yield files_case(file_format, paths, used)
            yield shards_case(file_format, paths, used)
    for size in (50, 200) if options.quick else MEMORY_SIZES:
        batches = 4 if options.quick else MEMORY_BATCHES
        yield memory_case(size, batches)


def files_case(file_format: str, paths: Sequence[Path], cores: int) -> Case:
    """Files to pixels."""
    workers = 0 if cores == 1 else cores
    return Case(
        f"{file_format} files, {_cores(cores)}",
        [
            Side("interlingua", lambda: bound(cores, lambda: our_files(paths))),
            Side(
                f"torch DataLoader with Pillow, {workers} workers",
                lambda: bound(cores, lambda: their_files(paths, workers)),
                goal=GOAL,
            ),
        ],
        amount=len(paths),
        unit="pictures",
        compare=compare,
        note=f"{len(paths)} files, to {PREPROCESS.size} pixels, batches of {BATCH_SIZE}",
    )


def shards_case(file_format: str, paths: Sequence[Path], cores: int) -> Case:
    """Shards to pixels."""
    workers = 0 if cores == 1 else cores
    folder = shards_of(f"{file_format}-{len(paths)}", pictures(paths), per_shard=100)
    version = _version("webdataset")
    return Case(
        f"{file_format} shards, {_cores(cores)}",
        [
            Side("interlingua", lambda: bound(cores, *our_shards(folder, cores))),
            Side(
                f"webdataset {version}, {workers} workers",
                lambda: bound(
                    cores,
                    lambda: their_shards(folder, workers),
                    lambda: their_shards(folder, 0),  # several workers mix the shards
                ),
                goal=GOAL,
            ),
        ],
        amount=len(paths),
        unit="pictures",
        compare=compare,
        note="ours in a random order, webdataset in the shards' own",
    )


def memory_case(size: int, batches: int) -> Case:
    """The same number of batches out of few samples and of many."""
    count = batches * BATCH_SIZE
    return Case(
        f"memory, {size:,} samples in shards",
        [Side("interlingua", lambda: our_stream(small_shards(size), batches))],
        amount=count,
        unit="pictures",
        note=f"{count:,} pictures of 32 pixels in a random order",
    )


def compare(ours: Any, peer: Any) -> list[Check]:
    """Pixels of the same pictures: ours decodes a large JPEG at a fraction of its size."""
    if ours.shape != peer.shape:
        raise ValueError(f"{tuple(ours.shape)} of ours, {tuple(peer.shape)} of the peer")
    apart = (ours.float() - peer.float()).abs().mean(dim=(1, 2, 3))
    return [
        Check("pixels: mean difference, of 255", float(apart.mean()), 1.5),
        Check("pixels: mean difference of the worst picture, of 255", float(apart.max()), 6.0),
    ]


# -- ours -----------------------------------------------------------------------------------------


def our_files(paths: Sequence[Path]) -> Iterator[Tensor]:
    """``decode``, with as many threads as this process has cores."""
    for chunk in decode(images(paths), PREPROCESS, batch_size=BATCH_SIZE):
        yield chunk.values


def our_shards(folder: Path, cores: int) -> tuple[Batches, Batches]:
    """(an epoch in a random order, all in the order of the shards)."""
    shards = Shards(Shards.Config(paths=(str(folder),)))
    make = SourceBatches(shards, {"image": PREPROCESS}, threads=cores)

    def epoch() -> Iterator[Tensor]:
        inner = ShuffledStream(len(shards), BATCH_SIZE, make)
        count = inner.batches_per_epoch
        stream = inner if cores == 1 else Prefetched(inner)
        if isinstance(stream, Prefetched):
            stream.expect(count)
        for _ in range(count):
            yield _pixels(stream.next())

    def in_order() -> Iterator[Tensor]:
        for first in range(0, len(shards), BATCH_SIZE):
            numbers = range(first, min(first + BATCH_SIZE, len(shards)))
            yield _pixels(make(numbers, np.random.default_rng(0)))

    return epoch, in_order


def our_stream(folder: Path, batches: int) -> Prepared:
    """Batches as training gets them, let go one after another."""

    def run(_: int) -> None:
        shards = Shards(Shards.Config(paths=(str(folder),)))
        make = SourceBatches(shards, {"image": PREPROCESS.model_copy(update={"size": 32})})
        stream = Prefetched(ShuffledStream(len(shards), BATCH_SIZE, make))
        stream.expect(batches)
        for _ in range(batches):
            stream.next()

    return Prepared(run, check=lambda: None)


def _pixels(batch: Batch) -> Tensor:
    values = batch.media["image"].values
    assert values is not None
    return values


# -- peers ----------------------------------------------------------------------------------------


def _transform() -> Any:
    from torchvision import transforms
    from torchvision.transforms import InterpolationMode

    return transforms.Compose(
        [
            transforms.Lambda(lambda picture: picture.convert("RGB")),
            transforms.Resize(PREPROCESS.size, InterpolationMode.BICUBIC),
            transforms.CenterCrop(PREPROCESS.size),
            transforms.PILToTensor(),
        ]
    )


def their_files(paths: Sequence[Path], workers: int) -> Iterator[Tensor]:
    """Files opened by Pillow in a ``DataLoader``."""
    yield from torch.utils.data.DataLoader(
        Files(paths, _transform()), batch_size=BATCH_SIZE, num_workers=workers
    )


def their_shards(folder: Path, workers: int) -> Iterator[Tensor]:
    """webdataset's own pipeline, each worker with shards of its own."""
    # it has no types; where it isn't installed mypy finds nothing to ignore
    import webdataset  # type: ignore[import-untyped,unused-ignore]

    transform = _transform()
    dataset = (
        webdataset.WebDataset(
            [str(path) for path in sorted(folder.glob("*.tar"))],
            shardshuffle=False,
            empty_check=False,
        )
        .decode("pil")
        .to_tuple("jpg;jpeg;png")
        .map_tuple(transform)
        .batched(BATCH_SIZE)
    )
    loader = webdataset.WebLoader(dataset, batch_size=None, num_workers=workers)
    for (batch,) in loader:
        yield batch


# -- both -----------------------------------------------------------------------------------------


def bound(cores: int, batches: Batches, in_order: Batches | None = None) -> Prepared:
    """A side that runs on so many cores.

    Args:
        cores: that this process and those it starts may use.
        batches: of a round.
        in_order: what is compared; the round itself by default.
    """

    made, spent = 0, 0.0

    def run(_: int) -> None:
        nonlocal made, spent
        before = cpu_seconds()
        with on_cores(cores):
            made += sum(len(batch) for batch in batches())
        spent += cpu_seconds() - before

    def check() -> Tensor:
        with on_cores(1):
            return torch.cat(list((in_order or batches)()))

    return Prepared(run, check, lambda: {"pictures per CPU second": made / max(spent, 1e-9)})


def cpu_seconds() -> float:
    """That this process has used, and those it started and that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Bind this process to the first cores that it may use."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    threads = torch.get_num_threads()
    os.sched_setaffinity(0, sorted(before)[:count])
    torch.set_num_threads(count)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
        torch.set_num_threads(threads)


def paths_of(file_format: str, count: int) -> list[Path]:
    """The files of a case."""
    if file_format == "large":
        folder = large_pictures(count)
        return sorted(folder.iterdir())
    return clipart_set(count).paths("png" if file_format == "png" else "jpeg")


def large_pictures(count: int) -> Path:
    """A folder of JPEGs of quality 90 in the sizes that the source has, made on the first call."""
    final = cache.cache_root() / "benchmarks" / f"loader-large-{count}"

    def write(folder: Path) -> None:
        found = 0
        for sample in data.open_source("clipart"):
            image = sample.alternatives("image")[0]
            assert isinstance(image, Image)
            head = image.content.read()
            kind = image_kind(head)
            size = None if kind in (None, "svg") else declared_size(head, kind)
            if size is None or not LARGE[0] <= max(size) <= LARGE[1]:
                continue
            try:
                picture = open_image(image.content)
            except MediaError:
                continue
            picture.save(folder / f"{found:05}.jpeg", quality=JPEG_QUALITY)
            found += 1
            if found == count:
                return

    with cache.locked(f"benchmarks-loader-large-{count}", cache.to_stderr):
        if not final.exists():
            cache.install_folder(final, write)
    return final


def pictures(paths: Sequence[Path]) -> list[Sample]:
    """Files as samples."""
    return [Sample(path.stem, (Image(FileContent(path)),)) for path in paths]


def small_shards(size: int) -> Path:
    """So many samples with small pictures."""
    from PIL import Image as Picture

    contents = []
    for number in range(64):
        file = io.BytesIO()
        noise = np.random.default_rng(number).integers(0, 256, (4, 4, 3)).astype(np.uint8)
        Picture.fromarray(noise).resize((32, 32)).save(file, "JPEG")
        contents.append(BytesContent(file.getvalue()))
    samples = [
        Sample(f"{number:08d}", (Image(contents[number % 64]), Text(f"picture {number}")))
        for number in range(size)
    ]
    return shards_of(f"small-{size}", samples, per_shard=10_000)


def shards_of(name: str, samples: Sequence[Sample], per_shard: int) -> Path:
    """Shards in the cache folder, written on the first call."""
    final = cache.cache_root() / "benchmarks" / f"loader-{name}"

    def write(folder: Path) -> None:
        write_shards(ListSource("loader", samples), folder, samples_per_shard=per_shard)

    with cache.locked(f"benchmarks-loader-{name}", cache.to_stderr):
        if not final.exists():
            cache.install_folder(final, write)
    return final


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"


def _version(package: str) -> str:
    from importlib import metadata

    return metadata.version(package)
