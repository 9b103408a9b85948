"""The program's entry point and its list of verbs."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated

import typer

from interlingua.cli import (
    classify,
    data,
    demo,
    doctor,
    embed,
    failures,
    finetune,
    fusion,
    index,
    probe,
    processes,
    recipes,
    report,
    runs,
    search,
    train,
    weights,
    zero_shot,
)

app = typer.Typer(
    name="interlingua",
    help=(
        "One semantic space of pictures, words, sounds and speech: train it, search in it.\n\n"
        "New here? `interlingua demo` trains on real data in a few minutes and shows the result."
    ),
    epilog=failures.EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,  # failures.run shows errors
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"interlingua {metadata.version('interlingua')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


app.command("demo", rich_help_panel="Start")(demo.demo)
app.command("doctor", rich_help_panel="Start")(doctor.doctor)
app.command("train", rich_help_panel="Train and judge")(train.train)
app.command("finetune", rich_help_panel="Train and judge")(finetune.finetune)
app.command("eval", rich_help_panel="Train and judge")(runs.evaluate)
app.add_typer(report.app, name="report", rich_help_panel="Train and judge")
app.command("zero-shot", rich_help_panel="Train and judge")(zero_shot.zero_shot)
app.command("probe", rich_help_panel="Train and judge")(probe.probe)
app.add_typer(recipes.app, name="recipes", rich_help_panel="Train and judge")
app.add_typer(fusion.app, name="fusion", rich_help_panel="Train and judge")
app.command("classify", rich_help_panel="Use")(classify.classify)
app.command("embed", rich_help_panel="Use")(embed.embed)
app.add_typer(index.app, name="index", rich_help_panel="Use")
app.command("search", rich_help_panel="Use")(search.search)
app.add_typer(data.app, name="data", rich_help_panel="Data and weights")
app.add_typer(weights.app, name="weights", rich_help_panel="Data and weights")


def program() -> None:
    """The command line, under its own name in usage lines however it was started."""
    app(prog_name="interlingua")


def main() -> None:
    """Run the command line and exit; the exit codes stand in ``cli/failures.py``."""
    code = failures.run(program)
    processes.leave(code)
    sys.exit(code)


if __name__ == "__main__":
    main()
