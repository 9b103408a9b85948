"""Classes, hidden patches, hidden words: value and gradient against definitions in fp64."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from interlingua.batch import Batch
from interlingua.config import validate
from interlingua.errors import ConfigError, DataError
from interlingua.objectives.classification import ClassificationObjective, classification_loss
from interlingua.objectives.masked_patches import (
    EPSILON,
    MaskedPatchesObjective,
    masked_patches_loss,
)
from interlingua.objectives.masked_words import MaskedWordsObjective, masked_words_loss


def defined_classification(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Sum over classes of -q log p, q = 1 - s for the truth plus s / C for every class."""
    total, count = logits.new_zeros(()), 0
    for row, label in zip(logits, labels.tolist(), strict=True):
        if label < 0:
            continue
        log_p = row - row.exp().sum().log()
        q = torch.full_like(row, smoothing / len(row))
        q[label] += 1 - smoothing
        total, count = total - (q * log_p).sum(), count + 1
    return total / count


def defined_patches(predicted: Tensor, target: Tensor, square: bool, normalise: bool) -> Tensor:
    total = predicted.new_zeros(())
    for row, true in zip(predicted, target, strict=True):
        if normalise:
            variance = ((true - true.mean()) ** 2).sum() / (len(true) - 1)
            true = (true - true.mean()) / (variance + EPSILON) ** 0.5
        gap = row - true
        total = total + ((gap**2) if square else gap.abs()).sum()
    return total / predicted.numel()


def agree(ours: Tensor, x: Tensor, defined: Tensor, x64: Tensor) -> None:
    assert float(ours.detach()) == pytest.approx(float(defined.detach()), abs=1e-5)
    (gradient,), (expected,) = torch.autograd.grad(ours, x), torch.autograd.grad(defined, x64)
    assert torch.allclose(gradient.double(), expected, atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_classification_is_its_definition(smoothing: float) -> None:
    logits = (3 * torch.randn(7, 5)).requires_grad_()
    exact = logits.detach().double().requires_grad_()
    labels = torch.tensor([0, 4, -1, 2, 2, -1, 1])
    agree(
        classification_loss(logits, labels, smoothing), logits,
        defined_classification(exact, labels, smoothing), exact,
    )  # fmt: skip


@pytest.mark.parametrize("distance", ["square", "absolute"])
@pytest.mark.parametrize("normalise", [True, False])
def test_patches_are_their_definition(distance: str, normalise: bool) -> None:
    predicted, target = torch.randn(6, 12).requires_grad_(), 2 + 3 * torch.randn(6, 12)
    exact = predicted.detach().double().requires_grad_()
    agree(
        masked_patches_loss(predicted, target, distance, normalise), predicted,
        defined_patches(exact, target.double(), distance == "square", normalise), exact,
    )  # fmt: skip


def test_a_plain_patch_is_a_target_of_zeros() -> None:
    predicted = torch.randn(3, 12)
    found = masked_patches_loss(predicted, torch.full((3, 12), 5.0))
    assert float(found) == pytest.approx(float(predicted.square().mean()), abs=1e-6)


def test_no_gradient_goes_into_the_target() -> None:
    predicted, target = torch.randn(3, 12).requires_grad_(), torch.randn(3, 12).requires_grad_()
    masked_patches_loss(predicted, target).backward()
    assert target.grad is None and predicted.grad is not None


def test_words_are_their_definition() -> None:
    logits = (2 * torch.randn(9, 11)).requires_grad_()
    exact = logits.detach().double().requires_grad_()
    target = torch.randint(11, (9,))
    agree(
        masked_words_loss(logits, target), logits, defined_classification(exact, target, 0.0), exact
    )


def test_half_precision_is_added_up_in_single() -> None:
    logits = torch.randn(64, 33).bfloat16()
    target = torch.randint(33, (64,))
    expected = defined_classification(logits.double(), target, 0.0)
    with torch.autocast("cpu", torch.bfloat16):
        words, classes = masked_words_loss(logits, target), classification_loss(logits, target)
    assert float(words) == pytest.approx(float(expected), abs=1e-5)
    assert float(classes) == pytest.approx(float(expected), abs=1e-5)


def test_nothing_to_learn_from_is_zero_and_differentiable() -> None:
    logits, empty = torch.randn(2, 3).requires_grad_(), torch.zeros(0, 12).requires_grad_()
    nobody = torch.full((2,), -1)
    found = (
        classification_loss(logits, nobody),
        masked_patches_loss(empty, empty),
        masked_words_loss(empty, torch.zeros(0, dtype=torch.int64)),
    )
    for loss in found:
        assert float(loss.detach()) == 0 and loss.requires_grad
    found[0].backward()
    assert logits.grad is not None and not logits.grad.any()


def test_what_is_counted() -> None:
    logits = torch.eye(3)[[0, 1, 1, 2]] * 9
    batch = Batch(["a", "b", "c"], labels=torch.tensor([0, 2, -1]))
    outputs = SimpleNamespace(logits=logits, logit_owner=torch.tensor([0, 1, 2, 0]))
    loss = ClassificationObjective(ClassificationObjective.Config())(outputs, batch)
    assert loss.counts == {"classes": 3, "accuracy": 3} and not loss.of_all_ranks
    assert float(loss.parts["accuracy"]) == pytest.approx(1 / 3)
    assert not loss.parts["classes"].requires_grad

    words = SimpleNamespace(logits=logits, target=torch.tensor([0, 1, 0, 2]))
    loss = MaskedWordsObjective(MaskedWordsObjective.Config())(words, batch)
    assert loss.counts["words"] == 4 and float(loss.parts["accuracy"]) == pytest.approx(3 / 4)

    patches = SimpleNamespace(predicted=torch.zeros(5, 12), target=torch.ones(5, 12))
    loss = MaskedPatchesObjective(MaskedPatchesObjective.Config(normalise=False))(patches, batch)
    assert loss.counts == {"patches": 5} and float(loss.total) == 1


def test_samples_without_classes_are_refused_in_words() -> None:
    outputs = SimpleNamespace(
        logits=torch.zeros(1, 2), logit_owner=torch.zeros(1, dtype=torch.int64)
    )
    objective = ClassificationObjective(ClassificationObjective.Config())
    with pytest.raises(DataError, match="have no classes"):
        objective(outputs, Batch(["a"]))


def test_misspelt_settings_are_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'smoothing'"):
        validate(ClassificationObjective.Config, {"smothing": 0.1}, "test")
