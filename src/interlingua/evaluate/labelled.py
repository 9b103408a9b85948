"""Pictures of known classes as vectors: what zero-shot, probes and neighbours are judged on.

Sounds and speech can stand in the pictures' place.

Shape legend: N pictures, D width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from interlingua.data.labels import ClassName, label_of
from interlingua.embedding import OnError, Vectors
from interlingua.errors import DataError, MediaError
from interlingua.sample import Part, Sample

# ``Space.embed_parts``, or ``PooledFeatures`` for what a tower gives before its projection
Embed: TypeAlias = Callable[[Sequence[Part], OnError | None], Vectors]
IntArray = npt.NDArray[np.int64]

NOUNS = {"image": "picture", "sound": "sound", "speech": "recording"}  # what can be classified


@dataclass(slots=True)
class Labelled:
    """Vectors with classes.

    Attributes:
        classes: C of them.
        vectors: [N, D].
        labels: [N] numbers of classes.
        clusters: [N] what must not be told apart: the samples' components.
        samples: [N] the samples, in the same order.
        left_out: how many samples were left out, by reason.
        damaged: of these, pictures that can't be read, by class name.
    """

    classes: list[ClassName]
    vectors: Vectors
    labels: IntArray
    clusters: IntArray
    samples: list[Sample]
    left_out: Counter[str] = field(default_factory=Counter)
    damaged: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def names(self) -> list[str]:
        """The classes' first names."""
        return [one.name for one in self.classes]

    def take(self, rows: npt.ArrayLike) -> Labelled:
        """Some of the pictures; the classes stay."""
        chosen = np.asarray(rows, np.int64)
        return Labelled(
            self.classes,
            self.vectors[chosen],
            self.labels[chosen],
            self.clusters[chosen],
            [self.samples[row] for row in chosen],
        )


def embed_labelled(
    embed: Embed,
    samples: Sequence[Sample],
    classes: Sequence[ClassName],
    on_error: Callable[[Sample, MediaError], None] | None = None,
    view: str = "image",
) -> Labelled:
    """The pictures of samples that have a class, embedded; of several the first.

    Samples without a picture or a known class, and damaged pictures, are left out and counted.

    Args:
        embed: ``Space.embed_parts``.
        samples: with the view that is asked for and label.
        classes: in the order of their numbers.
        on_error: is told of each damaged picture.
        view: one of ``NOUNS``: what is classified in the pictures' place.

    Raises:
        DataError: nothing is left, or a vector isn't finite.
    """
    noun = NOUNS[view]
    number = {one.key: place for place, one in enumerate(classes)}
    left_out: Counter[str] = Counter()
    damaged: Counter[str] = Counter()
    chosen: list[Sample] = []
    for sample in samples:
        key = label_of(sample)
        if not sample.alternatives(view):
            left_out[f"no {noun}"] += 1
        elif key is None:
            left_out["no label"] += 1
        elif key not in number:
            left_out["a label that is no class"] += 1
        else:
            chosen.append(sample)
    labels = np.array([number[label_of(sample) or ""] for sample in chosen], np.int64)
    whole = np.ones(len(chosen), bool)

    def leave_out(place: int, part: Part, error: MediaError) -> None:
        whole[place] = False
        left_out[f"a {noun} that is {error.reason}"] += 1
        damaged[classes[labels[place]].name] += 1
        if on_error is not None:
            on_error(chosen[place], error)

    pictures = [sample.alternatives(view)[0] for sample in chosen]
    vectors = embed(pictures, leave_out) if pictures else np.zeros((0, 1), np.float32)
    kept = [sample for sample, good in zip(chosen, whole, strict=True) if good]
    if not kept:
        reasons = ", ".join(f"{reason} ({count})" for reason, count in left_out.most_common())
        raise DataError(
            f"No {noun} of a known class can be used.",
            where=reasons or "the data are empty",
            next_step="Are the labels of the data those of the label file?",
        )
    check_finite(vectors[whole])
    clusters = components(kept)
    return Labelled(list(classes), vectors[whole], labels[whole], clusters, kept, left_out, damaged)


def components(samples: Sequence[Sample]) -> IntArray:
    """[N] the component of each sample; one that has none is on its own."""
    return np.array(
        [
            -1 - place if sample.meta.component is None else sample.meta.component
            for place, sample in enumerate(samples)
        ],
        np.int64,
    )


def check_finite(vectors: Vectors) -> None:
    """Refuse NaN and infinity.

    Raises:
        DataError: says how many rows have one.
    """
    bad = int((~np.isfinite(vectors).all(1)).sum())
    if bad:
        raise DataError(
            f"The model gives {bad} vectors of {len(vectors)} that are not finite.",
            next_step="Its weights are damaged, or training diverged: take an earlier checkpoint.",
        )
