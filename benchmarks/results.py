"""A benchmark's results: as lines to read, as JSON to keep, as a chart."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import CaseResult, Ratio, SideResult
from interlingua.catalogue.cache import write_whole

FOLDER = Path(__file__).with_name("results")
FORMAT = 1


def case_lines(result: CaseResult) -> list[str]:
    """One case for the terminal."""
    lines = ["", f"{result.name}  ({result.amount:g} {result.unit} a round)"]
    if result.note:
        lines.append(f"  {result.note}")
    for peer, checks in result.checks.items():
        for check in checks:
            relation = ">=" if check.at_least else "<="
            lines.append(
                f"  {'equal' if check.passed else 'DIFFERENT'}: {check.what} to {peer}: "
                f"{check.value:.6g} ({relation} {check.limit:g})"
            )
    if not result.passed:
        return [*lines, "  The outputs differ, so nothing was timed."]
    ratios = {ratio.peer: ratio for ratio in result.ratios}
    width = max(len(side.name) for side in result.sides)
    lines += [
        f"  {side.name:{width}}  {_side(side, result.unit)}{_ratio(ratios.get(side.name))}"
        for side in result.sides
        if side.seconds
    ]
    for side in result.sides:
        if side.figures:
            told = ", ".join(f"{name} {short(value)}" for name, value in side.figures.items())
            lines.append(f"  {side.name:{width}}  {told}")
    return lines


def short(value: float) -> str:
    """Four digits, thousands written out."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _side(side: SideResult, unit: str) -> str:
    text = (
        f"{short(side.rate):>9} {unit}/s  {side.median * 1e3:9.1f} ms "
        f"[{min(side.seconds) * 1e3:.1f} to {max(side.seconds) * 1e3:.1f}]"
    )
    if side.ceiling_share is not None:
        text += f"  {side.ceiling_share:4.0%} of the {side.precision} ceiling"
    if side.memory is not None:
        text += f"  peak {side.memory['peak']:,.0f} MB (+{side.memory['added']:,.0f})"
    return text


def _ratio(ratio: Ratio | None) -> str:
    if ratio is None:
        return ""
    goal = ""
    if ratio.goal is not None:
        reached = "reached" if ratio.median >= ratio.goal else "MISSED"
        goal = f", aim {ratio.goal:g} {reached}"
    return f"  ours is {ratio.median:.2f} times as fast [{ratio.low:.2f} to {ratio.high:.2f}{goal}]"


def document(
    name: str,
    options: dict[str, Any],
    machine: dict[str, Any],
    limits: dict[str, Any] | None,
    *,
    cases: Sequence[CaseResult] = (),
    figures: dict[str, Any] | None = None,
    passed: bool,
) -> dict[str, Any]:
    """What is kept of a run."""
    return {
        "format": FORMAT,
        "benchmark": name,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "options": {key: value for key, value in sorted(options.items()) if _is_plain(value)},
        "machine": machine,
        "limits": limits,
        "passed": passed,
        "cases": [case.plain() for case in cases],
        "figures": figures,
    }


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str, list, tuple))


def default_path(name: str) -> Path:
    """``benchmarks/results/DATE-NAME.json``."""
    return FOLDER / f"{datetime.date.today().isoformat()}-{name.replace('_', '-')}.json"


def write(path: Path, result: dict[str, Any], charts: dict[str, str]) -> list[Path]:
    """Write the JSON and, beside it, its charts.

    Returns:
        The files.
    """
    text = json.dumps(result, indent=1, ensure_ascii=False, default=str)
    files = {path: text + "\n"}
    for name, svg in charts.items():
        suffix = f"-{name}" if name else ""
        files[path.with_name(f"{path.stem}{suffix}.svg")] = svg
    for file, content in files.items():
        write_whole(file, content.encode())
    return list(files)
