"""``interlingua index info | verify | compact | remove``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interlingua.cli.options import JsonOption
from interlingua.cli.output import number_of_bytes, print_json, print_text
from interlingua.errors import ConfigError

if TYPE_CHECKING:
    from interlingua.index.info import Approximate
    from interlingua.index.verify import Report

IndexArgument = Annotated[Path, typer.Argument(metavar="DIR", help="An index's folder.")]


def info(index: IndexArgument, json: JsonOption = False) -> None:
    """Say what an index holds: records, model, fields for filters, how it is searched.

    Example: `interlingua index info indexes/clipart`
    """
    from interlingua.index.compaction import bytes_of
    from interlingua.index.table import Index

    opened = Index.open(index)
    about, kinds = opened.info, opened.kinds()
    approximate = None if about.matrix is None else about.matrix.approximate
    if json:
        print_json(
            {
                "index": str(index),
                "records": len(opened),
                "kinds": kinds,
                "dimension": about.dimension,
                "space": about.space_id,
                "run": about.run,
                "fields": opened.fields,
                "format_version": about.format_version,
                "created_with": about.created_with,
                "bytes": bytes_of(index),
                "approximate": None if approximate is None else approximate.model_dump(),
            }
        )
        return
    told = ", ".join(f"{number:,} {name}" for name, number in kinds.items()) or "none"
    print_text(f"{index}: {len(opened):,} records ({told}), {number_of_bytes(bytes_of(index))}")
    run = about.run or "run not recorded"
    print_text(f"model    {about.space_id[:12]}, {about.dimension} dimensions; {run}")
    print_text(f"format   version {about.format_version}, made by interlingua {about.created_with}")
    print_text(f"fields   {', '.join(f'{name} ({kind})' for name, kind in opened.fields.items())}")
    print_text(f"search   {how_searched(approximate)}")


def verify(
    index: IndexArgument,
    files: Annotated[
        bool,
        typer.Option(
            "--files", help="Look whether media are there and unchanged, by size and time."
        ),
    ] = False,
    digests: Annotated[
        bool,
        typer.Option("--digests", help="Read them too, where the index has their SHA-256."),
    ] = False,
    run: Annotated[
        Path | None,
        typer.Option("--run", metavar="RUN", help="Check that the vectors are of this model."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Check every byte and every row of an index; 1 is the exit code where something is wrong.

    Each vector is finite and of length 1, no record is there twice, a large index's matrix has the
    table's vectors and its bounds hold.

    Examples:
    ```
    interlingua index verify indexes/clipart
    interlingua index verify indexes/mine --files --run runs/demo
    ```
    """
    from interlingua.index.table import Index

    opened = Index.open(index)
    if run is not None:
        from interlingua.space import load

        opened.check_space(load(run, device="cpu").id)
    report = opened.verify(files=files, digests=digests)
    if json:
        print_json(
            {
                "index": str(index),
                "passed": report.passed,
                "rows": report.rows,
                "matrix_rows": report.matrix,
                "counts": dict(report.counts),
                "files": dict(report.files),
                "problems": [
                    {"kind": one.kind, "where": one.where, "what": one.what}
                    for one in report.problems
                ],
            }
        )
    else:
        show_report(index, report)
    if not report.passed:
        raise typer.Exit(1)


def show_report(index: Path, report: Report) -> None:
    """What was checked, then what is wrong."""
    matrix = f", {report.matrix:,} rows of the matrix" if report.matrix else ""
    print_text(f"{index}: {report.rows:,} records{matrix} checked.")
    if report.files:
        told = ", ".join(f"{number:,} {state}" for state, number in sorted(report.files.items()))
        print_text(f"files: {told}.")
    for problem in report.problems:
        print_text(f"  {problem.kind}: {problem.where}: {problem.what}")
    for kind, number in sorted(report.counts.items()):
        named = sum(problem.kind == kind for problem in report.problems)
        if number > named:
            print_text(f"  {kind}: and {number - named:,} more.")
    print_text("Nothing is wrong." if report.passed else f"Wrong: {report.counts.total():,}.")


def compact(
    index: IndexArgument,
    lists: Annotated[
        bool, typer.Option("--lists", help="Make approximate search ready, however small it is.")
    ] = False,
    no_lists: Annotated[
        bool, typer.Option("--no-lists", help="Leave it away, however large it is.")
    ] = False,
    recall: Annotated[
        float | None,
        typer.Option("--recall", metavar="SHARE", help="What it must reach; 0.95 by default."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Join small files, drop deleted records and older states, measure approximate search.

    Searches go on meanwhile. An index of an older format version becomes one of the present one.

    Examples:
    ```
    interlingua index compact indexes/clipart
    interlingua index compact indexes/large --lists --recall 0.98
    ```
    """
    if lists and no_lists:
        raise ConfigError("--lists and --no-lists don't go together.")
    from interlingua.index.table import Index

    wanted = True if lists else False if no_lists else None
    done = Index.open(index).compact(lists=wanted, target=recall)
    if json:
        print_json(
            {
                "index": str(index),
                "records": done.records,
                "files_before": done.files_before,
                "files_after": done.files_after,
                "bytes_before": done.bytes_before,
                "bytes_after": done.bytes_after,
                "freed": done.freed,
                "approximate": None if done.approximate is None else done.approximate.model_dump(),
            }
        )
        return
    print_text(
        f"{index}: {done.records:,} records in {done.files_after} of {done.files_before} files; "
        f"{number_of_bytes(done.bytes_before)} -> {number_of_bytes(done.bytes_after)}, "
        f"{number_of_bytes(max(done.freed, 0))} freed."
    )
    print_text(f"search   {how_searched(done.approximate)}")
    if done.lists_useless:
        print_text(
            "Half of the lists don't reach that recall: these vectors are too evenly spread."
        )


def remove(
    index: IndexArgument,
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="KEY", help="Samples, with all their records.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", help="The source that KEY is of.")
    ] = None,
    where: Annotated[
        str | None,
        typer.Option("--where", metavar="FILTER", help="Records that pass, as in `search`."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Remove records from an index, all of them at once.

    Examples:
    ```
    interlingua index remove indexes/mine holiday/0041.jpg
    interlingua index remove indexes/mine --where "group prefix 'drafts/'"
    ```
    """
    if not keys and where is None:
        raise ConfigError("There is nothing to remove.", next_step="Give a KEY, or --where FILTER.")
    from interlingua.index.table import Index

    opened = Index.open(index)
    count = opened.remove(keys or [], source=source, where=where)
    if json:
        print_json({"index": str(index), "removed": count, "records": len(opened)})
    else:
        print_text(f"{index}: {count:,} records removed, {len(opened):,} left.")


def how_searched(approximate: Approximate | None) -> str:
    """In a line, with the recall that was measured."""
    if approximate is None:
        return "exact"
    one = approximate
    return (
        f"approximate: {one.looked_into} of {one.lists} lists, recall@{one.k} {one.recall:.3f} "
        f"[{one.low:.3f}, {one.high:.3f}] of {one.sample} stored vectors; exact where filtered "
        "or with --exact"
    )
