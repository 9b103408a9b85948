"""``interlingua eval``: what a finished or unfinished run is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from interlingua.cli.options import DeviceOption, JsonOption, RunArgument
from interlingua.cli.output import answers, print_json, print_text


def evaluate(run: RunArgument, json: JsonOption = False, device: DeviceOption = "auto") -> None:
    """Measure a run: retrieval in all directions on held-out things, with 95 % intervals.

    Each row has the score of a random ranking (chance) and of broken pairs (wrong) beside it.

    Examples:
    ```
    interlingua eval runs/demo
    interlingua eval runs/demo --json > figures.json
    ```
    """
    from interlingua.evaluate.run import evaluate_session
    from interlingua.train.log import display_for
    from interlingua.train.session import open_run

    figures = evaluate_session(open_run(run, device=device, display=display_for())).figures
    if json:
        print_json(figures)
    else:
        show_figures(figures)


def show_figures(figures: Mapping[str, Any]) -> None:
    """Directions and comparisons as tables, everything else as ``name: value``."""
    console = answers()
    for name, value in figures.items():
        if is_direction_list(value):
            console.print(direction_table(name, value), highlight=False)
        elif is_comparison(value):
            console.print(comparison_table(name, value), highlight=False)
        else:
            print_text(f"{name}: {readable(value)}")


def is_direction_list(value: Any) -> bool:
    """Whether this is what ``evaluate.directions.DirectionTable.to_json`` gives."""
    return isinstance(value, list) and bool(value) and all("r_at" in row for row in value)


def direction_table(title: str, rows: list[dict[str, Any]]) -> Table:
    """One line for each direction."""
    table = Table(title=title.replace("_", " "))
    ks = list(rows[0]["r_at"])
    table.add_column("query → gallery", no_wrap=True)
    for k in ks:
        table.add_column(f"R@{k} [95 %]", justify="right", no_wrap=True)
    for column in (f"chance@{ks[-1]}", f"wrong@{ks[-1]}", "median rank", "N", "of"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            Text(f"{row['query']} → {row['gallery']}"),  # speech[fr] is no markup
            *(Text(readable(row["r_at"][k])) for k in ks),
            readable(row["chance"][ks[-1]]),
            readable(row.get("control", {}).get(ks[-1], {}).get("value")),
            f"{row['median_rank']:.1f}",
            str(row["n"]),
            str(row["gallery_size"]),
        )
    return table


def is_comparison(value: Any) -> bool:
    """Whether this is what ``evaluate.run.speech_against_length`` gives."""
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(
            isinstance(row, Mapping) and {"model", "length", "difference"} <= set(row)
            for row in value.values()
        )
    )


def comparison_table(title: str, rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """One line for each direction, R@k of the largest k on both sides, their paired difference."""
    table = Table(title=title.replace("_", " "))
    k = max(next(iter(rows.values()))["model"], key=int)
    table.add_column("query → gallery", no_wrap=True)
    for column in (f"model R@{k} [95 %]", f"length R@{k} [95 %]", "difference [95 %]", "N"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, row in rows.items():
        sides = (readable(row[side][k]) for side in ("model", "length", "difference"))
        table.add_row(Text(name), *map(Text, sides), str(row["n"]))
    return table


def readable(value: Any) -> str:
    """A figure for people: an estimate with its interval, fractions with two places."""
    if isinstance(value, Mapping) and {"value", "low", "high"} <= set(value):
        ends = [value["low"], value["high"]]
        interval = "" if None in ends else " [{:.2f}, {:.2f}]".format(*ends)
        return readable(value["value"]) + interval
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {readable(part)}" for name, part in value.items())
    if isinstance(value, float):
        return f"{value:.2f}"
    return "" if value is None else str(value)
