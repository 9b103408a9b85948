"""``interlingua zero-shot``: what a model is worth on data that it wasn't trained for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from interlingua.cli.models import (
    DamagedNotes,
    LabelsFileOption,
    ModelArgument,
    PageOption,
    SeedOption,
    TemplatesOption,
)
from interlingua.cli.options import DeviceOption, JsonOption
from interlingua.cli.output import answers, note, print_json, print_text
from interlingua.errors import ConfigError

if TYPE_CHECKING:
    from interlingua.data.source import Source
    from interlingua.evaluate.classification import Classification
    from interlingua.evaluate.zero_shot import ZeroShot

EXAMPLES = 36  # wrong answers on the page


def zero_shot(
    model: ModelArgument,
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="Class folders, ImageNet, CIFAR (binary), a Karpathy JSON, a manifest.",
        ),
    ],
    split: Annotated[
        str, typer.Option(metavar="NAME", help="Which part, as the data call it: val, test ...")
    ] = "",
    labels_file: LabelsFileOption = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", exists=True, file_okay=False, help="Pictures of a JSON."),
    ] = None,
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

    Examples:
    ```
    interlingua zero-shot runs/demo my/pictures --templates drawing --out look.html
    interlingua zero-shot models/clip imagenet --split val --templates imagenet
    interlingua zero-shot models/clip dataset_flickr30k.json --images flickr30k-images
    ```
    """
    from interlingua.data.labelled_sources import open_labelled
    from interlingua.evaluate.caption_retrieval import size_note
    from interlingua.space import load

    source = open_labelled(data, split=split, names=labels_file, images=images)
    for problem in source.problems[:3]:
        note(f"{problem.reason}: {problem.where}")
    has_labels = any(sample.alternatives("label") for sample in source)
    space = load(model, device=device)
    facts = {"model": model, "data": f"{source.name}{f', {split}' if split else ''}"}
    figures: dict[str, Any] = {**facts, "left_out_by_source": len(source.problems)}
    if has_labels:
        facts["templates"] = templates
        found = classified(space, source, labels_file, templates, seed)
        figures |= {"templates": templates, **found.to_json()}
        if out is not None:
            write_page(out, found, facts, space)
    else:
        if out is not None:
            raise ConfigError(
                "A page is drawn of classes; these data have captions.", next_step="Use --json."
            )
        figures |= retrieved(space, source, seed)
    used = figures["n"] if has_labels else figures["pictures"]
    benchmark = getattr(source, "benchmark", ""), getattr(source, "benchmark_size", 0)
    figures["set"] = size_note(*benchmark, used)
    if json:
        print_json(figures)
        return
    print_text(f"{figures['set']}; left out: {_counts(figures['left_out'])}")
    if has_labels:
        show_classification(found.result, blank=found.blank)
    else:
        show_retrieval(figures["retrieval"])
    if out is not None:
        print_text(f"Look at it: {out}")


def classified(
    space: Any, source: Source, labels_file: Path | None, templates: str, seed: int
) -> ZeroShot:
    """Zero-shot figures of a source with classes."""
    from interlingua.data.labels import classes_of
    from interlingua.evaluate import zero_shot as evaluation
    from interlingua.evaluate.calibration import model_scale
    from interlingua.evaluate.prompts import find_templates

    return evaluation.zero_shot(
        space.embed_parts,
        list(source),
        classes_of(source, labels_file),
        find_templates(templates),
        scale=model_scale(space.model),
        seed=seed,
        on_error=DamagedNotes(),
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


def show_classification(result: Classification, *, blank: float | None = None) -> None:
    """Figures, the hardest classes and the commonest mistakes, for people."""
    from interlingua.evaluate.confusion import mistakes

    table = Table()
    for column in ("", "accuracy [95 %]", "chance", "shuffled"):
        table.add_column(column, justify="left" if not column else "right", no_wrap=True)
    for k, value in result.accuracy.items():
        control = f"{result.control[k].value:.3f}"
        table.add_row(f"top-{k}", Text(f"{value:.3f}"), f"{result.chance[k]:.3f}", control)
    chance = f"{1 / len(result.names):.3f}"
    table.add_row("balanced", Text(f"{result.balanced:.3f}"), chance, "")
    answers().print(table, highlight=False)
    extra = [f"commonest class {result.majority:.3f}"]
    if blank is not None:
        extra.append(f"blank picture {blank:.3f}")
    if result.calibration is not None:
        extra.append(f"calibration error {result.calibration.error:.3f}")
    print_text(f"N {result.n:,}, {len(result.names):,} classes; {', '.join(extra)}")
    seen = [row for row in result.rows if row.recall is not None]
    hard = sorted(seen, key=lambda row: row.recall.value if row.recall else 0)[:8]
    print_text("hardest: " + ", ".join(f"{row.name} {row.recall:.2f} (N {row.n})" for row in hard))
    for one in mistakes(result.matrix, 5):
        true, taken = result.names[one.true], result.names[one.taken_for]
        print_text(f"  {true} taken for {taken}: {one.count} ({one.share:.0%})")


def write_page(out: Path, found: ZeroShot, facts: dict[str, str], space: Any) -> None:
    """The page: figures, bars, confusion, and pictures that the model takes for something else."""
    from interlingua.evaluate.calibration import model_scale, probabilities
    from interlingua.report.classification import Answer, classification_page

    pictures, result = found.pictures, found.result
    chances = probabilities(found.scores, model_scale(space.model))
    wrong = (chances.argmax(1) != pictures.labels).nonzero()[0]
    step = max(1, len(wrong) // EXAMPLES)
    examples = [
        Answer(
            pictures.samples[row],
            [(result.names[n], float(chances[row, n])) for n in (-chances[row]).argsort()[:5]],
            result.names[pictures.labels[row]],
        )
        for row in wrong[::step][:EXAMPLES].tolist()
    ]
    title = f"Zero-shot: {facts['data']}"
    classification_page(out, result, facts, title=title, examples=examples)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "nothing"
