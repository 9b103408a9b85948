"""``interlingua embed``: files and texts as vectors of a run's space."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from interlingua.cli.embed_source import embed_all, is_source
from interlingua.cli.index import KindsOption, split_kinds
from interlingua.cli.options import DeviceOption, JsonOption, RunOption
from interlingua.cli.output import answers, note, print_json, print_text
from interlingua.errors import ConfigError, MediaError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from interlingua.sample import Part

    Vectors = npt.NDArray[np.float32]

MAX_COMPARED = 12  # more rows make no readable table


def embed(
    run: RunOption,
    things: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help="Pictures and sounds; their bytes tell which is which. Or one SOURCE: a name from "
            "`data list`, a folder, a manifest.",
        ),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(metavar="WORDS", help="Words; may be given again.")
    ] = None,
    speech: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Somebody speaking."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npy|DIR",
            help="Write the vectors [n, D], float32; of a SOURCE: a folder of Parquet files, or a "
            "Lance table where its name ends in .lance.",
        ),
    ] = None,
    kinds: KindsOption = None,
    share: Annotated[
        str, typer.Option(metavar="I/N", help="Of a SOURCE: every N-th block from the I-th on.")
    ] = "0/1",
    block_size: Annotated[
        int, typer.Option(metavar="N", min=1, help="Of a SOURCE: vectors in a file.")
    ] = 4096,
    ray: Annotated[
        int, typer.Option(metavar="N", min=0, help="Of a SOURCE: N workers on a Ray cluster.")
    ] = 0,
    json: JsonOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Embed files and words, and show how near they are; or embed a whole source.

    Vectors have length 1, so their products are cosines. The rows of FILE.npy are in the order
    files, texts, speech. A damaged file is named and left out; the program then ends with 1.
    A source goes block by block into the folder --out: a job that was broken off goes on when the
    same command is given again, and --share lets several machines do one job.

    Examples:
    ```
    interlingua embed dog.png bark.ogg --text "a dog" --run runs/demo
    interlingua embed pictures/*.jpg --run runs/demo --out vectors.npy
    interlingua embed clipart --run runs/demo --out vectors/clipart --in image
    interlingua embed my/pictures --run runs/demo --out vectors/mine.lance --share 0/8
    ```
    """
    if things and is_source(things):
        if text or speech or out is None:
            raise ConfigError(
                "A source is embedded into a folder, and alone.",
                where=things[0],
                next_step="Give --out DIR, and no --text or --speech.",
            )
        embed_all(things[0], run, out, split_kinds(kinds), share, block_size, ray, device, json)
        return
    embed_few(
        [existing(name) for name in things or []], text or [], speech or [], run, out, device, json
    )


def embed_few(
    files: list[Path],
    text: list[str],
    speech: list[Path],
    run: Path,
    out: Path | None,
    device: str,
    json: bool,
) -> None:
    """Embed files and words, show them or write one file.

    Raises:
        ConfigError: nothing to embed, or a file that is no .npy.
    """
    if out is not None and out.suffix != ".npy":
        raise ConfigError("--out takes a file that ends in .npy.", where=str(out))
    if not (files or text or speech):
        raise ConfigError("Nothing to embed.", next_step='Give files, or --text "a dog".')
    from interlingua.space import load

    parts = readable_parts(files, text, speech)
    kept, vectors = embed_whole(load(run, device=device), parts)
    if not kept:
        raise typer.Exit(1)  # each was named
    rows = [{"kind": part.view, "item": label(part)} for part in kept]
    if out is not None:
        import numpy as np

        np.save(out, vectors)
        note(f"{len(kept)} vectors of width {vectors.shape[1]} are in {out}.")
    if json:
        print_json([{**row, "vector": vector} for row, vector in zip(rows, vectors, strict=True)])
    elif out is None:
        compare(rows, vectors)
    if len(kept) < len(files) + len(text) + len(speech):
        raise typer.Exit(1)


def existing(name: str) -> Path:
    """The path of a file.

    Raises:
        ConfigError: there is none.
    """
    path = Path(name)
    if not path.is_file():
        raise ConfigError(
            f"There is no file {name!r}.",
            next_step="Give files, a folder, a manifest, or a name from `interlingua data list`.",
        )
    return path


def readable_parts(files: list[Path], texts: list[str], speech: list[Path]) -> list[Part]:
    """The parts in order; a file that is neither picture nor sound is named in a notice."""
    from interlingua.data.user_media import as_part, as_sound

    parts: list[Part] = []
    for path in files:
        try:
            parts.append(as_part(path))
        except MediaError as error:
            note(f"left out: {error}")
    return [*parts, *map(as_part, texts), *(as_sound(path, "speech") for path in speech)]


def embed_whole(space: Any, parts: list[Part]) -> tuple[list[Part], Vectors]:
    """The parts that could be read and their vectors [n, D]; the others are named in a notice."""
    damaged: set[int] = set()

    def leave_out(number: int, part: Part, error: MediaError) -> None:
        damaged.add(number)
        note(f"left out: {error}")

    vectors: Vectors = space.embed_parts(parts, leave_out)
    whole = [number for number in range(len(parts)) if number not in damaged]
    return [parts[number] for number in whole], vectors[whole]


def label(part: Part) -> str:
    """The words of a text, the name of a file."""
    from interlingua.sample import Audio, Image, Label
    from interlingua.sample import Text as Words

    match part:
        case Words(text=text):
            return text
        case Label(name=name):
            return name
        case Image(content=content) | Audio(content=content):
            return content.name


def compare(rows: list[dict[str, str]], vectors: Vectors) -> None:
    """The cosines between the first rows."""
    shown = rows[:MAX_COMPARED]
    cosines = vectors[:MAX_COMPARED] @ vectors[:MAX_COMPARED].T  # [n, n]
    table = Table(title="cosine similarity", box=None, padding=(0, 1))
    for column in ("", "kind", "item"):
        table.add_column(column, no_wrap=True, overflow="ellipsis", max_width=48)
    for number in range(len(shown)):
        table.add_column(str(number + 1), justify="right", no_wrap=True)
    for number, (row, cosine) in enumerate(zip(shown, cosines, strict=True), start=1):
        figures = [f"{value:.2f}" for value in cosine]
        table.add_row(str(number), row["kind"], Text(row["item"]), *figures)
    answers().print(table, highlight=False)
    if len(rows) > len(shown):
        print_text(f"... and {len(rows) - len(shown)} more; --json or --out gives all of them.")
