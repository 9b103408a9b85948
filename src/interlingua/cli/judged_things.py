"""What a model is judged on: data that are named, or what a run held out of its own."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from interlingua.cli.output import note
from interlingua.errors import ConfigError, DataError

if TYPE_CHECKING:
    from interlingua.data.labels import ClassName
    from interlingua.data.source import Source
    from interlingua.sample import Sample

MOST_REASONS = 3  # told on standard error; the JSON counts all


class By(StrEnum):
    """What things are judged by."""

    auto = "auto"
    label = "label"
    group = "group"
    caption = "caption"


def opened_things(
    model: str, data: str | None, split: str, by: By, labels_file: Path | None, images: Path | None
) -> Source:
    """The things to judge by; says what they left out, and where the run has seen them.

    Raises:
        ConfigError, DataError: see ``open_labelled`` and ``held_out_of``.
    """
    from interlingua.data.labelled_sources import open_labelled
    from interlingua.data.source import count_reasons

    if data is None:
        source = held_out_of(model)
    else:
        names = None if by is By.group else labels_file  # then it names groups, not folders
        source = open_labelled(data, split=split, names=names, images=images)
        warn_of_seen(model, source)
    for reason, count in [*count_reasons(source.problems).items()][:MOST_REASONS]:
        first = next(one.where for one in source.problems if one.reason == reason)
        note(f"left out by the data: {reason} ({count:,}), first {first}")
    return source


def held_out_of(model: str) -> Source:
    """The things that a run held out, of its own sources.

    Raises:
        ConfigError: the model is no run.
        DataError: the run held nothing out.
    """
    from interlingua.data.source import ListSource
    from interlingua.train.corpus import open_corpus
    from interlingua.train.recipe import read_yaml

    recipe_file = Path(model) / "recipe.yaml"
    if not recipe_file.is_file():
        raise ConfigError(
            "No data are named, and this model is no run, which would have things of its own.",
            where=model,
            next_step="interlingua zero-shot MODEL DATA",
        )
    config = read_yaml(recipe_file).data
    # filters take from training only
    corpus = open_corpus(config.model_copy(update={"filters": ()}), note)
    if config.split is None or not corpus.held_out:
        raise DataError(
            "The run held nothing out, so it has seen all of its things.",
            where=model,
            next_step="Name other data: interlingua zero-shot MODEL DATA.",
        )
    name = config.split.source
    return ListSource(f"{name}, held out", corpus.held_out, corpus.problems.get(name, ()))


def warn_of_seen(model: str, source: Source) -> None:
    """Say so where a run is judged on data that it was trained on."""
    from interlingua.train.recipe import read_yaml

    recipe_file = Path(model) / "recipe.yaml"
    if recipe_file.is_file():
        uses = read_yaml(recipe_file).data.sources
        if source.name in {use.source.name for use in uses}:
            note(
                f"The run was trained on things of {source.name}: these figures flatter it. "
                "Without DATA it is judged on what it held out."
            )


def way_of(source: Source, by: By, *, own: bool) -> By:
    """What things are judged by where that is left open.

    Labels where there are any, else captions, of a run's own things groups.
    """
    if by is not By.auto:
        return by
    if any(sample.alternatives("label") for sample in source):
        return By.label
    return By.group if own else By.caption


def told_apart(
    source: Source, by: By, labels_file: Path | None, depth: int
) -> tuple[list[Sample], list[ClassName]]:
    """The samples with their labels, and the classes; of groups near-equal things are joined."""
    from interlingua.data.component import assign_components
    from interlingua.data.groups import group_classes, labelled_by_group
    from interlingua.data.labels import classes_of, read_class_names

    samples = list(source)
    if by is By.label:
        return samples, classes_of(source, labels_file)
    if any(sample.meta.component is None for sample in samples):
        samples = assign_components(samples)  # two pictures of one thing are no two facts
    classes = read_class_names(labels_file) if labels_file else group_classes(samples, depth)
    return labelled_by_group(samples, depth), classes
