"""The pairing of views, for both contrastive losses."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional

from interlingua.batch import Batch
from interlingua.objectives.contrastive import PairwiseContrastive
from interlingua.objectives.info_nce import info_nce
from interlingua.objectives.objective import Loss
from interlingua.objectives.pairs import pair_name
from interlingua.objectives.sigmoid import SigmoidContrastive, sigmoid_loss


def unit(rows: int, width: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(
        torch.randn(rows, width, generator=generator, dtype=torch.float64), dim=1
    )


def outputs_of(owners: dict[str, list[int]], seed: int = 0) -> SimpleNamespace:
    return SimpleNamespace(
        vectors={
            view: unit(len(rows), 6, seed + number).float().requires_grad_()
            for number, (view, rows) in enumerate(owners.items())
        },
        owner={view: torch.tensor(rows, dtype=torch.int64) for view, rows in owners.items()},
        scale=torch.tensor(7.0, requires_grad=True),
    )


def batch_of(size: int, component: list[int] | None = None, text: list[int] | None = None) -> Batch:
    return Batch(
        keys=[str(number) for number in range(size)],
        component=None if component is None else torch.tensor(component),
        text_id=None if text is None else torch.tensor(text),
    )


def pairwise(**settings: object) -> PairwiseContrastive:
    return PairwiseContrastive(PairwiseContrastive.Config(**settings))


def test_missing_views_are_paired_by_owner() -> None:
    outputs = outputs_of({"text": [3, 0, 2, 1], "image": [0, 1, 2, 3], "sound": [2, 0]})
    loss = pairwise()(outputs, batch_of(4))
    text = outputs.vectors["text"][[1, 3, 2, 0]]  # in the order of the samples
    image, sound = outputs.vectors["image"], outputs.vectors["sound"]
    expected = {
        "image-text": info_nce(image, text, outputs.scale),
        "image-sound": info_nce(image[[0, 2]], sound[[1, 0]], outputs.scale),
        "sound-text": info_nce(sound[[1, 0]], text[[0, 2]], outputs.scale),
    }
    assert loss.counts == {"image-text": 4, "image-sound": 2, "sound-text": 2}
    assert loss.parts.keys() == expected.keys()
    for pair, value in expected.items():
        torch.testing.assert_close(loss.parts[pair], value)
    torch.testing.assert_close(loss.total, sum(expected.values()))


def test_gradient_reaches_every_view_and_the_scale() -> None:
    outputs = outputs_of({"text": [0, 1, 2], "image": [0, 1, 2], "sound": [0, 2]})
    pairwise()(outputs, batch_of(3)).total.backward()
    assert outputs.scale.grad.abs() > 0
    for vectors in outputs.vectors.values():
        assert (vectors.grad.abs().sum(1) > 0).all()


def test_weights_in_either_order() -> None:
    owners = {"text": [0, 1, 2], "image": [0, 1, 2], "sound": [0, 1, 2]}
    whole = pairwise()(outputs_of(owners), batch_of(3))
    objective = pairwise(weights={"text-image": 2.0, "sound-text": 0.0}, default_weight=0.5)
    loss = objective(outputs_of(owners), batch_of(3))
    assert loss.parts.keys() == {"image-text", "image-sound"}
    expected = 2 * whole.parts["image-text"] + 0.5 * whole.parts["image-sound"]
    torch.testing.assert_close(loss.total, expected)


@pytest.mark.parametrize("known", ["component", "text"])
def test_equal_components_and_texts_are_no_negatives(known: str) -> None:
    owners = {"text": [0, 1, 2], "image": [0, 1, 2]}
    batch = batch_of(3, **{known: [4, 4, 9]})
    outputs = outputs_of(owners)
    same = torch.tensor([[4], [4], [9]])
    expected = info_nce(outputs.vectors["image"], outputs.vectors["text"], outputs.scale, same)
    torch.testing.assert_close(pairwise()(outputs, batch).total, expected)
    unmasked = pairwise(mask_equal=False)(outputs, batch).total
    assert unmasked > expected


def test_a_pair_that_one_sample_has_says_nothing() -> None:
    outputs = outputs_of({"text": [0, 1], "sound": [1]})
    loss = pairwise()(outputs, batch_of(2))
    assert loss.parts == {}
    assert loss.total == 0
    loss.total.backward()
    assert outputs.scale.grad == 0


def test_a_view_twice_is_refused() -> None:
    outputs = outputs_of({"text": [0, 1], "image": [1, 1]})
    with pytest.raises(ValueError, match="owns two vectors of the view 'image'"):
        pairwise()(outputs, batch_of(2))


def test_the_sigmoid_loss_counts_a_pair_that_one_sample_has() -> None:
    outputs = outputs_of({"text": [0, 1], "sound": [1]})
    outputs.bias = torch.tensor(-2.0, requires_grad=True)
    loss = SigmoidContrastive(SigmoidContrastive.Config())(outputs, batch_of(2))
    a, b = outputs.vectors["sound"], outputs.vectors["text"][[1]]
    expected = sigmoid_loss(a, b, outputs.scale, outputs.bias)
    assert loss.counts == {"sound-text": 1}
    torch.testing.assert_close(loss.total, expected)
    loss.total.backward()
    assert outputs.bias.grad.abs() > 0


def test_the_sigmoid_loss_works_without_a_bias() -> None:
    outputs = outputs_of({"text": [0, 1, 2], "image": [0, 1, 2]})
    loss = SigmoidContrastive(SigmoidContrastive.Config())(outputs, batch_of(3))
    expected = sigmoid_loss(outputs.vectors["image"], outputs.vectors["text"], outputs.scale)
    torch.testing.assert_close(loss.total, expected)


@pytest.mark.parametrize("objective", [PairwiseContrastive, SigmoidContrastive])
def test_a_batch_without_any_vector_gives_zero(
    objective: type[PairwiseContrastive | SigmoidContrastive],
) -> None:
    outputs = SimpleNamespace(vectors={}, owner={}, scale=torch.tensor(7.0, requires_grad=True))
    loss = objective(objective.Config())(outputs, batch_of(0))
    assert loss.total == 0
    loss.total.backward()


@pytest.mark.parametrize(
    "weights",
    [
        {"imagetext": 1},
        {"image-image": 1},
        {"a-b-c": 1},
        {"image-text": -1},
        {"image-text": float("nan")},
        {"image-text": 1, "text-image": 2},
    ],
)
def test_wrong_weights_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        PairwiseContrastive.Config(weights=weights)


def test_pair_name() -> None:
    assert pair_name("text", "image") == pair_name("image", "text") == "image-text"


def test_a_loss_has_room_for_parts() -> None:
    first, second = Loss(torch.zeros(())), Loss(torch.zeros(()))
    first.parts["a"] = torch.ones(())
    assert second.parts == {}
