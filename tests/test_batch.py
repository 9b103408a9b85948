"""Parts of a batch."""

from __future__ import annotations

import pytest
import torch

from interlingua.batch import Batch, Media
from interlingua.tokens import Tokens


def batch() -> Batch:
    """Five samples: pictures in any order, two of one sample; texts of two samples."""
    return Batch(
        keys=list("abcde"),
        media={
            "image": Media(
                owner=torch.tensor([4, 0, 2, 2, 1]),
                slot=torch.tensor([0, 0, 0, 1, 0]),
                values=torch.arange(5)[:, None],
                mask=torch.tensor([[True], [False], [True], [True], [False]]),
            ),
            "text": Media(
                owner=torch.tensor([3, 4]),
                slot=torch.zeros(2, dtype=torch.int64),
                tokens=Tokens(
                    pooled=torch.tensor([[3.0], [4.0]]),
                    states=torch.tensor([[[3.0]], [[4.0]]]),
                    layers={2: torch.tensor([[[3.0]], [[4.0]]])},
                    time=torch.tensor([0.5]),
                ),
            ),
        },
        component=torch.arange(5) * 10,
        text_id=torch.arange(5) * 100,
        labels=torch.arange(5) * 1000,
    )


def test_select_counts_samples_from_zero_again() -> None:
    part = batch().select(slice(2, 5))
    assert part.keys == ["c", "d", "e"]
    image, text = part.media["image"], part.media["text"]
    assert image.owner.tolist() == [2, 0, 0]
    assert image.slot.tolist() == [0, 0, 1]
    assert image.values is not None
    assert image.values.flatten().tolist() == [0, 2, 3]
    assert image.mask is not None
    assert image.mask.flatten().tolist() == [True, True, True]
    assert text.owner.tolist() == [1, 2]
    assert part.component is not None
    assert part.component.tolist() == [20, 30, 40]
    assert part.text_id is not None
    assert part.text_id.tolist() == [200, 300, 400]
    assert part.labels is not None
    assert part.labels.tolist() == [2000, 3000, 4000]


def test_select_takes_tokens_along() -> None:
    tokens = batch().select(slice(4, 9)).media["text"].tokens
    assert tokens is not None
    assert tokens.pooled is not None
    assert tokens.pooled.tolist() == [[4.0]]
    assert tokens.states is not None
    assert tokens.states.tolist() == [[[4.0]]]
    assert tokens.layers is not None
    assert tokens.layers[2].tolist() == [[[4.0]]]
    assert tokens.time is not None
    assert tokens.time.tolist() == [0.5]


def test_a_view_that_none_of_them_has_stays_empty() -> None:
    part = batch().select(slice(0, 2))
    assert len(part.media["text"]) == 0
    assert len(part.media["image"]) == 2


def test_parts_make_the_whole() -> None:
    parts = [batch().select(slice(start, start + 2)) for start in (0, 2, 4)]
    assert sum(len(part) for part in parts) == 5
    assert sum(len(part.media["image"]) for part in parts) == 5
    with pytest.raises(ValueError, match="step 1"):
        batch().select(slice(0, 5, 2))
