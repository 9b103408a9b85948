"""``interlingua search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from interlingua.cli.index import KindsOption, split_kinds
from interlingua.cli.options import DeviceOption, JsonOption
from interlingua.cli.output import answers, note, print_json, printable
from interlingua.errors import ConfigError, SearchIndexError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from interlingua.index.record import Hit, Record
    from interlingua.index.table import Index


IndexOption = Annotated[Path, typer.Option(metavar="DIR", help="An index that was built.")]
TextsOption = Annotated[list[str] | None, typer.Option(metavar="WORDS", help="Words to search by.")]
ImagesOption = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", exists=True, dir_okay=False, help="A picture to search by."),
]
SoundsOption = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", exists=True, dir_okay=False, help="A sound to search by."),
]
SpeechOption = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", exists=True, dir_okay=False, help="A spoken word to search by."),
]
LikeOption = Annotated[
    str | None, typer.Option("--like", metavar="KEY", help="More like this sample of the index.")
]
LikeSourceOption = Annotated[
    str | None,
    typer.Option("--like-source", metavar="NAME", help="The source that KEY is of."),
]
WhereOption = Annotated[
    str | None,
    typer.Option(
        "--where", metavar="FILTER", help='Only such records: "year >= 1990 and not draft".'
    ),
]


def search(
    index: IndexOption,
    text: TextsOption = None,
    image: ImagesOption = None,
    audio: SoundsOption = None,
    speech: SpeechOption = None,
    like: LikeOption = None,
    like_source: LikeSourceOption = None,
    kinds: KindsOption = None,
    where: WhereOption = None,
    count: Annotated[int, typer.Option("-k", metavar="N", min=1, help="How many are shown.")] = 5,
    exact: Annotated[
        bool, typer.Option("--exact", help="Look at all records of a large index too.")
    ] = False,
    approximate: Annotated[
        bool,
        typer.Option("--approximate", help="Look into the nearest lists only, filtered or not."),
    ] = False,
    run: Annotated[
        Path | None, typer.Option("--run", metavar="RUN", help="The model, if it was moved.")
    ] = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Search by words, pictures, sounds or speech; several at once make one mixed query.

    `--where` takes == != < <= > >=, in (a, b), prefix, and, or, not, brackets; `index info` lists
    the fields. A large index is searched approximately, with the recall that `index info` tells,
    unless it is filtered.

    Examples:
    ```
    interlingua search --index indexes/clipart --text "a red car" --in image
    interlingua search --index indexes/clipart --image horse.png --text "at night" -k 10
    interlingua search --index indexes/clipart --audio bark.ogg --in image,text
    interlingua search --index indexes/clipart --like horse --where "licence == CC0-1.0"
    ```
    """
    asked = {"text": text, "image": image, "sound": audio, "speech": speech}
    asked = {name: things for name, things in asked.items() if things}
    if not asked and like is None:
        raise ConfigError(
            "There is nothing to search by.",
            next_step='Give --text "a dog", --image, --audio or --speech FILE, --like KEY, '
            "or several of them.",
        )
    if exact and approximate:
        raise ConfigError("--exact and --approximate don't go together.")
    from interlingua.index.filter_syntax import parse
    from interlingua.index.table import Index

    condition = None if where is None else parse(where)  # what can't be read is told at once
    opened = Index.open(index)
    options: dict[str, Any] = {
        "k": count, "kinds": split_kinds(kinds), "where": condition,
        "exact": True if exact else False if approximate else None,
    }  # fmt: skip
    if like is not None and not asked:
        hits = opened.like(like, source=like_source, **options)
    else:
        examples = [] if like is None else opened.example(like, source=like_source)
        vector = query_vector(opened, asked, examples, run, device)
        hits = opened.search(vector, **options)
    if json:
        print_json([hit.to_json() for hit in hits])
    else:
        show_hits(hits)


def query_vector(
    index: Index, asked: dict[str, Any], examples: list[Record], run: Path | None, device: str
) -> npt.NDArray[np.float32]:
    """[D] of what is asked for, with a stored sample as one thing more.

    Raises:
        SearchIndexError: the model isn't known, or is another one.
    """
    import numpy as np

    from interlingua.space import load

    folder = run or index.run
    if folder is None:
        raise SearchIndexError(
            "The index doesn't say which run it was built with.",
            where=str(index.path),
            next_step="Name it: --run RUN.",
        )
    space = load(folder, device=device)
    index.check_space(space.id)
    vector = space.query(**asked)
    if examples:
        stored = np.sum(np.stack([np.asarray(one.vector) for one in examples]), axis=0)
        vector = vector + stored / np.linalg.norm(stored)
    return np.asarray(vector, dtype=np.float32)


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
        table.add_row(f"{hit.score:.3f}", hit.kind, Text(printable(what)), Text(printable(where)))
    answers().print(table, highlight=False)
