"""``interlingua probe``: what a model's frozen features are worth for given classes."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlingua.cli.models import (
    DamagedNotes,
    LabelsFileOption,
    ModelArgument,
    PageOption,
    SeedOption,
    pooled_embed,
)
from interlingua.cli.options import DeviceOption, JsonOption
from interlingua.cli.output import note, print_json, print_text

if TYPE_CHECKING:
    from interlingua.data.labels import ClassName
    from interlingua.evaluate.labelled import Labelled
    from interlingua.evaluate.probe import Probed


class Features(StrEnum):
    """What is probed."""

    pooled = "pooled"
    vectors = "vectors"


def probe(
    model: ModelArgument,
    data: Annotated[
        str, typer.Option(metavar="DATA", help="Pictures with classes, as for `zero-shot`.")
    ],
    test: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Pictures to judge by; else a part of DATA is held out."),
    ] = None,
    labels_file: LabelsFileOption = None,
    knn: Annotated[
        int,
        typer.Option("--knn", metavar="K", min=0, help="Also k nearest neighbours; 0 = leave out."),
    ] = 20,
    features: Annotated[
        Features,
        typer.Option(help="The tower's own output (pooled), or vectors of the space."),
    ] = Features.pooled,
    share: Annotated[
        float, typer.Option(metavar="X", min=0.01, max=0.9, help="Held out of DATA to judge by.")
    ] = 0.2,
    strength: Annotated[
        float, typer.Option(metavar="X", min=0, help="Of the L2 penalty; 0 = chosen by validation.")
    ] = 0.0,
    out: PageOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Train a linear classifier on frozen features, and let nearest neighbours vote.

    Pictures that look alike are kept on one side of the split. The control is trained on
    shuffled labels. A folder with `train` and `val` or `test` in it is split as it says.

    Examples:
    ```
    interlingua probe runs/demo --data my/pictures
    interlingua probe hf:openai/clip-vit-base-patch32 --data pets/train --test pets/val --knn 5
    ```
    """
    from interlingua.evaluate import probe as evaluation
    from interlingua.space import load

    space = load(model, device=device)
    embed = pooled_embed(space) if features is Features.pooled else space.embed_parts
    train, held = both_sides(embed, data, test, labels_file, share, seed)
    found = [evaluation.linear(train, held, strength=strength, seed=seed)]
    if knn:
        found.append(evaluation.neighbours(train, held, k=knn, seed=seed))
    facts = {"model": model, "data": data, "features": features.value}
    if out is not None:
        from interlingua.report.classification import classification_page

        title = f"Linear probe: {data}"
        classification_page(out, found[0].result, facts, title=title)
    if json:
        print_json({**facts, "probes": found})
        return
    for one in found:
        show(one)
    if out is not None:
        print_text(f"Look at it: {out}")


def both_sides(
    embed: Any, data: str, test: str | None, labels_file: Path | None, share: float, seed: int
) -> tuple[Labelled, Labelled]:
    """Training and test pictures with their features."""
    from interlingua.data.component import assign_components
    from interlingua.data.labelled_sources import open_labelled, split_names
    from interlingua.data.labels import classes_of
    from interlingua.evaluate.labelled import embed_labelled
    from interlingua.evaluate.probe import split

    parts = split_names(Path(data).expanduser()) if test is None else []
    if len(parts) > 1 and "train" in parts:
        sources = [
            open_labelled(data, split=name, names=labels_file) for name in ("train", parts[0])
        ]
    elif test is not None:
        sources = [open_labelled(name, names=labels_file) for name in (data, test)]
    else:
        sources = [open_labelled(data, names=labels_file)]
    classes: list[ClassName] = classes_of(sources[0], labels_file)
    told = DamagedNotes()
    if len(sources) == 2:
        train, held = (embed_labelled(embed, list(one), classes, told) for one in sources)
        return train, held
    samples = assign_components(list(sources[0]))
    return split(embed_labelled(embed, samples, classes, told), share, seed)


def show(found: Probed) -> None:
    """One probe for people."""
    from interlingua.cli.class_table import show_classification

    settings = {name: value for name, value in found.settings.items() if name != "tried"}
    told = ", ".join(f"{name} {value:.4g}" for name, value in settings.items())
    print_text(f"{found.kind}: trained on {found.train:,} pictures; {told}")
    show_classification(found.result)
    print_text(f"trained on shuffled labels: top-1 {found.shuffled.accuracy[1]:.3f}\n")
    if found.result.accuracy[1].low <= found.shuffled.accuracy[1].high:
        note("The probe's interval reaches that of shuffled labels: this shows nothing learned.")
