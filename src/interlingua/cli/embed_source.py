"""``interlingua embed SOURCE --out DIR``: a whole source, resumed, shared, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from interlingua.cli.index import counts
from interlingua.cli.output import notices, print_json, print_text
from interlingua.errors import ConfigError

if TYPE_CHECKING:
    from interlingua.vectors.bulk import BulkReport


def is_source(things: Sequence[str]) -> bool:
    """True for one folder, one manifest, shards, or one name from ``data list``."""
    from interlingua import data
    from interlingua.data.shards.places import is_shards

    if len(things) != 1:
        return False
    path = Path(things[0])
    if is_shards(things[0]):
        return True
    if path.is_file():
        return path.suffix in (*data.MANIFEST_ENDINGS, data.PARQUET_ENDING)
    return path.is_dir() or things[0] in data.TABLE


def embed_all(
    source: str,
    run: str | Path,
    out: Path,
    kinds: list[str] | None,
    share: str,
    block_size: int,
    ray: int,
    device: str,
    json: bool,
) -> None:
    """Embed a source and say what became of it.

    Raises:
        ConfigError: ``share`` is no I/N, or is given with Ray, which shares by itself.
    """
    if ray:
        if share != "0/1":
            raise ConfigError("--share and --ray don't go together: Ray shares by itself.")
        from interlingua.vectors.ray_data import embed_source_with_ray

        report = embed_source_with_ray(
            str(run), source, out, kinds=kinds, block_size=block_size, workers=ray
        )
    else:
        report = _embed_here(source, run, out, kinds, _share(share), block_size, device)
    if json:
        print_json(
            {
                "out": str(report.folder),
                "written": report.written,
                "blocks": report.blocks,
                "blocks_before": report.before,
                "left_out": report.left_out,
                "not_known": report.unknown,
            }
        )
        return
    print_text(f"{report.folder}: {report.written:,} vectors written.")
    if report.before:
        print_text(f"{report.before} of {report.blocks} blocks were there already.")
    if report.left_out:
        print_text(f"left out: {counts(report.left_out)}; _left-out-*.jsonl names them.")
    if report.unknown:
        print_text(f"The model has no tower for: {counts(report.unknown)}.")


def _embed_here(
    source: str,
    run: str | Path,
    out: Path,
    kinds: list[str] | None,
    share: tuple[int, int],
    block_size: int,
    device: str,
) -> BulkReport:
    from interlingua import data
    from interlingua.space import load
    from interlingua.vectors.bulk import embed_source

    space = load(run, device=device)
    columns = (TextColumn("embedding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notices(), transient=True) as bar:
        task = bar.add_task("embedding", total=None)
        return embed_source(
            space,
            data.open_source(source),
            out,
            kinds=kinds,
            block_size=block_size,
            share=share,
            isolate=source not in data.TABLE,  # files of unknown origin
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


def _share(text: str) -> tuple[int, int]:
    first, slash, machines = text.partition("/")
    if not (slash and first.isdecimal() and machines.isdecimal()):
        raise ConfigError(f"{text!r} is no share.", next_step="Write --share I/N, such as 0/8.")
    return int(first), int(machines)
