"""Options of the verbs that judge any model: a run, a checkpoint folder, a hub's address."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlingua.cli.output import note
from interlingua.errors import ConfigError, MediaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from interlingua.data.labels import ClassName
    from interlingua.sample import Sample

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="A run, a checkpoint folder or hf:owner/name.")
]
ModelOption = Annotated[
    str, typer.Option("--run", metavar="MODEL", help="A run, a checkpoint folder or hf:owner/name.")
]
TemplatesOption = Annotated[
    str, typer.Option("--templates", metavar="NAME", help="Sentences that the names are put into.")
]
LabelsFileOption = Annotated[
    Path | None,
    typer.Option(
        "--labels-file",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Names of the classes: `folder<TAB>name; other name`, or one per line.",
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", metavar="N", help="Of splits and intervals.")]
PageOption = Annotated[
    Path | None, typer.Option("--out", metavar="FILE.html", help="Write a page of it.")
]

MOST_NOTES = 5


def named_classes(labels: str | None, labels_file: Path | None) -> list[ClassName]:
    """The classes of a command line.

    Raises:
        ConfigError: neither or both are given.
        DataError: a class without a name, or twice.
    """
    from interlingua.data.labels import parse_class_names, read_class_names

    if (labels is None) == (labels_file is None):
        raise ConfigError(
            "Give the classes once.", next_step="--labels dog,cat,bird or --labels-file FILE."
        )
    if labels_file is not None:
        return read_class_names(labels_file)
    return parse_class_names(labels or "")


class DamagedNotes:
    """Names the first damaged pictures, counts the others."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, sample: Sample, error: MediaError) -> None:
        self.count += 1
        if self.count <= MOST_NOTES:
            note(f"left out: {sample.key}: {error}")
        elif self.count == MOST_NOTES + 1:
            note("left out: and more; the counts tell how many.")


def pooled_embed(space: Any) -> Callable[..., Any]:
    """What ``space.embed_parts`` does, with the picture tower's output before its projection.

    Raises:
        ConfigError: the model has no such output.
    """
    from interlingua.embedding import Embedder, PooledModel

    if not hasattr(space.model, "pooled"):
        raise ConfigError(
            "This model gives no features before its projection.",
            next_step="Probe its vectors: --features vectors.",
        )
    embedder = Embedder(PooledModel(space.model, "image"), space.device, space.limits)
    return lambda parts, on_error: embedder(parts, on_error, None)
