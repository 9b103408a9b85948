"""Files to EfficientNet features: pictures a second, first pass and from the cache.

The first pass decodes, scales, runs the folded tower and writes the cache; the second reads
it. Command: ``python benchmarks/files_to_features.py [--source clipart] [--number 2000]``
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch

from interlingua import data
from interlingua.data.loader import decode
from interlingua.device import pick_device, pick_precision
from interlingua.towers.pretrained import fingerprint, load_tower
from interlingua.train.feature_cache import FeatureCache


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default="clipart")
    parser.add_argument("--number", type=int, default=2000)
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
    arguments = parser.parse_args()
    parts = [
        part
        for sample in data.open_source(arguments.source)
        for part in sample.alternatives("image")
    ]
    step = max(1, len(parts) // arguments.number)
    parts = parts[::step][: arguments.number]
    precision = pick_precision(arguments.precision, pick_device("cpu"))
    tower = load_tower("efficientnet", "efficientnet-lite0", fit="pad", trim=True)
    key = fingerprint(tower)

    began = time.perf_counter()
    decoded = sum(len(chunk) for chunk in decode(parts, tower.preprocess, on_error=lambda *_: None))
    decoding = time.perf_counter() - began
    ready = tower.for_inference(precision)
    pixels = next(decode(parts[:64], tower.preprocess, on_error=lambda *_: None)).values
    with torch.inference_mode():
        ready(pixels)
        began = time.perf_counter()
        for _ in range(10):
            ready(pixels)
    alone = 10 * len(pixels) / (time.perf_counter() - began)
    with tempfile.TemporaryDirectory() as folder:
        passes = []
        for _ in range(2):
            began = time.perf_counter()
            table = FeatureCache(Path(folder)).features(
                tower, key, parts, tower.preprocess, precision=precision
            )
            passes.append(len(table) / (time.perf_counter() - began))
    threads = torch.get_num_threads()
    print(f"{len(parts)} pictures of {arguments.source}, {precision}, {threads} threads")
    print(f"decode and scale alone   {decoded / decoding:9.0f} pictures/s")
    print(f"tower alone, 64 at once  {alone:9.0f} pictures/s")
    print(f"files to features        {passes[0]:9.0f} pictures/s")
    print(
        f"from the cache           {passes[1]:9.0f} pictures/s, {passes[1] / passes[0]:.0f} times"
    )


if __name__ == "__main__":
    main()
