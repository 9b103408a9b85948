"""What frozen features are worth for given classes: a linear probe and nearest neighbours.

Training and test pictures are split by class, components kept whole. The strength of the
probe's penalty is chosen on a part of the training pictures, then it is trained on
all of them. The control trains on shuffled labels and is judged by the true ones.

Shape legend: N pictures, P width of the features, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from interlingua.errors import DataError
from interlingua.evaluate import linear_probe
from interlingua.evaluate.class_split import split_by_class
from interlingua.evaluate.classification import Classification, judge
from interlingua.evaluate.intervals import Seed
from interlingua.evaluate.labelled import IntArray, Labelled
from interlingua.evaluate.nearest_neighbours import TEMPERATURE, neighbour_votes

VALIDATION_SHARE = 0.2  # of the training pictures, to choose the strength by


@dataclass(slots=True)
class Probed:
    """A probe's figures.

    Attributes:
        kind: ``linear`` or ``neighbours``.
        result: on the test pictures.
        shuffled: the same trained on shuffled labels; its accuracy is that of chance, or of
            always answering the commonest class.
        train: how many pictures were trained on.
        settings: strength, or k and temperature.
    """

    kind: str
    result: Classification
    shuffled: Classification
    train: int
    settings: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "kind": self.kind,
            "train": self.train,
            "settings": self.settings,
            **self.result.to_json(),
            "shuffled_labels": {
                str(k): value.to_json() for k, value in self.shuffled.accuracy.items()
            },
        }


def linear(
    train: Labelled, test: Labelled, *, strength: float = 0.0, bootstrap: int = 1000, seed: Seed = 0
) -> Probed:
    """A linear probe.

    Args:
        train, test: of the same classes; ``vectors`` are the features.
        strength: of the penalty; 0 = chosen on a part of the training pictures.
        bootstrap, seed: of the intervals, the validation part and the shuffling.

    Raises:
        DataError: training pictures of one class, or no test picture.
    """
    _check(train, test)
    count = len(train.classes)
    tried: dict[float, float] = {}
    if not strength:
        rows, held = split_by_class(train.labels, train.clusters, VALIDATION_SHARE, seed)
        inner, outer = train.take(rows), train.take(held)
        strength, tried = linear_probe.sweep(
            inner.vectors, inner.labels, outer.vectors, outer.labels, count
        )

    def judged(labels: IntArray) -> Classification:
        probe = linear_probe.fit(train.vectors, labels, count, strength)
        chances = probe.probabilities(test.vectors)
        return _judge(np.log(np.maximum(chances, 1e-300)), chances, test, bootstrap, seed)

    settings = {"strength": strength, "tried": {f"{one:.4g}": tried[one] for one in tried}}
    shuffled = judged(_shuffled(train.labels, seed))
    return Probed("linear", judged(train.labels), shuffled, len(train), settings)


def neighbours(
    train: Labelled,
    test: Labelled,
    *,
    k: int = 20,
    temperature: float = TEMPERATURE,
    bootstrap: int = 1000,
    seed: Seed = 0,
) -> Probed:
    """Nearest neighbours; see ``nearest_neighbours``.

    Raises:
        DataError: training pictures of one class, or no test picture.
    """
    _check(train, test)
    count = len(train.classes)

    def judged(labels: IntArray) -> Classification:
        votes = neighbour_votes(
            test.vectors, train.vectors, labels, count, k=k, temperature=temperature
        )
        return _judge(votes, votes, test, bootstrap, seed)

    settings = {"k": min(k, len(train)), "temperature": temperature}
    shuffled = judged(_shuffled(train.labels, seed))
    return Probed("neighbours", judged(train.labels), shuffled, len(train), settings)


def split(pictures: Labelled, share: float, seed: Seed = 0) -> tuple[Labelled, Labelled]:
    """Training and test pictures of one set, by class and component.

    Raises:
        DataError: too few pictures.
    """
    rows, held = split_by_class(pictures.labels, pictures.clusters, share, seed)
    return pictures.take(rows), pictures.take(held)


def _judge(scores: Any, chances: Any, test: Labelled, bootstrap: int, seed: Seed) -> Classification:
    return judge(
        scores,
        test.labels,
        test.names,
        chances=chances,
        clusters=test.clusters,
        bootstrap=bootstrap,
        seed=seed,
    )


def _shuffled(labels: IntArray, seed: Seed) -> IntArray:
    return np.random.default_rng(seed).permutation(labels)


def _check(train: Labelled, test: Labelled) -> None:
    if [one.key for one in train.classes] != [one.key for one in test.classes]:
        raise DataError(
            "Training and test pictures have different classes.",
            next_step="Both need the same class folders, or one label file for both.",
        )
    if len(np.unique(train.labels)) < 2:
        raise DataError(
            "All training pictures are of one class; there is nothing to learn.",
            next_step="Give pictures of two classes or more.",
        )
    if not len(test):
        raise DataError("There is no test picture.")
