"""``interlingua index build`` and ``interlingua search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from interlingua.cli.options import DeviceOption, JsonOption, RunOption
from interlingua.cli.output import answers, note, notices, print_json, print_text
from interlingua.errors import ConfigError, SearchIndexError

if TYPE_CHECKING:
    from interlingua.index.build import BuildReport
    from interlingua.index.record import Hit

app = typer.Typer(
    help="Make pictures, words and sounds searchable.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

KindsOption = Annotated[
    str | None,
    typer.Option(
        "--in", metavar="KINDS", help="Only these, with commas: image,text,sound,speech,audio."
    ),
]


@app.command("build")
def build(
    source: Annotated[
        str, typer.Argument(help="A name from `data list`, a folder, or a manifest.")
    ],
    run: RunOption,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The index's folder.")],
    kinds: KindsOption = None,
    append: Annotated[
        bool, typer.Option("--append", help="Add to the index that is there.")
    ] = False,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Embed a source and store it for search.

    An index that is already in DIR is replaced once the new one is complete.

    Examples:
    ```
    interlingua index build clipart --run runs/demo --out indexes/clipart
    interlingua index build my/pictures --run runs/demo --out indexes/mine --in image
    ```
    """
    from interlingua import data
    from interlingua.index.build import build_index
    from interlingua.space import load

    space = load(run, device=device)
    opened = data.open_source(source)
    columns = (TextColumn("embedding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notices(), transient=True) as bar:
        task = bar.add_task("embedding", total=None)
        report = build_index(
            out,
            space,
            opened,
            kinds=split_kinds(kinds),
            append=append,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
            isolate=source not in data.TABLE,  # files of unknown origin
        )
    if json:
        print_json(
            {
                "index": str(out),
                "added": report.added,
                "left_out": report.left_out,
                "not_known": report.not_known,
            }
        )
    else:
        show_build(out, report)


def show_build(out: Path, report: BuildReport) -> None:
    """What is in the index now and what isn't, and the next command."""
    print_text(f"{out}: {counts(report.added) or 'nothing'} added.")
    if report.left_out:
        print_text(f"left out: {counts(report.left_out)}.")
    if report.not_known:
        print_text(f"The model has no tower for: {counts(report.not_known)}.")
    print_text(f'Next: interlingua search --index {out} --text "a dog"')


def search(
    index: Annotated[Path, typer.Option(metavar="DIR", help="An index that was built.")],
    text: Annotated[
        list[str] | None, typer.Option(metavar="WORDS", help="Words to search by.")
    ] = None,
    image: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="A picture to search by."),
    ] = None,
    audio: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="A sound to search by."),
    ] = None,
    speech: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="A spoken word to search by."
        ),
    ] = None,
    kinds: KindsOption = None,
    count: Annotated[int, typer.Option("-k", metavar="N", min=1, help="How many are shown.")] = 5,
    run: Annotated[
        Path | None, typer.Option("--run", metavar="RUN", help="The model, if it was moved.")
    ] = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Search by words, pictures, sounds or speech; several at once make one mixed query.

    Examples:
    ```
    interlingua search --index indexes/clipart --text "a red car" --in image
    interlingua search --index indexes/clipart --image horse.png --text "at night" -k 10
    interlingua search --index indexes/clipart --audio bark.ogg --in image,text
    ```
    """
    if not (text or image or audio or speech):
        raise ConfigError(
            "There is nothing to search by.",
            next_step='Give --text "a dog", --image, --audio or --speech FILE, or several of them.',
        )
    from interlingua.index.table import Index
    from interlingua.space import load

    opened = Index.open(index)
    folder = run or opened.run
    if folder is None:
        raise SearchIndexError(
            "The index doesn't say which run it was built with.",
            where=str(index),
            next_step="Name it: --run RUN.",
        )
    space = load(folder, device=device)
    opened.check_space(space.id)
    vector = space.query(
        text=text or None, image=image or None, sound=audio or None, speech=speech or None
    )
    hits = opened.search(vector, k=count, kinds=split_kinds(kinds))
    if json:
        print_json([hit.to_json() for hit in hits])
    else:
        show_hits(hits)


def split_kinds(kinds: str | None) -> list[str] | None:
    """``image,text`` as a list; None stands for all."""
    return None if kinds is None else [kind.strip() for kind in kinds.split(",") if kind.strip()]


def show_hits(hits: list[Hit]) -> None:
    """One line for each hit, best first."""
    if not hits:
        note("Nothing was found.")
        return
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    table.add_column("what", overflow="fold", ratio=1)
    table.add_column("where", overflow="fold", ratio=2)
    for hit in hits:
        what = hit.text + (f" [{hit.language}]" if hit.language else "")
        where = hit.path or f"{hit.source}: {hit.key}"
        table.add_row(f"{hit.score:.3f}", hit.kind, Text(what), Text(where))
    answers().print(table, highlight=False)


def counts(numbers: dict[str, int]) -> str:
    """``3 image, 2 text``."""
    return ", ".join(f"{number:,} {name}" for name, number in numbers.items())
