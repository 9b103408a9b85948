"""Recipes: the complete, typed, validated description of a run, as a value and as YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    Field,
    FiniteFloat,
    NonNegativeInt,
    SerializeAsAny,
    field_validator,
    model_validator,
)

from interlingua.config import Config, NamedConfig, nearest, part_of, to_plain, validate
from interlingua.data.augment import Augment
from interlingua.errors import ConfigError
from interlingua.train.stages import Stage

FORMAT_VERSION = 1


class SourceUse(Config):
    """A source and how much of it is used.

    Attributes:
        source: from ``interlingua.data``.
        weight: how often each of its samples comes in an epoch.
    """

    source: Annotated[SerializeAsAny[NamedConfig], part_of("data")]
    weight: FiniteFloat = Field(default=1.0, ge=0)


class SplitConfig(Config):
    """What is held out; no component is on both sides.

    Attributes:
        source: the name of the source that the held-out samples come from.
        held_out: how many.
        views: a held-out sample has all of these.
        unseen_languages: speech in these is kept from training for every sample, so that things
            that were seen can be heard in a language that was not.
        seed: of the choice.
    """

    source: str
    held_out: NonNegativeInt = 200
    views: tuple[str, ...] = ("image", "text")
    unseen_languages: tuple[str, ...] = ()
    seed: int = 0


class StreamConfig(Config):
    """How samples are read that are not kept in memory.

    Attributes:
        window: so many shards (row groups of Parquet) are mixed at a time, the next ones being
            fetched; 0 = all of them where any sample is quickly read, else 8.
        workers: threads that decode ahead of the step; 0 = a batch is made when it is asked for;
            None = one for each core. Batches don't depend on it.
    """

    window: NonNegativeInt = 0
    workers: NonNegativeInt | None = None


class DataConfig(Config):
    """The mixture that is trained on, and the split.

    Attributes:
        sources: with their weights.
        split: what is held out.
        filters: from ``interlingua.data.filters``, applied in order to the training samples only.
        augment: how pictures and texts are changed for towers that are trained; frozen towers see
            them as they are.
        picture_memory: GiB of decoded pictures that are kept, so that later epochs decode nothing.
        stream: read the samples of a batch when it is made and keep none, for corpora larger than
            memory; ``true`` or its settings. No tower may be frozen then.
    """

    sources: tuple[SourceUse, ...] = Field(min_length=1)
    split: SplitConfig | None = None
    filters: tuple[Annotated[SerializeAsAny[NamedConfig], part_of("data.filters")], ...] = ()
    augment: Augment = Augment()
    picture_memory: FiniteFloat = Field(default=1.0, ge=0)
    stream: StreamConfig | None = None

    @field_validator("stream", mode="before")
    @classmethod
    def _on_or_off(cls, value: Any) -> Any:
        if isinstance(value, bool):
            return StreamConfig() if value else None
        return value


class ObjectiveUse(Config):
    """An objective and its weight in the total."""

    objective: Annotated[SerializeAsAny[NamedConfig], part_of("objectives")]
    weight: FiniteFloat = Field(default=1.0, ge=0)


class EvaluationConfig(Config):
    """What is measured.

    Attributes:
        ks: of R@k.
        bootstrap: resamplings of the 95 % interval.
        seed: of the resampling.
    """

    ks: tuple[int, ...] = (1, 5, 10)
    bootstrap: NonNegativeInt = 1000
    seed: int = 0


class Recipe(Config):
    """A run, complete: it runs again from this alone.

    Attributes:
        name: as in ``interlingua.recipes.TABLE``.
        description: source, cost and expected score, for ``recipes show``.
        seed: of weights, order and choices.
        model: from ``interlingua.models``.
        start_from: whose weights it begins with: a run, a checkpoint folder, ``hf:owner/name``.
        data: sources, weights and split.
        objectives: by a name for the log.
        stages: one after another.
        evaluation: what is measured at the end.
        device: where it runs.
        precision: of the forward pass; auto = bf16 where it is fast.
        distributed: how many processes share the model: ddp = a copy in each, fsdp2 = a piece of
            every weight in each.
        compile: the towers' blocks, with torch.compile; on a CPU that needs a C++ compiler.
        timeout_seconds: after which a process that is gone or stuck ends the training in all.
        keep_checkpoints: how many stay.
    """

    name: str
    description: str = ""
    seed: int = 0
    model: Annotated[SerializeAsAny[NamedConfig], part_of("models")]
    start_from: str = ""
    data: DataConfig
    objectives: dict[str, ObjectiveUse] = Field(min_length=1)
    stages: tuple[Stage, ...] = Field(min_length=1)
    evaluation: EvaluationConfig = EvaluationConfig()
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    distributed: Literal["ddp", "fsdp2"] = "ddp"
    compile: bool = False
    timeout_seconds: FiniteFloat = Field(default=600.0, gt=0)
    keep_checkpoints: int = Field(default=3, ge=1)

    @model_validator(mode="after")
    def _stage_names_differ(self) -> Recipe:
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError(f"two stages have one name: {', '.join(names)}")
        return self


def apply_overrides(recipe: Recipe, overrides: Sequence[str]) -> Recipe:
    """The recipe with ``a.b=c`` changes made, one after another.

    A step of the path is a key, the number of a list item, or a list item's ``name``
    (``stages.heads.steps=10``). Values are YAML. Choosing another part by its ``name``
    drops the options of the one it replaces.

    Raises:
        ConfigError: an unknown key (the nearest one is named) or a wrong value.
    """
    for override in overrides:
        path, equals, text = override.partition("=")
        steps = path.strip().split(".")
        if not equals or not all(steps):
            raise ConfigError(
                f"{override!r} is not a change.", next_step="Write path.to.key=value."
            )
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"{text!r} is not a YAML value.", where=override) from error
        recipe = validate(Recipe, _changed(recipe, steps, value, override), override)
    return recipe


def to_yaml(recipe: Recipe) -> str:
    """The resolved recipe as YAML, every default written out."""
    plain = {"format_version": FORMAT_VERSION, **to_plain(recipe)}
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100))


def from_yaml(text: str, where: str = "recipe.yaml") -> Recipe:
    """The recipe that ``to_yaml`` wrote, or one written by hand.

    Raises:
        ConfigError: no YAML, a later format version, an unknown key or a wrong value.
    """
    try:
        plain = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError("The recipe is not YAML.", where=f"{where}{line}") from error
    if not isinstance(plain, dict):
        raise ConfigError("The recipe is not a mapping of keys to values.", where=where)
    version = plain.pop("format_version", FORMAT_VERSION)
    if version != FORMAT_VERSION:
        raise ConfigError(
            f"The recipe has format version {version}, this library reads {FORMAT_VERSION}.",
            where=where,
            next_step="Use the library version that wrote it, or rewrite the recipe.",
        )
    return validate(Recipe, plain, where)


def read_yaml(path: Path) -> Recipe:
    """The recipe of a file.

    Raises:
        ConfigError: the file is missing, or wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError("There is no such recipe file.", where=str(path)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("The recipe file can't be read.", where=str(path)) from error
    return from_yaml(text, str(path))


def _changed(recipe: Recipe, steps: Sequence[str], value: Any, override: str) -> dict[str, Any]:
    """Plain data of the recipe with one value set."""
    plain = to_plain(recipe)
    here: Any = plain
    typed: Any = recipe  # walked along, because only the typed side knows which parts are named
    for number, step in enumerate(steps[:-1]):
        key = _key(here, step, steps[: number + 1], override)
        here, typed = here[key], _child(typed, key)
        if not isinstance(here, (dict, list)):
            raise ConfigError(
                f"{'.'.join(steps[: number + 1])!r} has nothing inside it.", where=override
            )
    last = _key(here, steps[-1], steps, override, may_be_new=isinstance(here, dict))
    if last == "name" and isinstance(typed, NamedConfig) and value != typed.name:
        here.clear()
    here[last] = value
    return plain


def _key(
    here: Any, step: str, path: Sequence[str], override: str, may_be_new: bool = False
) -> str | int:
    """The key or the index that one step of an override means."""
    if isinstance(here, list):
        names = [item.get("name") if isinstance(item, dict) else None for item in here]
        if step in names:
            return names.index(step)
        if step.isdecimal() and int(step) < len(here):
            return int(step)
        known = [name for name in names if name] or [str(number) for number in range(len(here))]
        raise ConfigError(
            f"There is no {'.'.join(path)!r}{nearest(step, known)}.",
            where=override,
            next_step=f"Known: {', '.join(known)}." if known else "The list is empty.",
        )
    if step not in here and not may_be_new:
        raise ConfigError(f"unknown key {'.'.join(path)!r}{nearest(step, here)}.", where=override)
    return step


def _child(typed: Any, key: str | int) -> Any:
    if isinstance(typed, (Mapping, list, tuple)):
        return typed[key]  # type: ignore[call-overload,index,unused-ignore]
    return getattr(typed, str(key), None)
