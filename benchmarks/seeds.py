"""Held-out retrieval of a recipe over several split seeds: each seed, and the mean.

Each seed holds out other things and trains anew; features come from the cache after the
first. Command: ``python benchmarks/seeds.py [--seeds 0 1 2] [a.b=c ...]``
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from interlingua.evaluate.run import evaluate_session
from interlingua.recipes import load_recipe
from interlingua.train.recipe import apply_overrides
from interlingua.train.session import train_recipe

DIRECTIONS = (
    ("text", "image"), ("image", "text"), ("sound", "image"), ("sound", "text"),
    ("speech", "image"), ("speech", "text"),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("overrides", nargs="*", help="a.b=c changes of the recipe")
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--json", type=Path, help="where the figures are written")
    arguments = parser.parse_args()
    began = time.perf_counter()
    figures = {seed: run(arguments.recipe, seed, arguments.overrides) for seed in arguments.seeds}
    print(f"{'':24}" + "".join(f"{f'seed {seed}':>16}" for seed in figures) + f"{'mean':>16}")
    for query, gallery in DIRECTIONS:
        for k in ("1", "10"):
            values = [value(one["held_out"], query, gallery, k) for one in figures.values()]
            mean = statistics.mean(values)
            row = "".join(f"{number:16.3f}" for number in (*values, mean))
            print(f"{f'{query} → {gallery} R@{k}':24}{row}")
    print(f"{time.perf_counter() - began:.0f} s, torch {torch.__version__}, {platform.processor()}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1, ensure_ascii=False))


def run(name: str, seed: int, overrides: list[str]) -> dict[str, Any]:
    """The figures of one seed, trained in a folder that is removed again."""
    recipe = load_recipe(name)
    recipe = apply_overrides(recipe, [f"seed={seed}", f"data.split.seed={seed}", *overrides])
    with tempfile.TemporaryDirectory() as folder:
        return evaluate_session(train_recipe(recipe, Path(folder) / "run")).figures


def value(rows: list[dict[str, Any]], query: str, gallery: str, k: str) -> float:
    """R@k of one direction."""
    for row in rows:
        if (row["query"], row["gallery"]) == (query, gallery):
            return float(row["r_at"][k]["value"])
    return float("nan")


if __name__ == "__main__":
    main()
