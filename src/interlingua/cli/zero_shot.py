"""``interlingua zero-shot``: what a model is worth on data that it wasn't trained for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlingua.cli.class_table import show_classification
from interlingua.cli.judged_things import By, opened_things, told_apart, way_of
from interlingua.cli.models import (
    DamagedNotes,
    LabelsFileOption,
    ModelArgument,
    PageOption,
    SeedOption,
    TemplatesOption,
)
from interlingua.cli.options import DeviceOption, JsonOption
from interlingua.cli.output import answers, print_json, print_text
from interlingua.errors import ConfigError

if TYPE_CHECKING:
    from interlingua.data.labels import ClassName
    from interlingua.data.source import Source
    from interlingua.evaluate.zero_shot import ZeroShot
    from interlingua.sample import Sample

EXAMPLES = 36  # wrong answers on the page


class Classified(StrEnum):
    """What is told apart."""

    image = "image"
    sound = "sound"
    speech = "speech"


def zero_shot(
    model: ModelArgument,
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="Class folders, ImageNet, CIFAR (binary), a Karpathy JSON, a manifest, a source; "
            "of a run what it held out, if none.",
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(metavar="NAME", help="Which part, as the data call it: val, test ...")
    ] = "",
    labels_file: LabelsFileOption = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", exists=True, file_okay=False, help="Pictures of a JSON."),
    ] = None,
    by: Annotated[
        By, typer.Option("--by", help="Labels, groups of things, or captions; auto looks.")
    ] = By.auto,
    depth: Annotated[
        int, typer.Option("--depth", metavar="N", min=1, help="Steps of a group that count.")
    ] = 1,
    view: Annotated[
        Classified, typer.Option("--view", help="What is told apart: image, sound or speech.")
    ] = Classified.image,
    templates: TemplatesOption = "simple",
    out: PageOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Judge a model without training: classes by their names, captions by retrieval.

    Pictures with classes are classified: top-1, top-5, balanced accuracy, calibration, a row
    per class; beside them chance, names dealt out anew (shuffled) and a grey picture in place of
    all (blank). Pictures with captions are retrieved in both directions, each of the five
    captions counted. A set in a benchmark's layout is called by its name only where it is whole.

    Without DATA a run is judged on the things that it held out, by the groups that their source
    gives them (`animals/birds` is `animals`, with --depth 2 `animals/birds`).

    Examples:
    ```
    interlingua zero-shot runs/demo --out groups.html
    interlingua zero-shot runs/demo stamps --by group --view sound
    interlingua zero-shot runs/demo my/pictures --templates drawing --out look.html
    interlingua zero-shot models/clip imagenet --split val --templates imagenet
    interlingua zero-shot models/clip dataset_flickr30k.json --images flickr30k-images
    ```
    """
    from interlingua.evaluate.labelled import NOUNS
    from interlingua.space import load

    source = opened_things(model, data, split, by, labels_file, images)
    by = way_of(source, by, own=data is None)
    if out is not None and by is By.caption:
        raise ConfigError(
            "A page is drawn of classes; these data have captions.", next_step="Use --json."
        )
    space = load(model, device=device)
    facts = {"model": model, "data": f"{source.name}{f', {split}' if split else ''}"}
    found, noun = None, NOUNS[view.value]
    if by is By.caption:
        figures = retrieved(space, source, seed)
    else:
        samples, classes = told_apart(source, by, labels_file, depth)
        facts |= {"by": by.value, "templates": templates, "what": f"{noun}s"}
        facts |= {"depth": str(depth)} if by is By.group else {}
        found = classified(space, samples, classes, templates, seed, view.value)
        figures = found.to_json()
        if out is not None:
            write_page(out, found, facts, space)
    figures |= {**facts, **counts(source, figures, noun, own=data is None)}
    if json:
        print_json(figures)
    else:
        show(figures, found, noun, out)


def show(figures: dict[str, Any], found: ZeroShot | None, noun: str, page: Path | None) -> None:
    """The figures for people."""
    print_text(f"{figures['set']}; left out: {_counts(figures['left_out'])}")
    if found is None:
        show_retrieval(figures["retrieval"])
    else:
        show_classification(found.result, blank=found.blank, noun=noun)
    if page is not None:
        print_text(f"Look at it: {page}")


def counts(source: Source, figures: dict[str, Any], noun: str, *, own: bool) -> dict[str, Any]:
    """What was judged by, in words, and how much the data left out."""
    from interlingua.data.source import count_reasons
    from interlingua.evaluate.caption_retrieval import size_note

    used = figures["n"] if "n" in figures else figures["pictures"]
    benchmark = getattr(source, "benchmark", ""), getattr(source, "benchmark_size", 0)
    what = size_note(*benchmark, used) if noun == "picture" else f"{used:,} {noun}s"
    return {
        "left_out_by_source": sum(count_reasons(source.problems).values()),
        "set": f"{used:,} {noun}s of things that the run never saw" if own else what,
    }


def classified(
    space: Any,
    samples: Sequence[Sample],
    classes: Sequence[ClassName],
    templates: str,
    seed: int,
    view: str = "image",
) -> ZeroShot:
    """Zero-shot figures of samples with classes."""
    from interlingua.evaluate import zero_shot as evaluation
    from interlingua.evaluate.calibration import model_scale
    from interlingua.evaluate.prompts import find_templates

    return evaluation.zero_shot(
        space.embed_parts,
        samples,
        classes,
        find_templates(templates),
        scale=model_scale(space.model),
        seed=seed,
        on_error=DamagedNotes(),
        view=view,
    )


def retrieved(space: Any, source: Source, seed: int) -> dict[str, Any]:
    """Retrieval figures of a source with captions."""
    from interlingua.evaluate.caption_retrieval import caption_retrieval

    found = caption_retrieval(space.embed_parts, list(source), seed=seed, on_error=DamagedNotes())
    return found.to_json()


def show_retrieval(rows: list[dict[str, Any]]) -> None:
    """Both directions."""
    from interlingua.cli.runs import direction_table

    answers().print(direction_table("retrieval", rows), highlight=False)


def write_page(out: Path, found: ZeroShot, facts: dict[str, str], space: Any) -> None:
    """The page: figures, bars, confusion, and pictures that the model takes for something else."""
    from interlingua.evaluate.calibration import model_scale, probabilities
    from interlingua.evaluate.labelled import NOUNS
    from interlingua.report.classification import Answer, classification_page

    pictures, result = found.pictures, found.result
    chances = probabilities(found.scores, model_scale(space.model))
    wrong = (chances.argmax(1) != pictures.labels).nonzero()[0]
    step = max(1, len(wrong) // EXAMPLES)
    examples = [
        Answer(
            judged_part(pictures.samples[row], found.view),
            [(result.names[n], float(chances[row, n])) for n in (-chances[row]).argsort()[:5]],
            result.names[pictures.labels[row]],
        )
        for row in wrong[::step][:EXAMPLES].tolist()
    ]
    title = f"Zero-shot: {facts['data']}"
    noun = f"{NOUNS[found.view]}s"
    classification_page(out, result, facts, title=title, examples=examples, things=noun)


def judged_part(sample: Sample, view: str) -> Sample:
    """The sample with what was judged alone: beside a sound its picture would be the answer."""
    return replace(sample, parts=sample.alternatives(view)[:1])


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "nothing"
