from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from interlingua.content import FileContent
from interlingua.data.labels import ClassName
from interlingua.errors import DataError
from interlingua.evaluate.validation import validation_score
from interlingua.sample import Image, Label, Meta, Sample, Text

COUNT = 6


def samples() -> list[Sample]:
    return [
        Sample(
            str(n),
            (Image(FileContent(Path(f"{n}.png"))), Text(f"{n}"), Label(str(n % 2))),
            meta=Meta(component=n),
        )
        for n in range(COUNT)
    ]


def embed(parts, on_error) -> np.ndarray:
    """A picture lies on its axis; so does its text, but the last two are exchanged."""
    exchanged = {4: 5, 5: 4}
    rows = np.zeros((len(parts), COUNT), np.float32)
    for row, part in zip(rows, parts, strict=True):
        if isinstance(part, Image):
            row[int(part.content.path.stem)] = 1
        else:
            number = int(part.text)
            row[exchanged.get(number, number)] = 1
    return rows


def test_captions_are_judged_in_both_directions() -> None:
    found = validation_score(embed, samples(), (), ("{}",), scale=3.0)
    assert found.accuracy == pytest.approx(4 / 6)
    near, far = np.exp(3.0), 1.0
    right, wrong = near / (near + 5 * far), far / (near + 5 * far)
    assert found.nll == pytest.approx(-(4 * np.log(right) + 2 * np.log(wrong)) / 6, rel=1e-5)
    assert found.n == COUNT


def test_any_item_of_the_component_is_right() -> None:
    twins = [
        replace(one, meta=replace(one.meta, component=min(one.meta.component, 4)))
        for one in samples()
    ]
    assert validation_score(embed, twins, (), ("{}",), scale=3.0).accuracy == 1.0


def test_classes_are_judged_by_their_names() -> None:
    classes = [ClassName("0", ("0", "2")), ClassName("1", ("1", "3"))]
    found = validation_score(embed, samples()[:4], classes, ("{}",), scale=1e4)
    assert (found.accuracy, found.n) == (1.0, 4)
    assert found.nll == pytest.approx(0.0, abs=1e-6)
    # the last two are near to neither class: a coin is tossed
    found = validation_score(embed, samples(), classes, ("{}",), scale=1e4)
    assert found.accuracy == pytest.approx(5 / 6)


def test_a_single_caption_is_no_validation() -> None:
    with pytest.raises(DataError, match="1 can be used"):
        validation_score(embed, samples()[:1], (), ("{}",), scale=1.0)
