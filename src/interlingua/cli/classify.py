"""``interlingua classify``: pictures and sounds told apart by the names of classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from interlingua.cli.models import ModelOption, TemplatesOption, named_classes
from interlingua.cli.options import DeviceOption, JsonOption
from interlingua.cli.output import answers, note, print_json, print_text, printable
from interlingua.errors import ConfigError, MediaError

if TYPE_CHECKING:
    from interlingua.data.labels import ClassName
    from interlingua.evaluate.intervals import FloatArray
    from interlingua.sample import Part

SURE_TWO = 2  # one class is always 100 % likely


def classify(
    model: ModelOption,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="Pictures or sounds."),
    ],
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels", metavar="A,B,C", help="The classes; other names of one after semicolons."
        ),
    ] = None,
    labels_file: Annotated[
        Path | None,
        typer.Option(
            "--labels-file", metavar="FILE", exists=True, dir_okay=False, help="One class per line."
        ),
    ] = None,
    templates: TemplatesOption = "simple",
    top: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many classes are shown of each file.")
    ] = 5,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write a page of them.")
    ] = None,
    json: JsonOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Tell pictures or sounds apart by the names of classes, without training (zero-shot).

    The probabilities are among the classes that are given: a picture of something else is
    of one of them all the same. A damaged file is named and left out; the program then ends with 1.
    Templates: plain, simple, imagenet (80), imagenet7, cifar, drawing, group; or one of your own
    with {} for the class.

    Examples:
    ```
    interlingua classify photos/*.jpg --run runs/demo --labels dog,cat,"red panda;firefox"
    interlingua classify scan.png --run runs/demo --labels-file kinds.txt --templates drawing
    ```
    """
    from interlingua.evaluate.prompts import find_templates
    from interlingua.space import load

    classes = named_classes(labels, labels_file)
    if len(classes) < SURE_TWO:
        raise ConfigError(
            "There is one class; every picture would be of it.", next_step="Give two or more."
        )
    chosen = find_templates(templates)
    space = load(model, device=device)
    parts = readable_things(files, space.kinds)
    kept, chances = probabilities_of(space, parts, classes, chosen)
    if not kept:
        raise typer.Exit(1)  # each was named
    rows = [best_of(part, row, classes, top) for part, row in zip(kept, chances, strict=True)]
    if out is not None:
        write_page(out, kept, rows, {"model": model, "templates": templates})
        note(f"The page is {out}.")
    if json:
        print_json(rows)
    else:
        show(rows)
    if len(kept) < len(files):
        raise typer.Exit(1)


def readable_things(files: list[Path], kinds: Sequence[str]) -> list[Part]:
    """The pictures and sounds in order; a file that is neither is named in a notice.

    Args:
        files: to read.
        kinds: what the model takes; a sound counts as speech where it takes that alone.
    """
    from interlingua.data.user_media import as_part

    parts: list[Part] = []
    for path in files:
        try:
            part = as_part(path, "sound" if "sound" in kinds else "speech")
        except MediaError as error:
            note(f"left out: {error}")
            continue
        if part.view in kinds:
            parts.append(part)
        else:
            kind = "picture" if part.view == "image" else "sound"
            note(f"left out: {path}: the model has no tower for a {kind}")
    return parts


def probabilities_of(
    space: Any, parts: list[Part], classes: list[ClassName], templates: tuple[str, ...]
) -> tuple[list[Part], FloatArray]:
    """What can be read and the probabilities [n, C] of the classes."""
    from interlingua.cli.embed import embed_whole
    from interlingua.evaluate.calibration import model_scale, probabilities
    from interlingua.evaluate.labelled import check_finite
    from interlingua.evaluate.zero_shot import class_vectors

    kept, vectors = embed_whole(space, parts)
    check_finite(vectors)
    named = class_vectors(space.embed_parts, classes, templates)
    return kept, probabilities(vectors @ named.T, model_scale(space.model))


def best_of(part: Part, chances: Any, classes: list[ClassName], top: int) -> dict[str, Any]:
    """The likeliest classes of one picture or sound."""
    from interlingua.cli.embed import label

    order = (-chances).argsort(kind="stable")[:top]
    likely = [{"class": classes[n].name, "probability": float(chances[n])} for n in order]
    return {"file": label(part), "classes": likely}


def show(rows: list[dict[str, Any]]) -> None:
    """A line for each file."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("file", no_wrap=True, overflow="ellipsis", max_width=48)
    table.add_column("class")
    for row in rows:
        likely = [f"{one['class']} {one['probability']:.0%}" for one in row["classes"]]
        rest = f"  ({', '.join(likely[1:])})" if likely[1:] else ""
        table.add_row(Text(printable(row["file"])), Text.assemble((likely[0], "bold"), rest))
    answers().print(table, highlight=False)
    if len(rows) > 1:
        counts: dict[str, int] = {}
        for row in rows:
            name = row["classes"][0]["class"]
            counts[name] = counts.get(name, 0) + 1
        order = sorted(counts.items(), key=lambda item: -item[1])
        print_text(", ".join(f"{name} {count}" for name, count in order))


def write_page(
    out: Path, parts: list[Part], rows: list[dict[str, Any]], facts: dict[str, str]
) -> None:
    """The contact sheet with what the model says of each picture."""
    from interlingua.report.classification import Answer, answers_page
    from interlingua.sample import Sample

    shown = [
        Answer(
            Sample(row["file"], (part,)),
            [(one["class"], one["probability"]) for one in row["classes"]],
        )
        for part, row in zip(parts, rows, strict=True)
    ]
    answers_page(out, shown, facts, title=f"{len(shown)} files classified")
