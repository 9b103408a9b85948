"""Picture files to features, EfficientNet-Lite0: ours, timm and the weights' reference package.

The files are those of ``clipart_set.py``, JPEG and PNG; resized, cut to 224 pixels and normalised
as the weights want it, averaged over the last map: 1,280 numbers each. Ours: the first pass of the
feature cache, which training makes: files are read for their digests, decoded in threads, go
through the folded tower, and the features are written to the disk. timm and
``efficientnet_lite_pytorch``: timm's own evaluation preprocessing in a ``DataLoader`` with 0 and 2
workers, batches of 64, fp32 (their default), and timm at its best, bf16 and channels-last; they
write nothing. All have the same weights. Then the tower alone, and reading what the cache has.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.clip_training import DTYPES, autocast
from benchmarks.clipart_set import clipart_set, images
from benchmarks.compare import as_rows, row_cosines
from benchmarks.embed_images import BATCH_SIZE, Files, add_file_options, slices
from benchmarks.harness import Case, Check, Precision, Prepared, Side
from interlingua.data.loader import decode
from interlingua.device import has_fast_bf16, pick_device
from interlingua.towers.efficientnet import EfficientNet
from interlingua.towers.pretrained import fingerprint, load_tower
from interlingua.towers.tower import ImagePreprocess
from interlingua.train.feature_cache import FeatureCache

# products and sums of one picture of 224 pixels: the table of EfficientNet-lite's authors
# (tensorflow/tpu, models/official/efficientnet/lite)
FLOPS = 2 * 407e6
compare = row_cosines("features", 0.999)
# with a peer whose own bf16 is at a cosine of 0.988 to 0.997 to fp32 on drawings
compare_roughly = row_cosines("features", 0.98)
Paths = Sequence[Path]
Encode = Callable[[Tensor], Tensor]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this benchmark."""
    add_file_options(parser)


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """One of each file format, the tower alone, and the cache."""
    per_round = 16 if options.quick else options.pictures_per_round
    pictures = clipart_set(min(2000, per_round * options.rounds))
    ours: Precision = "bf16" if has_fast_bf16(pick_device(options.device)) else "fp32"
    for file_format in options.formats:
        rounds = slices(pictures.paths(file_format), per_round)
        yield files_case(file_format, rounds, ours, options.device)
    paths = pictures.paths("jpeg")
    yield tower_case(paths[: 8 if options.quick else BATCH_SIZE], ours, options.device)
    yield Case(
        "from the cache",
        [Side("interlingua", lambda: second_pass(paths[:per_round], ours, options.device), ours)],
        amount=per_round,
        unit="pictures",
        note="the files are known by their sizes and times, the features are read and verified",
    )


def files_case(file_format: str, rounds: Sequence[Paths], ours: Precision, device: str) -> Case:
    """Files to features."""

    def timm_with(workers: int, precision: Precision) -> Prepared:
        return from_loader(timm_model(precision, device), rounds, workers, precision, device)

    reference = f"efficientnet_lite_pytorch {_version('efficientnet_lite_pytorch')}"
    timm = f"timm {_version('timm')}"
    return Case(
        f"{file_format} files to features",
        [
            Side("interlingua", lambda: first_pass(rounds, ours, device), ours),
            Side(
                f"{reference} fp32, 2 workers",
                lambda: from_loader(reference_model(device), rounds, 2, "fp32", device),
                goal=1.5,
            ),
            Side(f"{timm} fp32, 0 workers", lambda: timm_with(0, "fp32"), goal=1.5),
            Side(f"{timm} fp32, 2 workers", lambda: timm_with(2, "fp32"), goal=1.5),
            Side(
                f"{timm} bf16, 2 workers",
                lambda: timm_with(2, "bf16"),
                "bf16",
                goal=1.0,
                compare=compare_roughly,
            ),
        ],
        amount=len(rounds[0]),
        unit="pictures",
        compare=compare,
        exact=lambda: same_in_fp32(rounds[0][:8], device),
        note=f"{sum(map(len, rounds))} files of 400 to 800 pixels in {len(rounds)} slices, "
        f"ours in {ours}, written to a new cache",
    )


def tower_case(paths: Paths, ours: Precision, device: str) -> Case:
    """Pixels in memory to features."""
    tower = our_tower()
    pixels = pixels_of(tower, paths)
    floats = tower.normalize(pixels)
    timm = f"timm {_version('timm')}"
    return Case(
        f"tower alone, {len(paths)} at once",
        [
            Side("interlingua", lambda: our_tower_alone(pixels, ours, device), ours),
            Side(
                f"efficientnet_lite_pytorch {_version('efficientnet_lite_pytorch')} fp32",
                lambda: alone(reference_model(device), floats, "fp32", device),
            ),
            Side(f"{timm} fp32", lambda: alone(timm_model("fp32", device), floats, "fp32", device)),
            Side(
                f"{timm} bf16",
                lambda: alone(timm_model("bf16", device), floats, "bf16", device),
                "bf16",
                compare=compare_roughly,
            ),
        ],
        amount=len(paths),
        unit="pictures",
        compare=compare,
        flops=len(paths) * FLOPS,
        note="uint8 pixels for ours, normalised floats for the peers",
    )


