"""``interlingua report page|compare``: what runs are worth, to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from interlingua.cli.models import PageOption, SeedOption
from interlingua.cli.options import DeviceOption, JsonOption, RunArgument
from interlingua.cli.output import answers, note, print_json, print_text
from interlingua.errors import ConfigError

if TYPE_CHECKING:
    from interlingua.report.run_differences import RunDifferences
    from interlingua.report.run_directions import DirectionOfRuns

MOST_SETTINGS = 40  # rows in the terminal; the page and the JSON have them all


class PageByDefault(TyperGroup):
    """``interlingua report RUN`` means ``interlingua report page RUN``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """What is no verb of the group and no question for help is a run."""
        if args and args[0] not in (*self.commands, "-h", "--help"):
            args = ["page", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=PageByDefault,
    help="Write the page of a run (`interlingua report RUN`), or set runs beside each other.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@app.command("page")
def page(run: RunArgument, device: DeviceOption = "auto") -> None:
    """Measure a run, write its report, one HTML page that needs no network, and print its path.

    The run's model card, README.md, is written anew too. `interlingua report RUN` is the same.

    Example: `interlingua report page runs/demo`
    """
    from interlingua.cli.demo import finish
    from interlingua.train.log import display_for
    from interlingua.train.session import open_run

    finish(open_run(run, device=device, display=display_for()))
    print_text(str(run / "report.html"))


@app.command("compare")
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Two or more; the others are set against the first."),
    ],
    out: PageOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
) -> None:
    """Set runs beside each other: settings that differ, held-out figures, curves.

    Nothing is trained or measured again. Where two runs were asked the same about the same things,
    their difference has an interval paired by query, which tells far smaller differences
    apart than two intervals side by side. Where they were not, it says why there is none.

    Examples:
    ```
    interlingua report compare runs/demo runs/seed1
    interlingua report compare runs/a runs/b runs/c --out compared.html
    interlingua report compare runs/a runs/b --json > compared.json
    ```
    """
    from interlingua.report.run_comparison import MOST_RUNS, run_comparison_page
    from interlingua.report.run_differences import compare_runs, verdict
    from interlingua.report.run_record import read_runs

    if len(runs) > MOST_RUNS:
        raise ConfigError(
            f"{len(runs)} runs are too many to look at.", next_step=f"Compare {MOST_RUNS} at most."
        )
    found = compare_runs(read_runs(runs), seed=seed)
    if out is not None:
        run_comparison_page(out, found)
        note(f"The page is {out}.")
    if json:
        print_json(found)
        return
    show_settings(found)
    show_directions(found)
    for sentence in verdict(found):
        print_text(sentence)


def show_settings(found: RunDifferences) -> None:
    """The settings that differ, a column for each run."""
    from interlingua.report.run_comparison import shown_setting

    if not found.settings:
        print_text("All settings of their recipes are the same.")
        return
    shown = [one for one in found.settings if one.tells][:MOST_SETTINGS]
    if shown:
        table = Table(title="settings that differ", title_justify="left")
        table.add_column("")
        for name in found.runs:
            table.add_column(Text(name), overflow="fold")
        for one in shown:
            values = one.values
            cells = [shown_setting(values[run]) if run in values else "–" for run in found.runs]
            table.add_row(Text(one.path), *map(Text, cells))
        answers().print(table, highlight=False)
    if left := len(found.settings) - len(shown):
        print_text(f"and {left} settings that not all recipes have: see --out")


def show_directions(found: RunDifferences) -> None:
    """Held-out R@k of each run, and the paired differences in points."""
    rows = [row for row in found.directions if row.side == "held_out"]
    shown = [row for row in rows if "[" not in f"{row.query}{row.gallery}"]
    if not shown:
        print_text("No held-out direction was measured; `interlingua eval RUN` measures.")
        return
    letters = [chr(ord("A") + place) for place in range(len(found.runs))]  # names are too long
    for letter, name in zip(letters, found.runs, strict=True):
        print_text(f"{letter}: {name}")
    table = Table(title=f"held-out things, R@{found.k} [95 %]", title_justify="left")
    table.add_column("query → gallery", no_wrap=True)
    for letter in letters:
        table.add_column(letter, justify="right", no_wrap=True)
    for letter in letters[1:]:
        table.add_column(f"{letter} \u2212 A, points", justify="right", no_wrap=True)
    table.add_column("chance", justify="right")
    table.add_column("N", justify="right")
    for row in shown:
        table.add_row(Text(f"{row.query} → {row.gallery}"), *_cells(found, row))
    answers().print(table, highlight=False)
    if len(shown) < len(rows):
        print_text(f"and {len(rows) - len(shown)} directions by language: see --json or --out")


def _cells(found: RunDifferences, row: DirectionOfRuns) -> list[Text]:
    from interlingua.evaluate.single_queries import Paired
    from interlingua.report.run_direction_table import points

    k = found.k
    figures = [row.figures.get(run) for run in found.runs]
    cells = ["–" if one is None else format(one.recall[k], ".2f") for one in figures]
    for run in found.runs[1:]:
        one = row.against_first.get(run, {}).get(k)
        cells.append(points(one.difference) if isinstance(one, Paired) else "–")
    present = [one for one in figures if one is not None]
    cells.append(" / ".join(dict.fromkeys(f"{one.chance.get(k, 0):.2f}" for one in present)))
    cells.append(" / ".join(dict.fromkeys(str(one.n) for one in present)))
    return [Text(cell) for cell in cells]
