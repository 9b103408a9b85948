"""A comparison of fusions as one table on the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from interlingua.cli.output import answers, note, print_text

if TYPE_CHECKING:
    from interlingua.evaluate.intervals import Estimate
    from interlingua.report.fusion_figures import Figures

MOST_FAILED = 5


def show_comparison(data: Mapping[str, Any]) -> None:
    """Print the table, what it means, and what the reader must know."""
    from interlingua.report.fusion import failure
    from interlingua.report.fusion_figures import Figures

    figures = Figures(data)
    task = data["task"]
    for text in (*task["notes"], *data["notes"]):
        note(text)
    print_text(f"{task['name']}: {task['title']}")
    print_text(_facts(figures))
    answers().print(_table(figures), highlight=False)
    print_text(_verdict(figures))
    print_text(
        f"1 gone: {figures.metric} with the worst one modality missing; "
        "calibr.: expected error of the confidence; FLOPs and time: of a training step, as "
        "multiples of the dearest single modality's; robust: area under accuracy while all "
        "modalities get worse"
    )
    for failed in data["failed"][:MOST_FAILED]:
        note(f"failed: {failure(failed)}")
    if len(data["failed"]) > MOST_FAILED:
        note(f"failed: and {len(data['failed']) - MOST_FAILED} more, see comparison.json")


def _facts(figures: Figures) -> str:
    task = figures.data["task"]
    budget = task["budget"]
    seeds = len(task["seeds"])
    parts = [
        f"{len(task['classes'])} classes",
        f"{task['train']:,.0f} things to train on, {task['test']:,.0f} to test on",
        f"{task['folds']} {'fold' if task['folds'] == 1 else 'folds'}",
        f"{seeds} {'seed' if seeds == 1 else 'seeds'}",
        f"{budget['steps']:,.0f} steps of {budget['batch_size']:.0f}",
        f"chance {task['chance']:.1%}, commonest class {task['majority']:.1%}",
    ]
    return "; ".join(parts)


def _table(figures: Figures) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("method", no_wrap=True)
    heads = ("parameters", f"{figures.metric} [95 %]", "− best single", "1 gone", "calibr.",
             "FLOPs", "time", "robust")  # fmt: skip
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    best, tied = figures.best(), figures.tied()
    groups = [
        sorted(rows, key=lambda row: -_sortable(figures.headline(row).value))
        for rows in (figures.fusions, figures.singles, figures.dropped)
    ]
    for number, rows in enumerate(groups):
        for row in rows:
            mark = "★ " if row is best else "≈ " if row in tied else "  "
            style = "bold" if row is best else ""
            table.add_row(*_cells(figures, row, mark), style=style)
        if rows and any(groups[number + 1 :]):
            table.add_row("")
    return table


def _cells(figures: Figures, row: Mapping[str, Any], mark: str) -> list[Text]:
    headline = figures.headline(row)
    single = figures.data["best_single"]
    against = figures.difference(row["key"], single) if single and single != row["key"] else None
    calibration = row["calibration"]["error"]
    cells = [
        f"{mark}{row['key']}",
        f"{row['parameters']['fusion']:,}{'' if row['parameters']['matched'] else '!'}",
        f"{headline.value:.1%} {_interval(headline)}",
        "" if against is None else f"{against.value * 100:+.1f} {_interval(against, signed=True)}",
        "" if math.isnan(figures.one_gone(row)) else f"{figures.one_gone(row):.1%}",
        "" if calibration is None else f"{calibration:.3f}",
        _times(figures.times(row, "step_flops")),
        _times(figures.times(row, "step_seconds")),
        "" if math.isnan(figures.relative(row)) else f"{figures.relative(row):.3f}",
    ]
    return [Text(cell.replace("-", "−") if number else cell) for number, cell in enumerate(cells)]


def _verdict(figures: Figures) -> str:
    from interlingua.report.fusion_figures import names

    best = figures.best()
    if best is None:
        return "No method was trained to its end."
    tied = figures.tied()
    lines = [f"★ best: {best['key']}, {figures.metric} {figures.headline(best).value:.1%}."]
    if tied:
        lines.append(f"≈ not told apart from it (intervals overlap): {names(tied)}.")
    if any(not row["parameters"]["matched"] for row in figures.rows):
        lines.append("! its parameters are not within 10 % of the others'.")
    return " ".join(lines)


def _interval(value: Estimate, *, signed: bool = False) -> str:
    if math.isnan(value.low) or math.isnan(value.high):
        return "[–]"
    form = "+.1f" if signed else ".1f"
    return f"[{value.low * 100:{form}}, {value.high * 100:{form}}]"


def _times(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}×"


def _sortable(value: float) -> float:
    return -math.inf if math.isnan(value) else value
