"""Held-out retrieval of a recipe over several split seeds: each seed, and the mean.

Each seed holds out other things and trains anew; features come from the cache after the first.
Changes of the recipe are given with ``--set``: ``--set stages.heads.steps=150``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.harness import Findings
from interlingua.evaluate.run import evaluate_session
from interlingua.recipes import load_recipe
from interlingua.train.recipe import apply_overrides
from interlingua.train.session import train_recipe

DIRECTIONS = (
    ("text", "image"), ("image", "text"), ("sound", "image"), ("sound", "text"),
    ("speech", "image"), ("speech", "text"),
)  # fmt: skip


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this benchmark."""
    parser.add_argument("--set", nargs="*", default=[], help="a.b=c changes of the recipe")
    parser.add_argument("--recipe", default="demo")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])


def measure(options: argparse.Namespace) -> Findings:
    """Train and evaluate every seed."""
    seeds = options.seeds[:1] if options.quick else options.seeds
    figures = {str(seed): run(options.recipe, seed, options.set) for seed in seeds}
    lines = [f"{'':24}" + "".join(f"{f'seed {seed}':>16}" for seed in figures) + f"{'mean':>16}"]
    for query, gallery in DIRECTIONS:
        for k in ("1", "10"):
            values = [value(one["held_out"], query, gallery, k) for one in figures.values()]
            row = "".join(f"{number:16.3f}" for number in (*values, statistics.mean(values)))
            lines.append(f"{f'{query} → {gallery} R@{k}':24}{row}")
    return Findings(figures, lines)


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
