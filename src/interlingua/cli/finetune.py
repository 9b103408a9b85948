"""``interlingua finetune``: a loaded model goes on with a small set of your own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from interlingua.cli import recipes
from interlingua.cli.models import LabelsFileOption, ModelArgument, SeedOption, TemplatesOption
from interlingua.cli.options import DeviceOption, JsonOption
from interlingua.cli.output import answers, note, print_json, print_text
from interlingua.errors import ConfigError

if TYPE_CHECKING:
    from interlingua.data.labels import ClassName
    from interlingua.data.source import Source
    from interlingua.sample import Sample
    from interlingua.train.chosen import Chosen
    from interlingua.train.recipe import Recipe
    from interlingua.train.session import Session

RUN = Path("runs/finetune")
SOURCES_WITH_TEMPLATES = ("cifar", "image_folder", "imagenet")


def finetune(
    model: ModelArgument,
    overrides: recipes.OverridesArgument = None,
    data: Annotated[
        str, typer.Option(metavar="DATA", help="Pictures with classes or captions.")
    ] = "",
    out: Annotated[Path, typer.Option(metavar="RUN", help="The run's folder.")] = RUN,
    epochs: Annotated[float, typer.Option(metavar="N", min=0.01, help="Over the data.")] = 10,
    learning_rate: Annotated[
        float, typer.Option(metavar="X", min=1e-9, help="At the top of the towers.")
    ] = 1e-5,
    batch_size: Annotated[int, typer.Option(metavar="N", min=2, help="Samples in a step.")] = 32,
    hold_out: Annotated[
        float,
        typer.Option(
            metavar="X", min=0.02, max=0.8, help="Share kept from training; half of it chooses."
        ),
    ] = 0.2,
    templates: TemplatesOption = "simple",
    labels_file: LabelsFileOption = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Fine-tune a loaded model on a small set, and keep it from forgetting what it knew.

    Training goes on with the model's own loss; deeper blocks learn more slowly. A part of the data
    is held out. One half of it chooses among the checkpoints, and how far to go from the old
    weights to the new ones; not at all, if that is best. The other half tells what it is worth.

    Examples:
    ```
    interlingua finetune models/clip --data my/pictures --out runs/mine
    interlingua finetune runs/clip --data captions.csv --epochs 3 stages.0.weight_decay=0.2
    ```
    """
    from interlingua.data.labels import classes_of
    from interlingua.evaluate.prompts import find_templates
    from interlingua.train.chosen import choose_weights
    from interlingua.train.log import display_for
    from interlingua.train.session import train_recipe

    if not data:
        raise ConfigError("No data are named.", next_step="--data FOLDER, or a manifest.")
    if out.exists() and any(out.iterdir()):
        raise ConfigError(
            "This folder already holds something.", where=str(out), next_step="Give another --out."
        )
    chosen = find_templates(templates)
    source, settings = opened(data, chosen, labels_file)
    options = {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size}
    recipe = recipe_for(model, source, settings, hold_out, seed, **options)
    from interlingua.train.recipe import apply_overrides

    recipe = apply_overrides(recipe, overrides or [])
    session = train_recipe(recipe, out, device=device, display=display_for())
    classes: list[ClassName] = []
    if any(sample.alternatives("label") for sample in source):
        classes = classes_of(source, labels_file)
        if len(classes) < 2:
            classes = []
    found = choose_weights(session, classes, chosen)
    page = write_page(session, by_class=bool(classes))
    if json:
        print_json({"run": str(out), "page": str(page), **found.to_json()})
    else:
        show(found)
        print_text(f"The run is in {out}; its newest step is the chosen model.")
        print_text(f"Its page is {page}. Next:")
        print_text(f"  interlingua zero-shot {out} {data}")


