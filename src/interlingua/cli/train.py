"""``interlingua train``: from a recipe to a run's folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interlingua.cli import recipes
from interlingua.cli.demo import finish
from interlingua.cli.output import note, print_text
from interlingua.errors import ConfigError

if TYPE_CHECKING:
    from interlingua.train.recipe import Recipe

RUNS = Path("runs")


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="A name from `recipes list`, a .yaml file, or package.module:function."
        ),
    ] = None,
    overrides: recipes.OverridesArgument = None,
    out: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The run's folder: runs/RECIPE by default.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with a run, from its newest step.")
    ] = None,
    tiny: Annotated[bool, typer.Option("--tiny", help="The recipe's small variant.")] = False,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps; the recipe's own if none."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, print the recipe, train nothing.")
    ] = False,
) -> None:
    """Train a recipe, or go on with an interrupted run.

    Ctrl-C and SIGTERM finish the step and save it.

    Examples:
    ```
    interlingua train demo
    interlingua train demo seed=2 stages.0.learning_rate=5e-4 --out runs/seed2
    interlingua train --resume runs/seed2
    ```
    """
    if resume is not None:
        folder: Path | None = resume_training(resume, recipe, overrides, out, tiny, dry_run, device)
    elif recipe is None:
        raise ConfigError(
            "No recipe is named.",
            next_step="interlingua train RECIPE (see `interlingua recipes list`), or --resume RUN.",
        )
    else:
        folder = start_training(
            recipes.read(recipe, overrides, tiny=tiny), out, device, dry_run=dry_run
        )
    if folder is not None:
        print_text(f"The run is in {folder}; its page is {folder / 'report.html'}. Next:")
        print_text(f"  interlingua eval {folder}")
        print_text(f"  interlingua index build SOURCE --run {folder} --out DIR")


def start_training(
    recipe: Recipe, out: Path | None, device: str | None, *, dry_run: bool
) -> Path | None:
    """Train from the beginning; None after a dry run.

    Raises:
        ConfigError: the folder already holds a run, or the device is absent.
    """
    from interlingua.device import pick_device
    from interlingua.train.recipe import to_yaml

    folder = out or RUNS / recipe.name
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(
            "This folder already holds something.",
            where=str(folder),
            next_step=f"Give another --out, or go on with --resume {folder}.",
        )
    chosen = device or recipe.device
    pick_device(chosen)
    if dry_run:
        print_text(to_yaml(recipe).rstrip())
        note(f"Nothing was trained. The run would go to {folder}.")
        return None
    from interlingua.train.log import display_for
    from interlingua.train.session import train_recipe

    finish(train_recipe(recipe, folder, device=chosen, display=display_for()))
    return folder


def resume_training(
    folder: Path,
    recipe: str | None,
    overrides: list[str] | None,
    out: Path | None,
    tiny: bool,
    dry_run: bool,
    device: str | None,
) -> Path:
    """Go on with a run.

    Raises:
        ConfigError: something on the command line would make it another run.
    """
    if recipe or overrides or out or tiny or dry_run:
        raise ConfigError(
            "A resumed run keeps its own recipe and folder.",
            where=str(folder),
            next_step=f"interlingua train --resume {folder}, with no more than --device.",
        )
    from interlingua.train.log import display_for
    from interlingua.train.session import resume_run

    finish(resume_run(folder, device=device, display=display_for()))
    return folder
