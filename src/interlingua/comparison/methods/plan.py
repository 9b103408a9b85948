"""What is compared: fusions of all modalities, single modalities, with or without dropout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import torch
from pydantic import SerializeAsAny

from interlingua.comparison.methods.budget import matched, reference_parameters
from interlingua.comparison.rows.row import Parameters
from interlingua.comparison.task import Fold, FusionTask
from interlingua.config import Config, part_of, validate
from interlingua.errors import ConfigError, InterlinguaError
from interlingua.fusion.fusion import FusionConfig
from interlingua.fusion.late_average import LateAverage
from interlingua.models.fused_classifier import FusedClassifier

Dropout = Literal["all", "some", "none"]


class _Chosen(Config):
    fusion: Annotated[SerializeAsAny[FusionConfig], part_of("fusion")]


@dataclass(frozen=True, slots=True)
class Method:
    """One way to answer, before it is trained.

    Attributes:
        key: its row's.
        title: for people.
        fusion: with its parameters matched.
        modalities: that it has.
        single: it has one only, as a baseline.
        dropout: of modalities in training.
        seeds: of its runs.
        parameters: how large it is.
    """

    key: str
    title: str
    fusion: FusionConfig
    modalities: tuple[str, ...]
    single: bool
    dropout: float
    seeds: tuple[int, ...]
    parameters: Parameters

    def model(self, task: FusionTask, fold: Fold) -> FusedClassifier.Config:
        """The settings of the model on a fold."""
        towers = {**task.towers, **fold.towers}
        return FusedClassifier.Config(
            classes=task.classes,
            towers={name: towers[name] for name in self.modalities},
            views={name: name for name in self.modalities},
            fusion=self.fusion,
            modality_dropout=self.dropout,
        )


@dataclass(slots=True)
class Plan:
    """All methods of a comparison.

    Attributes:
        methods: in the order of the rows.
        failed: by key, fusions that can't be built and why.
        notes: e.g. parameters that could not be matched.
    """

    methods: list[Method]
    failed: dict[str, str]
    notes: list[str]


def plan(
    task: FusionTask,
    fusions: Sequence[str | FusionConfig],
    seeds: Sequence[int],
    dropout: Dropout = "some",
    parameters: int | None = None,
) -> Plan:
    """Fusions, single modalities, and fusions with modality dropout, with equal parameters.

    Args:
        task: what is asked.
        fusions: names or settings; a name stands for the task's own settings where it has some.
        seeds: of the runs.
        dropout: which fusions are trained with modality dropout too: ``all`` for every seed,
            ``some`` for the first seed, or ``none``.
        parameters: of each fusion with its head; by default those of late averaging.

    Raises:
        ConfigError: a fusion that isn't known, or is named twice.
    """
    of_task: Mapping[str, FusionConfig] = getattr(task, "fusions", {})
    configs = [
        fusion_config(of_task.get(one, one) if isinstance(one, str) else one) for one in fusions
    ]
    keys = [
        one if isinstance(one, str) and one in of_task else key_of(config)
        for one, config in zip(fusions, configs, strict=True)
    ]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise ConfigError(f"The fusion {twice[0]!r} is named twice.", where="fusions")
    widths, answers = widths_of(task), len(task.classes)
    target = parameters or reference_parameters(widths.tokens, answers)
    made = Plan([], {}, [])

    def add(key: str, title: str, config: FusionConfig, modalities: tuple[str, ...]) -> None:
        used = {name: widths.tokens[name] for name in modalities}
        try:
            found, size = matched(config, used, answers, target)
        except InterlinguaError as error:
            made.failed[key] = str(error)
            return
        except Exception as error:  # a fusion from outside: the others go on
            made.failed[key] = f"It can't be built: {type(error).__name__}: {error}"
            return
        size = replace(
            size,
            trained=size.fusion + sum(widths.trained[name] for name in modalities),
            frozen=sum(widths.frozen[name] for name in modalities),
        )
        if not size.matched:
            made.notes.append(
                f"{key}: {size.fusion:,} parameters, its settings come no nearer to {target:,}."
            )
        single = len(modalities) == 1
        made.methods.append(Method(key, title, found, modalities, single, 0.0, tuple(seeds), size))

    everything = tuple(task.towers)
    for key, config in zip(keys, configs, strict=True):
        add(key, key.replace("_", " "), config, everything)
    for name in everything:
        add(f"only {name}", f"{name} alone", LateAverage.Config(), (name,))
    made.methods += with_dropout(made.methods, dropout, task.budget.modality_dropout)
    return made


def with_dropout(methods: Sequence[Method], dropout: Dropout, rate: float) -> list[Method]:
    """The fusions among these once more, trained with modality dropout."""
    if dropout == "none" or not rate:
        return []
    return [
        replace(
            one,
            key=f"{one.key}+dropout",
            title=f"{one.title}, modality dropout {rate:g}",
            dropout=rate,
            seeds=one.seeds if dropout == "all" else one.seeds[:1],
        )
        for one in methods
        if not one.single
    ]


def fusion_config(chosen: str | FusionConfig) -> FusionConfig:
    """The settings of a fusion that is given by its name.

    Raises:
        ConfigError: there is none of that name; names the nearest.
    """
    if isinstance(chosen, FusionConfig):
        return chosen
    return validate(_Chosen, {"fusion": chosen}, where="fusions").fusion


def key_of(config: FusionConfig) -> str:
    """The fusion's name, with the settings that differ from its defaults in brackets."""
    plain = type(config)(name=config.name)
    changed = []
    for name in type(config).model_fields:
        value = getattr(config, name)
        if value != getattr(plain, name):
            changed.append(f"{name}={key_of(value) if isinstance(value, FusionConfig) else value}")
    name = config.name.rpartition(":")[2]
    return f"{name}({', '.join(changed)})" if changed else name


@dataclass(frozen=True, slots=True)
class Widths:
    """What the fusions must know of the towers, by modality.

    Attributes:
        tokens: width of the states that a fusion gets.
        trained, frozen: parameters of the tower.
    """

    tokens: dict[str, int]
    trained: dict[str, int]
    frozen: dict[str, int]


def widths_of(task: FusionTask) -> Widths:
    """Of a model with all modalities."""
    config = FusedClassifier.Config(
        classes=task.classes,
        towers=task.towers,
        views={name: name for name in task.towers},
        fusion=LateAverage.Config(),
    )
    with torch.random.fork_rng(devices=[]):
        model = FusedClassifier(config)
    sizes = {
        name: sum(one.numel() for one in model.tower_shape(name).parameters())
        for name in task.towers
    }
    frozen = {name: size if task.towers[name].frozen else 0 for name, size in sizes.items()}
    return Widths(
        tokens={name: model.token_width(name) for name in task.towers},
        trained={name: size - frozen[name] for name, size in sizes.items()},
        frozen=frozen,
    )
