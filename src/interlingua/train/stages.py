"""Stages: what is trainable, how fast, for how long. All of it is data in the recipe."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import Field, FiniteFloat, PositiveInt

from interlingua.config import Config, nearest
from interlingua.errors import ConfigError


class Stage(Config):
    """One stage of a run.

    Attributes:
        name: for the log.
        trainable: (name pattern, learning rate multiplier); the first pattern that matches
            a parameter's name decides; 0 freezes it, and so does no match at all.
        steps: optimizer steps.
        batch_size: samples in a batch, all processes together (the stream reads it).
        learning_rate: at its highest.
        schedule: what follows the warm-up: half a cosine or a line down to
            ``final_fraction`` of the rate, or no change.
        warmup_steps: a line up from 0.
        weight_decay: of parameters with two or more dimensions.
        betas: of AdamW.
        epsilon: of AdamW.
        clip_norm: gradients are scaled down to this total norm; 0 leaves them alone.
        accumulate: batches in one optimizer step.
        micro_batch: samples of this process that the towers see at a time, where the loss needs
            the whole batch (gradient caching); 0 = all at once.
        model: settings of the model for this stage, handed to its ``enter_stage`` (picture size,
            patch dropout, by tower); empty = as its weights were made for.
        ema: decay of an averaged copy of what is trained, which is then measured and used;
            0 = none.
        log_every, evaluate_every, checkpoint_every: in steps; 0 = only at the end.
    """

    name: str = "train"
    trainable: tuple[tuple[str, FiniteFloat], ...] = (("*", 1.0),)
    steps: PositiveInt
    batch_size: PositiveInt = 256
    learning_rate: FiniteFloat = Field(default=1e-3, gt=0)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    final_fraction: FiniteFloat = Field(default=0.0, ge=0, le=1)
    warmup_steps: int = Field(default=0, ge=0)
    weight_decay: FiniteFloat = Field(default=0.01, ge=0)
    betas: tuple[FiniteFloat, FiniteFloat] = (0.9, 0.98)
    epsilon: FiniteFloat = Field(default=1e-8, gt=0)
    clip_norm: FiniteFloat = Field(default=1.0, ge=0)
    accumulate: PositiveInt = 1
    micro_batch: int = Field(default=0, ge=0)
    model: dict[str, dict[str, Any]] = Field(default_factory=dict)
    ema: FiniteFloat = Field(default=0.0, ge=0, lt=1)
    log_every: int = Field(default=10, ge=0)
    evaluate_every: int = Field(default=0, ge=0)
    checkpoint_every: int = Field(default=0, ge=0)


def learning_rate(stage: Stage, step: int) -> float:
    """The rate of a step (0 is the stage's first), a pure function so that resuming is exact."""
    if step < stage.warmup_steps:
        return stage.learning_rate * (step + 1) / stage.warmup_steps
    length = max(1, stage.steps - stage.warmup_steps)
    done = min(1.0, (step - stage.warmup_steps) / length)
    fall = {
        "constant": 1.0,
        "linear": 1 - done,
        "cosine": (1 + math.cos(math.pi * done)) / 2,
    }[stage.schedule]
    return stage.learning_rate * (stage.final_fraction + (1 - stage.final_fraction) * fall)


def multipliers(stage: Stage, names: Iterable[str]) -> dict[str, float]:
    """The learning rate multiplier of every parameter that the stage trains, by name.

    Raises:
        ConfigError: a pattern matches nothing, or nothing is trainable.
    """
    names = list(names)
    rates: dict[str, float] = {}
    for pattern, _ in stage.trainable:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ConfigError(
                f"The pattern {pattern!r} matches no parameter{nearest(pattern, names)}.",
                where=f"stage {stage.name!r}, trainable",
                next_step="Parameter names begin with: "
                + ", ".join(sorted({name.split(".")[0] for name in names})),
            )
    for name in names:
        for pattern, rate in stage.trainable:
            if fnmatchcase(name, pattern):
                if rate != 0:
                    rates[name] = rate
                break
    if not rates:
        raise ConfigError("Nothing is trainable.", where=f"stage {stage.name!r}, trainable")
    return rates


def give_settings(model: object, settings: Mapping[str, Any]) -> None:
    """Hand a stage's settings to a model that takes some; none put everything back.

    Raises:
        ConfigError: the model takes no settings, or not these.
    """
    enter = getattr(model, "enter_stage", None)
    if enter is not None:
        enter(settings)
    elif settings:
        raise ConfigError("This model takes no settings from a stage.", where="stages.model")
