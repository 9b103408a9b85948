"""InfoNCE against its definition in fp64, and the pairing of views."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional

from interlingua.batch import Batch
from interlingua.objectives.contrastive import PairwiseContrastive, info_nce, pair_name
from interlingua.objectives.objective import Loss


def unit(rows: int, width: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(
        torch.randn(rows, width, generator=generator, dtype=torch.float64), dim=1
    )


def definition(a: Tensor, b: Tensor, scale: Tensor, same: Tensor | None) -> Tensor:
    """Written out with loops, as in the paper: -log p(the right one among those allowed)."""
    losses = []
    for one, other in ((a, b), (b, a)):
        for i in range(len(one)):
            allowed = [
                j
                for j in range(len(other))
                if j == i
                or same is None
                or not any(x == y and x >= 0 for x, y in zip(same[i], same[j], strict=True))
            ]
            logits = torch.stack([scale * (one[i] @ other[j]) for j in allowed])
            losses.append(-functional.log_softmax(logits, 0)[allowed.index(i)])
    return torch.stack(losses).mean()


IDENTITIES = {
    "none": None,
    "all different": torch.arange(14).reshape(7, 2),
    "components": torch.tensor([[0, -1], [1, -1], [0, -1], [2, -1], [1, -1], [0, -1], [3, -1]]),
    "both": torch.tensor([[0, 5], [1, 5], [2, 6], [0, 7], [3, 8], [4, 6], [5, -1]]),
    "unknown is never equal": torch.full((7, 2), -1),
    "all the same": torch.zeros(7, 1, dtype=torch.int64),
}


@pytest.mark.parametrize("tile_rows", [1, 3, 7, 100])
@pytest.mark.parametrize("identity", list(IDENTITIES))
def test_value_and_gradient_are_the_definition(identity: str, tile_rows: int) -> None:
    same = IDENTITIES[identity]
    inputs = [unit(7, 5, 1), unit(7, 5, 2), torch.tensor(8.0, dtype=torch.float64)]
    ours = [tensor.clone().requires_grad_() for tensor in inputs]
    theirs = [tensor.clone().requires_grad_() for tensor in inputs]
    value = info_nce(*ours, same, tile_rows=tile_rows)
    expected = definition(*theirs, same)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
    (3 * value).backward()
    (3 * expected).backward()
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, reference.grad, rtol=1e-10, atol=1e-12)


def test_gradcheck() -> None:
    same = IDENTITIES["both"]
    inputs = [unit(7, 3, 3), unit(7, 3, 4), torch.tensor(5.0, dtype=torch.float64)]
    assert torch.autograd.gradcheck(
        lambda a, b, scale: info_nce(a, b, scale, same, tile_rows=2),
        [tensor.requires_grad_() for tensor in inputs],
    )


def test_equals_cross_entropy_in_fp32() -> None:
    a, b = unit(600, 64, 5).float(), unit(600, 64, 6).float()
    logits = 20 * a @ b.T
    target = torch.arange(600)
    expected = (
        functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
    ) / 2
    torch.testing.assert_close(info_nce(a, b, torch.tensor(20.0)), expected)


def test_large_scale_stays_finite() -> None:
    a = unit(9, 4, 7).float().requires_grad_()
    value = info_nce(a, unit(9, 4, 8).float(), torch.tensor(1e4))
    value.backward()
    assert value.isfinite()
    assert a.grad.isfinite().all()


def test_runs_in_fp32_under_autocast() -> None:
    a, b = unit(20, 8, 9).float(), unit(20, 8, 10).float()
    plain = info_nce(a, b, torch.tensor(10.0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(info_nce(a, b, torch.tensor(10.0)), plain)


def test_memory_grows_with_the_batch_not_its_square() -> None:
    """Nothing that the backward keeps is as large as the logits."""
    kept: list[int] = []
    a = unit(400, 8, 11).requires_grad_()
    b = unit(400, 8, 12).requires_grad_()

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        info_nce(a, b, torch.tensor(3.0, dtype=torch.float64), tile_rows=32)
    assert kept
    assert max(kept) == 400 * 8


@pytest.mark.parametrize("shapes", [((3, 4), (2, 4)), ((3, 4), (3, 5)), ((0, 4), (0, 4))])
def test_wrong_shapes_are_refused(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="two equal"):
        info_nce(torch.zeros(shapes[0]), torch.zeros(shapes[1]), torch.tensor(1.0))


# -- pairs of views ---------------------------------------------------------------------------


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
