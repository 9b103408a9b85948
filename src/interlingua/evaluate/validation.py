"""Two numbers for a model on validation samples: how often it is right, and how surely.

Shape legend: N samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interlingua.data.labels import ClassName
from interlingua.errors import DataError
from interlingua.evaluate.calibration import calibration, probabilities
from interlingua.evaluate.labelled import Embed, check_finite, components, embed_labelled
from interlingua.evaluate.ranking import first_right
from interlingua.evaluate.zero_shot import class_vectors
from interlingua.sample import Sample


@dataclass(frozen=True, slots=True)
class Score:
    """A model on some samples.

    Attributes:
        accuracy: of classes; of captions the mean of R@1 in both directions.
        nll: mean negative log-likelihood of what is right, in nats.
        n: N.
    """

    accuracy: float
    nll: float
    n: int


def validation_score(
    embed: Embed,
    samples: Sequence[Sample],
    classes: Sequence[ClassName],
    templates: Sequence[str],
    *,
    scale: float,
) -> Score:
    """By classes where there are some, else by the first caption of each picture.

    Args:
        embed: ``Space.embed_parts``.
        samples: with a picture and a label, or a picture and texts.
        classes: to be told apart; empty for captions.
        templates: of the classes' names.
        scale: the model's inverse temperature.

    Raises:
        DataError: no usable sample, or vectors that aren't finite.
    """
    if not classes:
        return _captions(embed, samples, scale)
    pictures = embed_labelled(embed, samples, classes)
    scores = pictures.vectors @ class_vectors(embed, classes, templates).T
    place = first_right(scores, pictures.labels, np.arange(len(classes)))
    found = calibration(probabilities(scores, scale), pictures.labels)
    return Score(float(place.hit_within(1).mean()), found.nll, len(pictures))


def _captions(embed: Embed, samples: Sequence[Sample], scale: float) -> Score:
    chosen = [one for one in samples if one.alternatives("image") and one.alternatives("text")]
    images = embed([one.alternatives("image")[0] for one in chosen], lambda *_: None)
    whole = np.flatnonzero(np.isfinite(images).all(1))
    kept = [chosen[row] for row in whole]
    if len(kept) < 2:
        raise DataError(f"Validation needs two pictures with captions; {len(kept)} can be used.")
    texts = embed([one.alternatives("text")[0] for one in kept], None)
    check_finite(texts)
    scores = images[whole] @ texts.T  # [N, N]
    group = components(kept)
    right = group[:, None] == group[None, :]
    hits, losses = [], []
    for table, mask in ((scores, right), (scores.T, right.T)):
        hits.append(first_right(table, group, group).hit_within(1).mean())
        chance = (probabilities(table, scale) * mask).sum(1)  # of any right item
        losses.append(-np.log(np.maximum(chance, 1e-12)).mean())
    return Score(float(np.mean(hits)), float(np.mean(losses)), len(kept))
