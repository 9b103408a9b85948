"""A small CLIP from random weights on a CPU: does it find what it never saw, and is it the pairs?

Recipe ``clip``, held-out stamps (by component, over all sources), against

- ``untrained``: the same towers with their random weights and trained linear heads, equal steps;
- ``shuffled``: the same training with the captions dealt out anew among the training pictures.

Wanted: R@10 at three times chance or more in both directions, and its interval above that of
``untrained``. Another exit code says that it was not reached.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks import arms
from benchmarks.harness import Findings
from interlingua.sample import Sample

TIMES_CHANCE = 3.0
HEADS = "[[projections.*, 1.0], [log_scale, 1.0]]"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of split and run")
    parser.add_argument("--steps", type=int, default=0, help="of each training (the recipe's)")
    parser.add_argument("--recipe", default="clip")
    parser.add_argument("--set", nargs="*", default=[], metavar="A.B=C", help="changes of all arms")
    parser.add_argument("--only", nargs="+", choices=("clip", "untrained", "shuffled"))


def measure(options: argparse.Namespace) -> Findings:
    """All arms of all seeds."""
    if options.quick:
        options.seeds, options.steps = options.seeds[:1], 20
    wanted = options.only or ["clip", "untrained", "shuffled"]
    found: dict[str, list[arms.Trained]] = {name: [] for name in wanted}
    for seed in options.seeds:
        for name in wanted:
            change = shuffled_captions(seed) if name == "shuffled" else None
            recipe = arms.recipe_of(options.recipe, seed, overrides(name, options))
            found[name].append(arms.measured(recipe, change=change))
            hits = {key: round(one.r_at[10].value, 3) for key, one in found[name][-1].found.items()}
            print(f"  seed {seed} {name}: {hits}, {found[name][-1].seconds:.0f} s", flush=True)
    rows = arms.results(found)
    pairs = [("clip", other) for other in wanted if other != "clip" and "clip" in wanted]
    gaps = arms.differences(found, pairs)
    lines = arms.table(rows, gaps)
    passed = options.quick or _reached(rows, lines)
    figures = {
        "recipe": options.recipe, "seeds": options.seeds, "steps": found[wanted[0]][0].steps,
        "results": rows, "differences": gaps, "reached": passed,
    }  # fmt: skip
    return Findings(figures=figures, lines=lines, passed=passed)


def overrides(name: str, options: argparse.Namespace) -> list[str]:
    """What an arm changes of the recipe."""
    changes = list(options.set)
    if options.steps:
        changes.append(f"stages.train.steps={options.steps}")
    if name == "untrained":
        # a head on both sides; the pooled vector of the recipe's picture tower is in the space
        changes += ["model.towers.image.projection=linear", f"stages.train.trainable={HEADS}"]
    return changes


def shuffled_captions(seed: int) -> arms.Change:
    """Each training picture gets the words of another; the component stays the picture's."""

    def change(samples: list[Sample]) -> list[Sample]:
        order = np.random.default_rng((seed, 7)).permutation(len(samples))
        return [
            replace(one, parts=(*_of(one, "image"), *_of(samples[other], "text")))
            for one, other in zip(samples, order, strict=True)
        ]

    return change


def _of(sample: Sample, view: str) -> list[object]:
    return [part for part in sample.parts if part.view == view]


def _reached(rows: Sequence[dict[str, object]], lines: list[str]) -> bool:
    """Whether the aim is met; says so in ``lines``."""
    by_arm = {(row["arm"], row["direction"]): row for row in rows}
    passed = True
    for (arm, direction), row in by_arm.items():
        if arm != "clip":
            continue
        enough = row["times_chance"] >= TIMES_CHANCE  # type: ignore[operator]
        control = by_arm.get(("untrained", direction))
        above = control is None or arms.apart(row, control)  # type: ignore[arg-type]
        passed = passed and enough and above
        words = "" if control is None else f", interval {'' if above else 'not '}above untrained"
        lines.append(
            f"{direction}: {row['times_chance']:.1f} x chance, {TIMES_CHANCE:.0f} "
            f"{'reached' if enough else 'missed'}{words}"
        )
    return passed
