"""Zero-shot classification: a class is what the text tower makes of its name in sentences.

A class's vector is the mean of the unit vectors of all its names in all templates, as long
as one again; a picture belongs to the class whose vector is nearest. Sounds and speech are
told apart in the same way.

Source: Radford et al. 2021 (CLIP, arXiv:2103.00020), sections 3.1.2 and 3.1.4.

Shape legend: N pictures, C classes, D width.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interlingua.content import BytesContent
from interlingua.data.labels import ClassName, check_classes
from interlingua.embedding import Vectors
from interlingua.errors import DataError, MediaError
from interlingua.evaluate.calibration import probabilities
from interlingua.evaluate.classification import Classification, judge
from interlingua.evaluate.intervals import FloatArray, Seed
from interlingua.evaluate.labelled import NOUNS, Embed, Labelled, check_finite, embed_labelled
from interlingua.evaluate.prompts import prompts
from interlingua.sample import Audio, Image, Part, Sample, Text

TEXTS_AT_A_TIME = 8192  # 1,000 classes in 80 templates are 80,000 texts
SHORTEST = 1e-6


@dataclass(slots=True)
class ZeroShot:
    """Zero-shot figures and what they rest on.

    Attributes:
        result: the figures.
        pictures: their vectors and classes.
        vectors: [C, D] of the classes.
        scores: [N, C] cosines.
        blank: accuracy with one grey picture, or silence, in place of all: what the names do
            alone.
        view: what was classified.
    """

    result: Classification
    pictures: Labelled
    vectors: Vectors
    scores: FloatArray
    blank: float
    view: str = "image"

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            **self.result.to_json(),
            f"blank_{NOUNS[self.view]}": self.blank,
            "left_out": dict(self.pictures.left_out),
            "damaged_by_class": dict(self.pictures.damaged),
        }


def class_vectors(embed: Embed, classes: Sequence[ClassName], templates: Sequence[str]) -> Vectors:
    """Unit vectors [C, D] of classes.

    Args:
        embed: ``Space.embed_parts``.
        classes: each with one name or several.
        templates: each with ``{}``; see ``prompts.find_templates``.

    Raises:
        DataError: no class, or names whose vectors aren't finite or cancel each other.
    """
    check_classes(classes, "the classes", ("key",))
    texts = [prompts(one.names, templates) for one in classes]
    means: list[Vectors] = []
    block: list[list[str]] = []
    for place, some in enumerate(texts):
        block.append(some)
        if sum(map(len, block)) >= TEXTS_AT_A_TIME or place == len(texts) - 1:
            means += _means(embed, block)
            block = []
    table = np.stack(means)
    check_finite(table)
    length = np.linalg.norm(table, axis=1, keepdims=True)
    if (length < SHORTEST).any():
        short = classes[int(length[:, 0].argmin())].name
        raise DataError(f"The texts of the class {short!r} cancel each other.")
    return np.asarray(table / length, np.float32)


def zero_shot(
    embed: Embed,
    samples: Sequence[Sample],
    classes: Sequence[ClassName],
    templates: Sequence[str],
    *,
    scale: float,
    bootstrap: int = 1000,
    seed: Seed = 0,
    on_error: Callable[[Sample, MediaError], None] | None = None,
    view: str = "image",
) -> ZeroShot:
    """Classify pictures by the names of their classes, and judge it.

    Args:
        embed: ``Space.embed_parts``.
        samples: with a picture and a label each; what has none is left out and counted.
        classes: all that are to be told apart, also those without a picture.
        templates: see ``prompts.find_templates``.
        scale: the model's inverse temperature, for calibration (``Space.scale``).
        bootstrap, seed: of the intervals.
        on_error: is told of each damaged picture.
        view: one of ``labelled.NOUNS``: what is classified in the pictures' place.

    Raises:
        DataError: fewer than two classes, no usable picture, or vectors that aren't finite.
    """
    if len(classes) < 2:
        raise DataError(
            f"There is {'one class' if classes else 'no class'}; nothing can be told apart.",
            next_step="Give two classes or more.",
        )
    pictures = embed_labelled(embed, samples, classes, on_error, view)
    vectors = class_vectors(embed, classes, templates)
    scores = np.asarray(pictures.vectors @ vectors.T, np.float64)
    result = judge(
        scores,
        pictures.labels,
        pictures.names,
        chances=probabilities(scores, scale),
        clusters=pictures.clusters,
        bootstrap=bootstrap,
        seed=seed,
    )
    answer = int((embed([_blank(view)], None) @ vectors.T).argmax())
    blank = float((pictures.labels == answer).mean())
    return ZeroShot(result, pictures, vectors, scores, blank, view)


def _means(embed: Embed, block: Sequence[Sequence[str]]) -> list[Vectors]:
    """The mean unit vector of each group of texts."""
    flat = embed([Text(text) for some in block for text in some], None)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    flat = flat / np.maximum(length, np.finfo(np.float32).tiny)
    ends = np.cumsum([len(some) for some in block])
    return [rows.mean(0) for rows in np.split(flat, ends[:-1])]


def _blank(view: str) -> Part:
    """A picture that shows nothing, or a second of silence."""
    if view == "image":
        return _grey_picture()
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(2 * 16_000))
    content = BytesContent(buffer.getvalue(), "<silence>.wav")
    return Audio(content, "speech" if view == "speech" else "sound")


def _grey_picture() -> Image:
    from PIL import Image as pillow

    buffer = io.BytesIO()
    pillow.new("RGB", (64, 64), (128, 128, 128)).save(buffer, "PNG")
    return Image(BytesContent(buffer.getvalue(), "<grey>.png"))
