"""``interlingua train``: from a recipe to a run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlingua.cli import processes as many_processes
from interlingua.cli import recipes
from interlingua.cli.demo import finish
from interlingua.cli.dry_run import try_recipe
from interlingua.cli.output import note, print_text
from interlingua.errors import ConfigError

if TYPE_CHECKING:
    from interlingua.train.recipe import Recipe

RUNS = Path("runs")

ProcessesOption = Annotated[
    int,
    typer.Option(
        "--processes", metavar="N", min=1, help="So many processes on this machine, by torchrun."
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers", metavar="N", min=0, help="Of a resumed run that streams; its own if none."
    ),
]


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
    processes: ProcessesOption = 1,
    workers: WorkersOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only shapes, memory, time and the first batch.")
    ] = False,
) -> None:
    """Train a recipe, or go on with an interrupted run.

    Ctrl-C and SIGTERM finish the step and save it.

    Examples:
    ```
    interlingua train demo
    interlingua train demo seed=2 --dry-run
    interlingua train demo seed=2 stages.0.learning_rate=5e-4 --out runs/seed2
    interlingua train --resume runs/seed2
    interlingua train --resume runs/streamed --workers 8
    interlingua train clip --processes 2
    ```
    """
    if workers is not None and resume is None:
        raise ConfigError(
            "--workers is for a run that goes on.",
            next_step=f"Say data.stream.workers={workers}: a new run takes it from its recipe.",
        )
    if resume is not None:
        _refuse_changes(resume, [recipe, overrides, out, tiny, dry_run])
    if processes > 1 and not dry_run:
        options = {"--out": out, "--resume": resume, "--device": device, "--workers": workers}
        many_processes.start(processes, _arguments(recipe, overrides, options, tiny=tiny))
    if resume is not None:
        folder = resume_training(resume, device, workers)
    elif recipe is None:
        raise ConfigError(
            "No recipe is named.",
            next_step="interlingua train RECIPE (see `interlingua recipes list`), or --resume RUN.",
        )
    else:
        folder = start_training(
            recipes.read(recipe, overrides, tiny=tiny),
            out,
            device,
            dry_run=dry_run,
            num_processes=processes,
        )
    if folder is not None:
        _tell_next(folder)


def start_training(
    recipe: Recipe, out: Path | None, device: str | None, *, dry_run: bool, num_processes: int = 1
) -> Path | None:
    """Train from the beginning; None after a dry run, and where another process finishes.

    A dry run is one process, whatever number the run is meant for.

    Raises:
        ConfigError: the folder already holds a run, or the device is absent.
    """
    from interlingua.device import pick_device

    folder = out or RUNS / recipe.name
    chosen = device or recipe.device
    where = pick_device(chosen)
    if dry_run:
        _check_empty(folder)
        page = try_recipe(recipe, folder, chosen, num_processes)
        print_text(f"\nThe first batch, to look at: {page}")
        note(f"Nothing was trained. The run would go to {folder}.")
        return None
    from interlingua.train.distributed import started
    from interlingua.train.log import display_for
    from interlingua.train.session import resume_run, train_recipe

    with started(where, recipe.timeout_seconds) as processes:
        if many_processes.was_restarted() and (folder / "recipe.yaml").exists():
            session = resume_run(folder, device=chosen, display=display_for())
        else:
            with processes.main_first("folder"):
                if processes.is_main:
                    _check_empty(folder)
            session = train_recipe(recipe, folder, device=chosen, display=display_for())
        if not processes.is_main:
            return None
        finish(session)
    return folder


def resume_training(folder: Path, device: str | None, workers: int | None) -> Path | None:
    """Go on with a run; None where another process finishes it.

    Args:
        folder: of the run.
        device: another one than its own.
        workers: another number than its own; its batches stay the same.

    Raises:
        ConfigError: there are no workers in a run that doesn't stream.
        CheckpointError: there is no run, or every checkpoint is damaged.
    """
    from interlingua.device import pick_device
    from interlingua.train.distributed import started
    from interlingua.train.log import display_for
    from interlingua.train.session import recipe_of, resume_run

    kept = recipe_of(folder)
    with started(pick_device(device or kept.device), kept.timeout_seconds) as processes:
        session = resume_run(folder, device=device, display=display_for(), workers=workers)
        if not processes.is_main:
            return None
        finish(session)
    return folder


def _check_empty(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(
            "This folder already holds something.",
            where=str(folder),
            next_step=f"Give another --out, or go on with --resume {folder}.",
        )


def _refuse_changes(folder: Path, given: list[Any]) -> None:
    """What would make it another run can't stand beside ``--resume``."""
    if any(given):
        raise ConfigError(
            "A resumed run keeps its own recipe and folder.",
            where=str(folder),
            next_step=f"interlingua train --resume {folder}, with no more than --device, "
            "--processes and --workers.",
        )


def _tell_next(folder: Path) -> None:
    print_text(f"The run is in {folder}; its page is {folder / 'report.html'}. Next:")
    print_text(f"  interlingua eval {folder}")
    print_text(f"  interlingua index build SOURCE --run {folder} --out DIR")


def _arguments(
    recipe: str | None, overrides: list[str] | None, options: Mapping[str, Any], *, tiny: bool
) -> list[str]:
    """The command line of each of several processes."""
    given = [*([recipe] if recipe else []), *(overrides or [])]
    words = [
        word for name, value in options.items() if value is not None for word in (name, str(value))
    ]
    return ["train", *given, *words, *(["--tiny"] if tiny else [])]
