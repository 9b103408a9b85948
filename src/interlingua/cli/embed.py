"""``interlingua embed``: files and texts as vectors of a run's space."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

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
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Pictures and sounds; their bytes tell which is which.",
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
        Path | None, typer.Option(metavar="FILE.npy", help="Write the vectors [n, D], float32.")
    ] = None,
    json: JsonOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Embed files and words, and show how near they are to each other.

    Vectors have length 1, so their products are cosines. The rows of FILE.npy are in the order
    files, texts, speech. A damaged file is named and left out; the program then ends with 1.

    Examples:
    ```
    interlingua embed dog.png bark.ogg --text "a dog" --run runs/demo
    interlingua embed pictures/*.jpg --run runs/demo --out vectors.npy
    ```
    """
    if out is not None and out.suffix != ".npy":
        raise ConfigError("--out takes a file that ends in .npy.", where=str(out))
    if not (files or text or speech):
        raise ConfigError("Nothing to embed.", next_step='Give files, or --text "a dog".')
    from interlingua.space import load

    parts = readable_parts(files or [], text or [], speech or [])
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
    if len(kept) < len(files or []) + len(text or []) + len(speech or []):
        raise typer.Exit(1)


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
