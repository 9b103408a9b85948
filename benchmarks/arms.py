"""Trainings that are compared: each arm over the same split seeds, differences paired by query.

An arm is a recipe, its data perhaps changed after the split. Everything else (loop, batches,
measuring) is the library's. Shape legend: n queries, K values of k.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from interlingua.evaluate.intervals import bootstrap_rates, paired_difference
from interlingua.evaluate.retrieval import RetrievalResult
from interlingua.evaluate.run import measure
from interlingua.recipes import load_recipe
from interlingua.sample import Sample
from interlingua.train.loop import fit
from interlingua.train.recipe import Recipe, apply_overrides
from interlingua.train.run_folder import RunFolder, read_lines
from interlingua.train.session import Session, prepare, train_recipe

KS = (1, 10)
DIRECTIONS = (("text", "image"), ("image", "text"))
Change = Callable[[list[Sample]], list[Sample]]


@dataclass(slots=True)
class Trained:
    """What became of one arm with one seed.

    Attributes:
        found: by direction, among what was held out.
        seconds: of steps, this training's and those of the ones that it went on from; the median
            step of each stage counts, so that decoding in the first epoch doesn't.
        steps: of this training.
    """

    found: dict[str, RetrievalResult] = field(default_factory=dict)
    seconds: float = 0.0
    steps: int = 0


def recipe_of(name: str, seed: int, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe whose split, order and weights come from the seed."""
    seeded = [f"seed={seed}", f"data.split.seed={seed}", "evaluation.ks=[1, 10]"]
    return apply_overrides(load_recipe(name), [*seeded, *overrides])


def train(recipe: Recipe, folder: Path, change: Change | None = None) -> tuple[Session, float]:
    """A trained session, and the seconds that its steps took; ``change`` is of training samples."""
    if change is None:
        session = train_recipe(recipe, folder)
    else:
        session = prepare(recipe, RunFolder(folder))
        session.corpus.train = change(session.corpus.train)
        fit(
            session.model,
            {name: (use.objective.build(), use.weight) for name, use in recipe.objectives.items()},
            recipe.stages,
            session.stream_for(),
            session.run,
            device=session.device,
            precision=session.precision,
        )
        session.model.eval()
    return session, seconds_of(train_rows(session), recipe)


def measured(recipe: Recipe, *, change: Change | None = None, seconds: float = 0.0) -> Trained:
    """One arm with one seed; its folder is gone again."""
    with tempfile.TemporaryDirectory() as folder:
        session, spent = train(recipe, Path(folder) / "run", change)
    with torch.no_grad():
        table = measure(session, session.corpus.held_out).table
    found = {f"{one.query} → {one.gallery}": one.result for one in table}
    return Trained(found, seconds + spent, sum(stage.steps for stage in recipe.stages))


def train_rows(session: Session) -> list[dict[str, Any]]:
    """What the loop wrote down, step by step."""
    return [row for row in read_lines(session.run.metrics_path) if row["kind"] == "train"]


def seconds_of(rows: Sequence[dict[str, Any]], recipe: Recipe) -> float:
    """Steps times the median seconds of a step, stage by stage."""
    total = 0.0
    for stage in recipe.stages:
        here = [row for row in rows if row["stage"] == stage.name]
        pairs = list(itertools.pairwise(here)) or [({"seconds": 0.0}, here[-1])]
        each = [
            (after["seconds"] - before["seconds"]) / (after["step"] - before.get("step", 0))
            for before, after in pairs
        ]
        total += float(np.median(each)) * stage.steps
    return total


def results(arms: dict[str, list[Trained]]) -> list[dict[str, Any]]:
    """A row for each arm and direction: the seeds together, and each alone."""
    rows = []
    for arm, seeds in arms.items():
        for direction in seeds[0].found:
            found = [one.found[direction] for one in seeds]
            hits, component = pool(found)
            at_1, at_10 = bootstrap_rates(hits, component)
            chance = float(np.mean([one.chance[10] for one in found]))
            rows.append(
                {
                    "arm": arm,
                    "direction": direction,
                    "n": len(hits),
                    "gallery_size": found[0].gallery,
                    "r_at_1": at_1.to_json(),
                    "r_at_10": at_10.to_json(),
                    "chance_at_10": chance,
                    "times_chance": at_10.value / chance,
                    "seeds": [one.r_at[10].value for one in found],
                    "seconds": [one.seconds for one in seeds],
                }
            )
    return rows


def pool(found: Sequence[RetrievalResult]) -> tuple[np.ndarray, np.ndarray]:
    """Hits [n, K] and components [n] of all seeds; a thing of two seeds is one cluster."""
    hits = [np.stack([one.hits[k] for k in KS], axis=1) for one in found]
    return np.concatenate(hits), np.concatenate([one.component for one in found])


def differences(
    arms: dict[str, list[Trained]], pairs: Sequence[tuple[str, str]]
) -> list[dict[str, Any]]:
    """R@10 of one arm less that of another, over the same queries of all seeds."""
    rows = []
    for a, b in pairs:
        for direction in arms[a][0].found:
            first, component = pool([one.found[direction] for one in arms[a]])
            second, _ = pool([one.found[direction] for one in arms[b]])
            estimate = paired_difference(first[:, 1], second[:, 1], component)
            rows.append({"a": a, "b": b, "direction": direction, "r_at_10": estimate.to_json()})
    return rows


def table(rows: Sequence[dict[str, Any]], gaps: Sequence[dict[str, Any]]) -> list[str]:
    """R@10 with intervals for people, then the differences."""
    lines: list[str] = []
    for query, gallery in DIRECTIONS:
        direction = f"{query} → {gallery}"
        here = [row for row in rows if row["direction"] == direction]
        if not here:
            continue
        first = here[0]
        lines += [
            "",
            f"{direction}: R@10, n {first['n']}, gallery {first['gallery_size']}, "
            f"chance {first['chance_at_10']:.3f}",
        ]
        for row in here:
            seeds = " ".join(f"{value:.3f}" for value in row["seeds"])
            seconds = np.mean(row["seconds"])
            lines.append(
                f"  {row['arm']:28} {shown(row['r_at_10'])}  {row['times_chance']:.1f} x chance"
                f"   seeds {seeds}   {seconds:.0f} s"
            )
        for row in gaps:
            if row["direction"] == direction:
                lines.append(f"  {row['a']} - {row['b']}: {shown(row['r_at_10'], '+.3f')}")
    return lines


def shown(estimate: dict[str, float | None], spec: str = ".3f") -> str:
    """``0.163 [0.130, 0.197]``."""
    low, high = estimate["low"], estimate["high"]
    interval = "" if low is None or high is None else f" [{low:{spec}}, {high:{spec}}]"
    return f"{estimate['value']:{spec}}{interval}"


def apart(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether the interval of the first lies above that of the second."""
    low, high = first["r_at_10"]["low"], second["r_at_10"]["high"]
    return low is not None and high is not None and low > high
