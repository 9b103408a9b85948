"""Where to fuse: all fusions on the tasks of known structure, against what the field claims.

Runs ``interlingua fusion compare`` on each task with its own budget and checks the gates:

- synergy: fusions that interact beat late averaging by 15 points of success, intervals apart; told
  another episode's instruction they fall to the policy that only sees; with 10,000 demonstrations
  85 % succeed; where there is one object only (GoToObj) the instruction adds nothing;
- complement: the best fusion beats the best single modality, paired interval apart from zero; the
  bottleneck is within 3 points of full cross-attention at fewer FLOPs, at equal layers and widths
  (as its paper compares) and beside that at equal parameters;
- modality dropout: what is left after losing a modality is within 3 points of that single
  modality, and nothing lost costs 2 points at most;
- all of it within an hour on two cores.

No peer: there is no kept library that compares fusions (MultiBench's last commit is of 2024).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from benchmarks.harness import Findings
from interlingua.comparison.engine import compare
from interlingua.comparison.methods.budget import fusion_parameters
from interlingua.comparison.methods.plan import widths_of
from interlingua.comparison.result import Comparison
from interlingua.comparison.tasks import TABLE
from interlingua.comparison.tasks.synergy import Synergy
from interlingua.config import resolve, validate
from interlingua.fusion.cross_attention import CrossAttentionFusion

SEEDS = {"synergy": (0, 1, 2)}  # of the others one: they are five-fold
DROPOUT = ("complement_digits",)  # where runs with it are worth their time: all of it is an hour
INTERACTING = ("early", "cross_attention", "bottleneck", "film", "gated", "tensor", "low_rank")
MINUTES = 60


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tasks", nargs="+", default=[name for name in TABLE if name != "table"])
    parser.add_argument("--out", type=Path, default=Path("runs/fusion"), help="goes on from there")
    parser.add_argument("--seeds", nargs="+", type=int, help="for all tasks")


def measure(options: argparse.Namespace) -> Findings:
    """Every task, its gates, and what all of it took."""
    found: dict[str, Comparison] = {}
    began = time.monotonic()
    for name in options.tasks:
        task = resolve("comparison.tasks", name)
        settings = validate(task.Config, {"name": name, "quick": options.quick}, name)
        seeds = options.seeds or ((0,) if options.quick else SEEDS.get(name, (0,)))
        found[name] = compare(
            settings,
            out=options.out / (f"{name}-quick" if options.quick else name),
            seeds=seeds,
            dropout="some" if name in DROPOUT and not options.quick else "none",
        )
        print(f"  {name}: {found[name].seconds / 60:.1f} min", flush=True)
    gates = [gate for name, one in found.items() for gate in gates_of(name, one)]
    if not options.quick:
        for name in options.tasks:
            if name == "synergy":
                gates += _more_shown(options.out, found) + _one_object(options.out, found)
            if name.startswith("complement"):
                gates += _equal_layers(name, options.out, found)
    minutes = (time.monotonic() - began) / 60
    gates.append(("all tasks", f"{minutes:.0f} min of {MINUTES}", minutes <= MINUTES))
    lines = [line for name, one in found.items() for line in (f"{name}:", *table(one))]
    lines += [f"  {'held  ' if good else 'MISSED'} {what}: {value}" for what, value, good in gates]
    figures: dict[str, Any] = {
        "minutes": minutes,
        "gates": [{"gate": what, "value": value, "held": good} for what, value, good in gates],
        "comparisons": {name: one.to_json() for name, one in found.items()},
    }
    return Findings(figures=figures, lines=lines, passed=all(good for _, _, good in gates))


def table(found: Comparison) -> list[str]:
    """One line for each method."""
    lines = []
    for row in found.rows:
        acted = f"  success {row.success.rate}" if row.success else ""
        times = row.costs.times if row.costs else {}
        cost = "  ".join(f"{name} x{value:.2f}" for name, value in times.items())
        lines.append(f"  {row.key:28s} {row.accuracy}{acted}  {cost}")
    return lines


def gates_of(name: str, found: Comparison) -> list[tuple[str, str, bool]]:
    """What is asked of a task: (what, figure, held)."""
    gates = []
    if name == "synergy":
        gates += _synergy(found)
    if name.startswith("complement"):
        gates += _complement(name, found)
    for row in found.rows:
        if row.key.endswith("+dropout"):
            gates += _dropout(name, found, row)
    return gates


def _synergy(found: Comparison) -> list[tuple[str, str, bool]]:
    gates = []
    late = found.row("late_average")
    for key in INTERACTING:
        row = found.row(key)
        if late is None or row is None or late.success is None or row.success is None:
            continue
        gain = row.success.rate.value - late.success.rate.value
        apart = row.success.rate.low > late.success.rate.high
        value = f"{100 * gain:+.1f} points, {row.success.rate} against {late.success.rate}"
        gates.append((f"synergy {key} - late_average", value, gain >= 0.15 and apart))
    seen = found.row("only view")
    for row in found.rows:
        if row.success is None or seen is None or seen.success is None:
            continue
        for other in row.success.exchanged.values():
            value = f"{other} against {seen.success.rate}"
            falls = other.low <= seen.success.rate.high
            gates.append((f"synergy {row.key}, told something else, - only view", value, falls))
    return gates


def _complement(name: str, found: Comparison) -> list[tuple[str, str, bool]]:
    gates = []
    fused = [row for row in found.rows if len(row.modalities) > 1 and not row.dropout]
    best = max(fused, key=lambda row: row.accuracy.value)
    gain = found.difference(best.key, found.best_single)
    if gain is not None:
        gates.append((f"{name} {best.key} - {found.best_single}", str(gain), gain.low > 0))
    bottleneck, cross = found.row("bottleneck"), found.row("cross_attention")
    if bottleneck and cross and bottleneck.costs and cross.costs:
        lost = bottleneck.accuracy.value - cross.accuracy.value
        share = bottleneck.costs.answer_flops / cross.costs.answer_flops
        value = f"{100 * lost:+.1f} points at {share:.2f} of the FLOPs"
        gates.append(
            (
                f"{name} bottleneck - cross_attention of equal parameters",
                value,
                lost >= -0.03 and share < 1,
            )
        )
    return gates


def _more_shown(out: Path, found: dict[str, Comparison]) -> list[tuple[str, str, bool]]:
    """The quickest learner with five times the demonstrations."""
    settings = Synergy.Config(demonstrations=10_000, steps=3_000)
    name = "synergy, 10,000 demonstrations"
    made = found[name] = compare(
        settings, out=out / "synergy-10000", fusions=("cross_attention",), dropout="none"
    )
    row = made.row("cross_attention")
    if row is None or row.success is None:
        return []
    return [(f"{name}: cross_attention", str(row.success.rate), row.success.rate.value >= 0.85)]


def _one_object(out: Path, found: dict[str, Comparison]) -> list[tuple[str, str, bool]]:
    """A room with one object: what is said is redundant."""
    settings = Synergy.Config(level="BabyAI-GoToObj-v0", steps=500)
    name = "redundancy, one object"
    made = found[name] = compare(
        settings, out=out / "synergy-one-object", fusions=("cross_attention",), dropout="none"
    )
    both, seen = made.row("cross_attention"), made.row("only view")
    if both is None or seen is None or both.success is None or seen.success is None:
        return []
    gain = both.success.rate.value - seen.success.rate.value
    value = f"{100 * gain:+.1f} points, {both.success.rate} against {seen.success.rate}"
    return [(f"{name}: cross_attention - only view", value, abs(gain) <= 0.03)]


def _equal_layers(
    name: str, out: Path, found: dict[str, Comparison]
) -> list[tuple[str, str, bool]]:
    """Bottleneck against cross-attention in every block, its layers and widths as they are."""
    task = resolve("comparison.tasks", name)
    settings = validate(task.Config, {"name": name}, name)
    built = settings.build()
    full = CrossAttentionFusion.Config(fusion_layers=2)
    size = fusion_parameters(full, widths_of(built).tokens, len(built.classes))
    made = compare(
        settings, out=out / f"{name}-full", fusions=(full,), dropout="none", parameters=size
    )
    found[f"{name}, full cross-attention"] = made
    cross = next((row for row in made.rows if len(row.modalities) > 1), None)
    bottleneck = found[name].row("bottleneck")
    if cross is None or bottleneck is None or cross.costs is None or bottleneck.costs is None:
        return []
    lost = bottleneck.accuracy.value - cross.accuracy.value
    share = bottleneck.costs.answer_flops / cross.costs.answer_flops
    value = f"{100 * lost:+.1f} points at {share:.2f} of the FLOPs"
    what = f"{name} bottleneck - cross_attention of equal layers and widths"
    return [(what, value, lost >= -0.03 and share < 1)]


def _dropout(name: str, found: Comparison, row: Any) -> list[tuple[str, str, bool]]:
    gates = []
    whole = found.difference(row.key, row.key.removesuffix("+dropout"))
    if whole is not None:
        what = f"{name} {row.key}, nothing missing, - without dropout"
        gates.append((what, str(whole), whole.value >= -0.02))
    for one in row.presence:
        if len(one.present) < len(row.modalities) and one.against_single is not None:
            what = f"{name} {row.key}, only {'+'.join(one.present)}, - {one.single}"
            gates.append((what, str(one.against_single), one.against_single.value >= -0.03))
    return gates
