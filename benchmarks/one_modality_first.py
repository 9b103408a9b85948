"""One modality first, then across: towers that learned alone, against two other ways, equal cost.

- ``alone``: picture tower by masked patches, then by classes; text tower by masked words; then
  both are aligned (recipes ``picture_patches``, ``picture_classes``, ``caption_words``,
  ``aligned``);
- ``scratch``: the same towers aligned from random weights, with the steps that the others took;
- ``pretrained``: real weights (EfficientNet-Lite0 and MiniLM, frozen) with trained heads;
- ``pretrained-tuned``: the same, MiniLM learning on (only where asked for).

Cost is seconds of optimizer steps on this machine. ``alone`` runs first; what all its steps took is
the budget. The others' steps come from a timed probe of theirs, so they end near it; the table has
the seconds. Outside of the budget: what the pretrained weights cost their makers, and the
features of frozen towers, which are computed before the first step.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks import arms
from benchmarks.harness import Findings
from interlingua.models.pretrained import save_pretrained

ARMS = ("alone", "scratch", "pretrained", "pretrained-tuned")
PROBE_STEPS = 20
MAX_STEPS = 5000  # a head over cached features is so cheap that more would only overfit


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of split and run")
    parser.add_argument("--share", type=float, default=0.5, help="of the recipes' steps")
    parser.add_argument("--only", nargs="+", choices=ARMS, default=list(ARMS[:3]))
    parser.add_argument("--set", nargs="*", default=[], metavar="A.B=C", help="changes of all arms")


def measure(options: argparse.Namespace) -> Findings:
    """All arms of all seeds, each at the cost of the first."""
    if options.quick:
        options.seeds, options.share = options.seeds[:1], 0.03
    wanted = ["alone", *(name for name in options.only if name != "alone")]
    found: dict[str, list[arms.Trained]] = {name: [] for name in wanted}
    parts: list[dict[str, float]] = []
    for seed in options.seeds:
        first, seconds = alone(seed, options)
        found["alone"].append(first)
        parts.append(seconds)
        for name in wanted[1:]:
            found[name].append(at_cost(name, seed, first.seconds, options))
        for name in wanted:
            one = found[name][-1]
            hits = {key: round(value.r_at[10].value, 3) for key, value in one.found.items()}
            print(
                f"  seed {seed} {name}: {hits}, {one.steps} steps, {one.seconds:.0f} s", flush=True
            )
    rows = arms.results(found)
    for row in rows:
        row["steps"] = [one.steps for one in found[row["arm"]]]
    gaps = arms.differences(found, [("alone", name) for name in wanted[1:]])
    figures = {
        "seeds": options.seeds, "share": options.share, "seconds_alone": parts,
        "results": rows, "differences": gaps,
    }  # fmt: skip
    return Findings(figures=figures, lines=arms.table(rows, gaps))


def alone(seed: int, options: argparse.Namespace) -> tuple[arms.Trained, dict[str, float]]:
    """Each tower by itself, then both; and the seconds of each part."""
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)

        def learn(name: str, view: str, *more: str) -> str:
            """Train a recipe of one tower; gives the change that goes on from it."""
            recipe = arms.recipe_of(name, seed, _changes(name, options, *more))
            session, seconds[name] = arms.train(recipe, folder / name)
            out = folder / f"{name}-{view}"
            save_pretrained(session.model, out, layout="interlingua", part=f"towers.{view}")
            return f"model.towers.{view}.weights={out}"

        patches = learn("picture_patches", "image")
        classes = learn("picture_classes", "image", patches)
        words = learn("caption_words", "text")
        recipe = arms.recipe_of("aligned", seed, _changes("aligned", options, classes, words))
        done = arms.measured(recipe, seconds=sum(seconds.values()))
    seconds["aligned"] = done.seconds - sum(seconds.values())
    return done, seconds


def at_cost(name: str, seed: int, budget: float, options: argparse.Namespace) -> arms.Trained:
    """An arm with as many steps as the budget of seconds pays for."""
    probe = arms.recipe_of("aligned", seed, _steps(name, PROBE_STEPS, options))
    with tempfile.TemporaryDirectory() as folder:  # fills the feature cache as well
        _, seconds = arms.train(probe, Path(folder) / "run")
    per_step = seconds / PROBE_STEPS
    steps = max(PROBE_STEPS, min(MAX_STEPS, round(budget / per_step)))
    return arms.measured(arms.recipe_of("aligned", seed, _steps(name, steps, options)))


def _steps(name: str, steps: int, options: argparse.Namespace) -> list[str]:
    """One stage for all that the arm trains."""
    stage = (
        f"[{{name: train, steps: {steps}, batch_size: 256, learning_rate: 1.0e-3, "
        f"warmup_steps: {max(1, steps // 20)}, weight_decay: 0.1, log_every: 1}}]"
    )
    changes = [f"stages={stage}", *options.set]
    if name == "scratch":
        return changes
    image = "{name: efficientnet, variant: lite0, fit: pad, trim: true}"
    frozen = name == "pretrained"
    changes += [
        f"model.towers.image={{tower: {image}, weights: efficientnet-lite0, frozen: true, "
        "dropout: 0.3}",
        "model.towers.text={tower: {name: bert, max_tokens: 32}, weights: minilm, "
        f"frozen: {str(frozen).lower()}, dropout: 0.1}}",
    ]
    if not frozen:  # a pretrained tower needs a rate some twenty times lower than a new head
        changes.append("stages.train.trainable=[[towers.*, 0.05], ['*', 1.0]]")
    return changes


def _changes(name: str, options: argparse.Namespace, *more: str) -> list[str]:
    """The recipe with its share of steps."""
    recipe = arms.recipe_of(name, 0)
    steps = [
        f"stages.{stage.name}.steps={max(4, round(stage.steps * options.share))}"
        for stage in recipe.stages
    ]
    return [*steps, *more, *options.set]
