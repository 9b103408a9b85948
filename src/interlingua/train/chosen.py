"""After fine-tuning: the checkpoint, and the point on the way to it, that validation prefers.

The held-out samples are halved: one half chooses, the other tells what the choice is worth.
The chosen weights become the run's newest step.

Source: see ``evaluate/weight_interpolation.py``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import Tensor

from interlingua.data.gate import MediaLimits
from interlingua.data.labels import ClassName, label_of
from interlingua.embedding import Embedder, OnError, Vectors
from interlingua.errors import ConfigError
from interlingua.evaluate.calibration import model_scale
from interlingua.evaluate.class_split import split_by_class
from interlingua.evaluate.labelled import components
from interlingua.evaluate.validation import Score, validation_score
from interlingua.evaluate.weight_interpolation import SHARES, Candidate, choose
from interlingua.sample import Part, Sample
from interlingua.train.run_state import unshared, weights_for_use
from interlingua.train.session import Session
from interlingua.train.start import read_start

FIGURES_FILE = "finetuned.json"


@dataclass(slots=True)
class Chosen:
    """What was chosen.

    Attributes:
        best: the chosen point.
        tried: all of them, the start first.
        start, tuned, chosen: scores on the half that didn't choose: before fine-tuning,
            after it, and of what was chosen.
        choose_by, judge_by: how many samples each half has.
        chance: the accuracy of guessing on the half that didn't choose.
        classes: how many are told apart; 0 where captions are retrieved.
    """

    best: Candidate
    tried: list[Candidate]
    start: Score
    tuned: Score
    chosen: Score
    choose_by: int
    judge_by: int
    chance: float
    classes: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return asdict(self)


def choose_weights(
    session: Session,
    classes: Sequence[ClassName] = (),
    templates: Sequence[str] = ("{}",),
    shares: Sequence[float] = SHARES,
) -> Chosen:
    """Choose, save the choice as the run's newest step, and leave it in the session's model.

    Args:
        session: of a finished run whose recipe has ``start_from`` and holds samples out.
        classes: where samples are to be told apart by them; else captions are retrieved.
        templates: of the classes' names.
        shares: of the fine-tuned weights that are tried.

    Raises:
        ConfigError: the recipe starts from nothing, or holds nothing out.
        DataError: too few held-out samples.
    """
    recipe = session.recipe
    if not recipe.start_from or len(session.corpus.held_out) < 4:
        raise ConfigError(
            "There is nothing to choose by: the recipe must start from a model and hold out "
            "four samples or more.",
            where="start_from, data.split.held_out",
        )
    halves = held_out_halves(session)

    def score(weights: Mapping[str, Tensor], samples: Sequence[Sample]) -> Score:
        session.model.load_state_dict(dict(weights))
        session.model.eval()
        scale = model_scale(session.model)
        return validation_score(_embed(session), samples, classes, templates, scale=scale)

    store = session.run.checkpoints
    steps = [step for step in store.steps() if not store.load(step).state.get("chosen")]
    whole = session.model.state_dict()  # with what checkpoints leave out
    whole = {name: tensor.clone() for name, tensor in whole.items()}

    def tuned(step: int) -> dict[str, Tensor]:
        return {**whole, **_on(weights_for_use(store.load(step)), whole)}

    def by_first_half(weights: Mapping[str, Tensor]) -> tuple[float, float]:
        found = score(weights, halves[0])
        return found.accuracy, found.nll

    start = _on(read_start(session.model, recipe.start_from), whole)
    best, tried = choose(start, steps, tuned, by_first_half, shares)
    before, after = score(start, halves[1]), score(tuned(steps[-1]), halves[1])
    weights = best.weights(start, tuned)
    done = Chosen(
        best=best,
        tried=tried,
        start=before,
        tuned=after,
        chosen=score(weights, halves[1]),
        choose_by=len(halves[0]),
        judge_by=len(halves[1]),
        chance=1 / (len(classes) or len(halves[1])),
        classes=len(classes),
    )
    _save(session, weights)
    session.run.write_text(FIGURES_FILE, json.dumps(done.to_json(), indent=1))
    return done


def held_out_halves(session: Session) -> tuple[list[Sample], list[Sample]]:
    """(the held-out samples that choose, those that tell what the choice is worth).

    Raises:
        DataError: too few held-out samples.
    """
    held_out = session.corpus.held_out
    keys = [label_of(sample) or "" for sample in held_out]
    numbers = np.unique(keys, return_inverse=True)[1]
    rows, rest = split_by_class(numbers, components(held_out), 0.5, session.recipe.seed)
    return [held_out[row] for row in rows], [held_out[row] for row in rest]


def _embed(session: Session) -> Any:
    embedder = Embedder(session.model, session.device, MediaLimits())

    def embed(parts: Sequence[Part], on_error: OnError | None) -> Vectors:
        return embedder(parts, on_error, None)

    return embed


def _on(weights: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.to(like[name].device) for name, tensor in weights.items()}


def _save(session: Session, weights: Mapping[str, Tensor]) -> None:
    """A step after the last, which resumes as the last would."""
    store = session.run.checkpoints
    newest = store.load()
    tensors = dict(newest.tensors)
    for group in ("model", "ema"):
        if group in tensors:
            tensors[group] = unshared({name: weights[name] for name in tensors[group]})
    store.save(newest.step + 1, tensors, {**newest.state, "chosen": True})
