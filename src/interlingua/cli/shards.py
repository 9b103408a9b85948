"""``interlingua data shards SOURCE --out DIR``: any source as tar shards with their indexes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from interlingua.cli import fetching
from interlingua.cli.options import JsonOption
from interlingua.cli.output import notices, number_of_bytes, print_json, print_text
from interlingua.errors import ConfigError

if TYPE_CHECKING:
    from interlingua.data.shards.write import Written
    from interlingua.data.source import Source


def shards(
    source: Annotated[
        str,
        typer.Argument(help="A name from the list, a folder, a manifest, or shards to cut anew."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder for the shards.")],
    samples_per_shard: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="A shard is full with so many samples."),
    ] = None,
    megabytes: Annotated[
        float | None,
        typer.Option(metavar="N", min=0.001, help="No shard is larger; 256 if nothing is given."),
    ] = None,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="What the shards' names begin with.")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Write a source as WebDataset shards: tars of its files as they are, each with an index.

    The same source gives the same bytes. A shard is there whole or not at all; the same command
    goes on where a killed one stopped. What can't be read is left out and counted. Train on the
    folder as on any other source.

    Examples:
    ```
    interlingua data shards stamps --out shards/stamps
    interlingua data shards my/pictures --out shards/mine --samples-per-shard 10000
    interlingua data show shards/mine
    ```
    """
    if samples_per_shard is not None and megabytes is not None:
        raise ConfigError(
            "--samples-per-shard and --megabytes are two ways to cut.", next_step="Give one."
        )
    from interlingua.data.source import count_reasons

    written = _write(fetching.open_source(source), out, samples_per_shard, megabytes, name)
    left_out = count_reasons(written.left_out)
    if json:
        print_json(
            {
                "out": str(written.folder),
                "shards": written.shards,
                "samples": written.samples,
                "bytes": written.num_bytes,
                "shards_before": written.before,
                "left_out": left_out,
            }
        )
        return
    print_text(
        f"{written.folder}: {written.samples:,} samples in {written.shards:,} shards, "
        f"{number_of_bytes(written.num_bytes)}."
    )
    if written.before:
        print_text(f"{written.before:,} of the shards were there already.")
    for reason, count in left_out.items():
        print_text(f"left out: {count:,}: {reason}")
    for problem in written.left_out[:5]:
        print_text(f"  {problem.where}: {problem.reason}")


def _write(
    source: Source, out: Path, samples_per_shard: int | None, megabytes: float | None, name: str
) -> Written:
    from interlingua.data.shards.write import write_shards

    columns = (TextColumn("writing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notices(), transient=True) as bar:
        task = bar.add_task("writing", total=len(source))
        return write_shards(
            source,
            out,
            name=name,
            samples_per_shard=samples_per_shard,
            megabytes=megabytes,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
