"""Files to EfficientNet features: decoding alone, the tower alone, first pass, and from the cache.

The first pass decodes, scales, runs the folded tower and writes the cache; the second reads it.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.harness import Case, Precision, Prepared, Side
from interlingua import data
from interlingua.data.loader import decode
from interlingua.device import pick_device, pick_precision
from interlingua.sample import Part
from interlingua.towers.pretrained import fingerprint, load_tower
from interlingua.towers.tower import Tower
from interlingua.train.feature_cache import FeatureCache


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this benchmark."""
    parser.add_argument("--source", default="clipart")
    parser.add_argument("--number", type=int, default=2000)
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Four pieces of the way, each on the same pictures."""
    number = 16 if options.quick else options.number
    found = [
        part for sample in data.open_source(options.source) for part in sample.alternatives("image")
    ]
    parts = found[:: max(1, len(found) // number)][:number]
    dtype = pick_precision(options.precision, pick_device("cpu"))
    name: Precision = "bf16" if dtype == torch.bfloat16 else "fp32"
    steps: dict[str, Callable[[Sequence[Part], Tower, torch.dtype], Prepared]] = {
        "decode and scale": decoding,
        "tower alone, 64 at once": tower_alone,
        "files to features": first_pass,
        "from the cache": second_pass,
    }
    for step, prepare in steps.items():
        amount = min(64, len(parts)) if prepare is tower_alone else len(parts)
        side = Side("interlingua", lambda prepare=prepare: prepare(parts, _tower(), dtype), name)
        yield Case(step, [side], amount, "pictures", note=f"of {options.source}, {name}")


def _tower() -> Tower:
    return load_tower("efficientnet", "efficientnet-lite0", fit="pad", trim=True)


def decoding(parts: Sequence[Part], tower: Tower, _: torch.dtype) -> Prepared:
    """Files to pixels."""
    return Prepared(
        lambda number: sum(map(len, decode(parts, tower.preprocess, on_error=lambda *_: None)))
    )


def tower_alone(parts: Sequence[Part], tower: Tower, dtype: torch.dtype) -> Prepared:
    """Pixels to features."""
    ready = tower.for_inference(dtype)
    pixels = next(decode(parts[:64], tower.preprocess, on_error=lambda *_: None)).values

    def run(_: int) -> object:
        with torch.inference_mode():
            return ready(pixels)

    return Prepared(run)


def first_pass(parts: Sequence[Part], tower: Tower, dtype: torch.dtype) -> Prepared:
    """Files to features, into a new cache each time."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    numbers = itertools.count()

    def run(_: int) -> object:
        place = folder / str(next(numbers))
        shutil.rmtree(folder, ignore_errors=True)
        place.mkdir(parents=True)
        return _features(place, parts, tower, dtype)

    return Prepared(run)


def second_pass(parts: Sequence[Part], tower: Tower, dtype: torch.dtype) -> Prepared:
    """Features from a filled cache."""
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    _features(folder, parts, tower, dtype)
    return Prepared(lambda number: _features(folder, parts, tower, dtype))


def _features(folder: Path, parts: Sequence[Part], tower: Tower, dtype: torch.dtype) -> object:
    cache = FeatureCache(folder)
    return cache.features(tower, fingerprint(tower), parts, tower.preprocess, precision=dtype)