def same_in_fp32(paths: Paths, device: str) -> list[Check]:
    """Every number of every feature, of the same pixels in fp32, against both peers."""
    tower = our_tower()
    pixels = pixels_of(tower, paths)
    floats = tower.normalize(pixels)
    ours = as_rows(our_tower_alone(pixels, "fp32", device).outputs())
    found = []
    for name, encode in (("timm", timm_model("fp32", device)),
                         ("the reference package", reference_model(device))):  # fmt: skip
        theirs = as_rows(alone(encode, floats, "fp32", device).outputs())
        largest = float(np.abs(ours - theirs).max())
        found.append(Check(f"fp32 features beside {name}: largest difference", largest, 1e-5))
    return found


def our_tower() -> EfficientNet:
    """EfficientNet-Lite0 as its weights were trained: the centre of the picture."""
    tower = load_tower("efficientnet", "efficientnet-lite0", fit="crop")
    assert isinstance(tower, EfficientNet)
    return tower


def pixels_of(tower: EfficientNet, paths: Paths) -> Tensor:
    """[M, 3, 224, 224] uint8, as our data side makes them."""
    return next(decode(images(paths), tower.preprocess, batch_size=len(paths))).values


def first_pass(rounds: Sequence[Paths], precision: Precision, device: str) -> Prepared:
    """Files to features, into a new cache each time."""
    folder = tempfile.TemporaryDirectory(prefix="benchmark-")
    numbers = itertools.count()
    features = cached_features(precision, device)

    def run(number: int) -> Any:
        place = Path(folder.name) / str(next(numbers))
        found = features(place, rounds[number % len(rounds)])
        shutil.rmtree(place)
        return found

    return Prepared(run)


def second_pass(paths: Paths, precision: Precision, device: str) -> Prepared:
    """Features from a filled cache."""
    folder = tempfile.TemporaryDirectory(prefix="benchmark-")
    features = cached_features(precision, device)
    features(Path(folder.name), paths)
    return Prepared(lambda _: features(Path(folder.name), paths))


def cached_features(precision: Precision, device: str) -> Callable[[Path, Paths], Any]:
    """``FeatureCache.features`` by our tower, for a folder and files."""
    tower = our_tower()
    key = fingerprint(tower)

    def features(folder: Path, paths: Paths) -> Any:
        table = FeatureCache(folder).features(
            tower, key, images(paths), tower.preprocess, precision=DTYPES[precision], device=device
        )
        return table.values[table.rows]

    return features


def our_tower_alone(pixels: Tensor, precision: Precision, device: str) -> Prepared:
    """The folded tower on pixels."""
    ready = our_tower().for_inference(DTYPES[precision]).to(device)
    there = pixels.to(device)

    def run(_: int) -> Any:
        with torch.inference_mode():
            return ready(there).pooled

    return Prepared(run)


def reference_model(device: str) -> Encode:
    """``extract_features`` of ``efficientnet_lite_pytorch`` and the average over the map."""
    model: Any = _reference().to(device)  # a peer's class, which mypy knows nothing of

    def encode(pixels: Tensor) -> Tensor:
        pooled: Tensor = model.extract_features(pixels).mean((2, 3))
        return pooled

    return encode


def timm_model(precision: Precision, device: str) -> Encode:
    """timm's ``tf_efficientnet_lite0`` without its classifier, with the same weights.

    Its tensors have other names and the same order; the harness compares what comes out.
    """
    import timm

    model: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0)
    theirs = model.state_dict()
    values = [v for name, v in _reference().state_dict().items() if not name.startswith("_fc.")]
    model.load_state_dict(dict(zip(theirs, values, strict=True)))
    model = model.to(device).eval()
    if precision == "bf16":
        model = model.to(memory_format=torch.channels_last)

    def encode(pixels: Tensor) -> Tensor:
        if precision == "bf16":
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        features: Tensor = model(pixels)
        return features

    return encode


def _reference() -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet as Reference
    from safetensors.torch import load_file

    from interlingua import weights

    model: nn.Module = Reference.from_name("efficientnet-lite0")
    model.load_state_dict(load_file(Path(weights.get("efficientnet-lite0")) / "model.safetensors"))
    return model.eval()


def from_loader(
    encode: Encode, rounds: Sequence[Paths], workers: int, precision: Precision, device: str
) -> Prepared:
    """timm's preprocessing in a ``DataLoader``, then the model."""
    from timm.data import create_transform

    wanted = our_tower().preprocess
    assert isinstance(wanted, ImagePreprocess)
    preprocess = create_transform(
        wanted.size, interpolation="bicubic", crop_pct=wanted.crop_fraction, mean=wanted.mean,
        std=wanted.std,
    )  # fmt: skip

    def run(number: int) -> Any:
        files = Files(rounds[number % len(rounds)], preprocess)
        loader = torch.utils.data.DataLoader(files, BATCH_SIZE, num_workers=workers)
        with torch.inference_mode(), autocast(device, DTYPES[precision]):
            return torch.cat([encode(pixels.to(device)).float().cpu() for pixels in loader])

    return Prepared(run)


def alone(encode: Encode, floats: Tensor, precision: Precision, device: str) -> Prepared:
    """A peer's model on pixels in memory."""
    there = floats.to(device)

    def run(_: int) -> Any:
        with torch.inference_mode(), autocast(device, DTYPES[precision]):
            return encode(there)

    return Prepared(run)


def _version(package: str) -> str:
    import importlib.metadata

    return importlib.metadata.version(package)
