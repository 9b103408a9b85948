"""``interlingua data check SOURCE``: look at data before they are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from interlingua.cli import fetching
from interlingua.cli.options import JsonOption, SourceArgument, source_settings
from interlingua.cli.output import answers, note, notices, print_json, print_text
from interlingua.errors import ConfigError, DataError

if TYPE_CHECKING:
    from interlingua.data.check.result import Check
    from interlingua.data.source import Source
    from interlingua.towers.tower import Preprocess

SIDES = ("source", "test")
_MARKS = {"refused": "bold red", "warning": "yellow", "note": "dim"}


def check(
    source: SourceArgument,
    test: Annotated[
        str | None,
        typer.Option("--test", metavar="SOURCE", help="What is tested on; must not be in SOURCE."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            metavar="RECIPE",
            help="Whose tokenizer and sizes count: a recipe's name, a .yaml file, a run's folder.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, source_settings("source.titles=raw or test.split=val")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The page: SOURCE-check.html here; none with --json."),
    ] = None,
    media: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Decode N of each view only, drawn by seed."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Which media are drawn.")] = 0,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Processes that decode; one per core if none."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Look at data before training: what is there, what is damaged, double, cut or shared.

    Every picture and sound is decoded once, in processes of their own: a file that crashes its
    decoder or eats the memory is one of the damaged ones. Damaged files by reason, sizes and
    lengths, texts that are empty, alike or boilerplate, tokens per text and what a model cuts off,
    languages, pictures that are the same drawing, and things that training and test have in
    common. Ends with 1 where there is nothing to learn from.

    Examples:
    ```
    interlingua data check my/pictures --out look.html
    interlingua data check train.csv --test test.csv --recipe demo
    interlingua data check shards/mine --media 10000 --json
    ```
    """
    from interlingua.data.check.result import to_json

    options = _options(settings or [], test)
    opened = [fetching.open_source(source, **options["source"])]
    if test is not None:
        opened.append(fetching.open_source(test, **options["test"]))
    needs = needs_of(recipe) if recipe else {}
    found = _look(opened, needs, most=media, seed=seed, workers=workers)
    if out is None and not json:
        out = Path(f"{Path(source).stem or 'source'}-check.html")
    if out is not None:
        from interlingua.report.check import check_page

        check_page(found, out)
    if json:
        print_json(to_json(found) | ({"page": str(out)} if out else {}))
    else:
        show(found)
        print_text(f"\nLook at it: {out}")
    if found.refused:
        raise DataError(
            f"There is nothing to learn from. {found.refused}",
            where=source,
            next_step=f"Look at {out}." if out else "Run it with --out page.html and look.",
        )


def needs_of(recipe: str) -> dict[str, Preprocess]:
    """By view, what the towers of a recipe's model take; nothing is loaded.

    Raises:
        ConfigError: there is no such recipe, or its model has no towers.
    """
    import torch

    from interlingua.recipes import load_recipe
    from interlingua.towers.pretrained import build_tower

    model: Any = load_recipe(recipe).model
    if not getattr(model, "towers", None) or not getattr(model, "views", None):
        raise ConfigError(f"The model {model.name!r} names no towers and views.", where=recipe)
    with torch.device("meta"):
        shapes = {name: build_tower(use.tower).preprocess for name, use in model.towers.items()}
    return {view: shapes[tower] for view, tower in model.views.items()}


def show(found: Check) -> None:
    """The counts and the findings for people."""
    from interlingua.cli.data import show_facts

    show_facts({**found.contents, "left_out_first": []})
    console = answers()
    console.print()
    for one in found.findings:
        line = Text.assemble((f"{one.level}: ", _MARKS[one.level]), one.what)
        console.print(line, highlight=False, soft_wrap=True)
        if one.next_step:
            console.print(Text(f"  next: {one.next_step}", "dim"), highlight=False, soft_wrap=True)
    if not found.findings:
        print_text("Nothing stands out.")


def _options(settings: Sequence[str], test: str | None) -> dict[str, dict[str, Any]]:
    """The options of each side.

    Raises:
        ConfigError: for neither side, or for a test source that isn't given.
    """
    from interlingua.cli.filters import read_setting
    from interlingua.config import nearest

    options: dict[str, dict[str, Any]] = {side: {} for side in SIDES}
    for setting in settings:
        side, key, value = read_setting(setting, "source")
        if side not in options:
            raise ConfigError(
                f"There is no side {side!r}{nearest(side, SIDES)}.",
                where=setting,
                next_step="Write --set source.key=value or --set test.key=value.",
            )
        options[side][key] = value
    if options["test"] and test is None:
        raise ConfigError("A setting is for the test source.", next_step="Name it: --test SOURCE.")
    return options


def _look(
    opened: Sequence[Source],
    needs: dict[str, Preprocess],
    *,
    workers: int | None,
    **options: Any,
) -> Check:
    from interlingua.data.check.run import check_source
    from interlingua.data.loader import available_cores

    columns = (TextColumn("decoding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notices(), transient=True) as bar:
        task = bar.add_task("decoding")
        return check_source(
            opened[0],
            test=opened[1] if len(opened) > 1 else None,
            needs=needs,
            workers=available_cores() if workers is None else workers,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
            note=note,
            **options,
        )
