"""``interlingua index build``, and the list of verbs that look after an index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from interlingua.cli import index_care
from interlingua.cli.options import DeviceOption, JsonOption
from interlingua.cli.output import notices, print_json, print_text
from interlingua.errors import ConfigError

if TYPE_CHECKING:
    from interlingua.index.build import BuildReport
    from interlingua.index.field_table import FieldTable

app = typer.Typer(
    help="Make pictures, words and sounds searchable.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

app.command("info")(index_care.info)
app.command("verify")(index_care.verify)
app.command("compact")(index_care.compact)
app.command("remove")(index_care.remove)

KindsOption = Annotated[
    str | None,
    typer.Option(
        "--in", metavar="KINDS", help="Only these, with commas: image,text,sound,speech,audio."
    ),
]


FieldsOption = Annotated[
    Path | None,
    typer.Option(
        "--fields", metavar="FILE", exists=True, dir_okay=False,
        help="A table with a column `key`; `search --where` may ask for the others.",
    ),
]  # fmt: skip


@app.command("build")
def build(
    source: Annotated[
        str,
        typer.Argument(
            help="A name from `data list`, a folder, a manifest, or what `embed SOURCE` has made."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The index's folder.")],
    run: Annotated[
        Path | None,
        typer.Option(
            "--run", metavar="RUN", help="The run whose model embeds; vectors need none."
        ),
    ] = None,
    kinds: KindsOption = None,
    append: Annotated[
        bool, typer.Option("--append", help="Add to the index that is there.")
    ] = False,
    fields: FieldsOption = None,
    digests: Annotated[
        bool, typer.Option("--digests", help="Keep the SHA-256 of files, for `index verify`.")
    ] = False,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:  # fmt: skip
    """Embed a source and store it for search.

    An index that is already in DIR is replaced once the new one is complete. With --append it is
    added to: records of the same things are renewed, those of files that were deleted go.

    Examples:
    ```
    interlingua index build clipart --run runs/demo --out indexes/clipart
    interlingua index build my/pictures --run runs/demo --out indexes/mine --in image
    interlingua index build my/pictures --run runs/demo --out indexes/mine --fields years.csv
    interlingua index build vectors/clipart --out indexes/clipart
    ```
    """
    from interlingua.index.from_vectors import holds_vectors

    if holds_vectors(Path(source)):
        if run or kinds or append or fields or digests:
            raise ConfigError(
                "A folder of vectors is taken as it is.",
                where=source,
                next_step=f"interlingua index build {source} --out {out}",
            )
        build_from_vectors(Path(source), out, json)
        return
    if run is None:
        raise ConfigError("Which model embeds?", next_step="Give --run RUN, such as runs/demo.")
    from interlingua import data
    from interlingua.index.build import build_index
    from interlingua.index.field_table import FieldTable
    from interlingua.space import load

    table = None if fields is None else FieldTable.read(fields)
    space = load(run, device=device)
    opened = data.open_source(source)
    columns = (TextColumn("embedding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notices(), transient=True) as bar:
        task = bar.add_task("embedding", total=None)
        report = build_index(
            out, space, opened, kinds=split_kinds(kinds), append=append,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
            isolate=source not in data.TABLE,  # files of unknown origin
            fields=table, digests=digests, folder=source if Path(source).is_dir() else None,
        )  # fmt: skip
    if json:
        print_json(built(out, report, table))
    else:
        show_build(out, report)


def build_from_vectors(folder: Path, out: Path, json: bool) -> None:
    """An index of what ``embed SOURCE --out DIR`` has made."""
    from interlingua.index.from_vectors import index_vectors

    columns = (TextColumn("indexing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notices(), transient=True) as bar:
        task = bar.add_task("indexing", total=None)
        index = index_vectors(
            out,
            folder,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if json:
        print_json({"index": str(out), "added": index.kinds()})
    else:
        print_text(f"{out}: {counts(index.kinds()) or 'nothing'} added.")


def built(out: Path, report: BuildReport, table: FieldTable | None) -> dict[str, object]:
    """What was built, as plain data."""
    told: dict[str, object] = {
        "index": str(out),
        "added": report.added,
        "left_out": report.left_out,
        "not_known": report.not_known,
    }
    if report.vanished is not None:
        told |= {"removed": report.vanished.kinds, "gone_elsewhere": report.vanished.elsewhere}
    if table is not None:
        told |= {"fields": dict(table.kinds), "without_fields": report.without_fields}
    return told


def show_build(out: Path, report: BuildReport) -> None:
    """What is in the index now and what isn't, and the next command."""
    print_text(f"{out}: {counts(report.added) or 'nothing'} added.")
    gone = report.vanished
    if gone is not None and gone.ids:
        print_text(f"removed, their files are gone: {counts(gone.kinds)}.")
    if gone is not None and gone.elsewhere:
        print_text(
            f"{gone.elsewhere:,} more are of files that are gone, but not from here: "
            f"interlingua index verify {out} --files names them."
        )
    if report.left_out:
        print_text(f"left out: {counts(report.left_out)}.")
    if report.not_known:
        print_text(f"The model has no tower for: {counts(report.not_known)}.")
    if report.without_fields:
        print_text(f"The table of fields says nothing of {report.without_fields:,} samples.")
    print_text(f'Next: interlingua search --index {out} --text "a dog"')


def split_kinds(kinds: str | None) -> list[str] | None:
    """``image,text`` as a list; None stands for all."""
    return None if kinds is None else [kind.strip() for kind in kinds.split(",") if kind.strip()]


def counts(numbers: dict[str, int]) -> str:
    """``3 image, 2 text``."""
    return ", ".join(f"{number:,} {name}" for name, number in numbers.items())
