"""Options that several verbs share, written once so that they mean the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

DeviceOption = Annotated[
    str,
    typer.Option("--device", metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
RunArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run's folder, for example runs/demo.")
]
RunOption = Annotated[
    Path, typer.Option("--run", metavar="RUN", help="The run whose model embeds.")
]
SourceArgument = Annotated[
    str, typer.Argument(help="A name from the list, a folder, a manifest, or shards.")
]


def source_settings(examples: str) -> Any:
    """``--set``, for verbs that open a source: settings of it, and of what else the verb has.

    Args:
        examples: of such settings, for the help.
    """
    return typer.Option("--set", metavar="KEY=VALUE", help=f"Such as {examples}.")