def opened(
    data: str, templates: tuple[str, ...], labels_file: Path | None
) -> tuple[Source, dict[str, Any]]:
    """The data, and the settings that a recipe opens them by."""
    from interlingua.config import resolve, validate
    from interlingua.data.labelled_sources import settings_of, split_names

    parts = split_names(Path(data).expanduser())
    settings = settings_of(data, split="train" if "train" in parts else "", names=labels_file)
    if settings["name"] in SOURCES_WITH_TEMPLATES:
        settings["templates"] = list(templates)
    if settings["name"] == "karpathy":
        settings.setdefault("splits", ["train"])
    source_class = resolve("data", settings["name"])
    source: Source = source_class(validate(source_class.Config, settings, where=data))
    plain = {
        name: str(value.absolute()) if isinstance(value, Path) else value
        for name, value in settings.items()
    }
    return source, plain


def recipe_for(
    model: str, source: Source, settings: dict[str, Any], hold_out: float, seed: int, **options: Any
) -> Recipe:
    """The recipe ``finetune`` with the loaded model's settings.

    Raises:
        ConfigError: too few samples, or a model that can't be trained on pictures and texts.
    """
    from interlingua.config import to_plain, validate
    from interlingua.model_source import load_model
    from interlingua.recipes.finetune import describe
    from interlingua.train.recipe import Recipe

    loaded, _ = load_model(model)
    config: Any = loaded.config
    has_texts = any(sample.alternatives("text") for sample in source)
    views = ("image", "text" if has_texts else "label")
    usable = sum(all(sample.alternatives(view) for view in views) for sample in source)
    held_out = max(4, round(hold_out * usable))
    if usable < held_out + 4:
        raise ConfigError(
            f"There are {usable} pictures with words; fine-tuning needs eight or more.",
            where=source.name,
        )
    start = str(Path(model).absolute()) if Path(model).exists() else model
    plain = describe(
        to_plain(config),
        start,
        settings,
        source_name=source.name,
        num_samples=usable,
        held_out=held_out,
        views=views,
        seed=seed,
        **options,
    )
    return validate(Recipe, plain, f"finetune {model}")


def write_page(session: Session, *, by_class: bool) -> Path:
    """Measure the chosen model on what chose nothing; write figures, page and card.

    Args:
        session: whose weights were chosen.
        by_class: all things of a class are right answers for one another.

    Returns:
        The page's path.
    """
    from dataclasses import replace

    from interlingua.data.labels import label_of
    from interlingua.evaluate.run import evaluate_session
    from interlingua.report.run import write_run_report
    from interlingua.train.chosen import held_out_halves

    numbers: dict[str, int] = {}

    def of_one_class(samples: Sequence[Sample]) -> list[Sample]:
        if not by_class:
            return list(samples)
        keys = [label_of(sample) or "" for sample in samples]
        components = [numbers.setdefault(key, len(numbers)) for key in keys]
        return [
            replace(sample, meta=replace(sample.meta, component=number))
            for sample, number in zip(samples, components, strict=True)
        ]

    session.display.note("Measuring, and writing the report ...")
    _, judging = held_out_halves(session)
    evaluation = evaluate_session(session, held_out=judging, alike=of_one_class)
    return write_run_report(session, evaluation)


def show(found: Chosen) -> None:
    """Before, after and chosen, on the half that didn't choose."""
    table = Table(title=f"on {found.judge_by} held-out samples that nothing was chosen by")
    for column in ("", "accuracy", "negative log-likelihood"):
        table.add_column(column, justify="left" if not column else "right")
    rows = {"as loaded": found.start, "fine-tuned": found.tuned, "chosen": found.chosen}
    for name, score in rows.items():
        table.add_row(name, f"{score.accuracy:.3f}", f"{score.nll:.3f}")
    answers().print(table, highlight=False)
    best = found.best
    if best.step:
        print_text(f"chosen: step {best.step}, {best.share:.0%} of the way to its weights")
    else:
        note("Nothing was better than the model as it was: it is kept.")
