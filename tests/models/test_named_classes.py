from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from interlingua.models.named_classes import NamedClasses


def made(top_k: int, seed: int = 0) -> tuple[NamedClasses, nn.Linear, torch.Tensor]:
    torch.manual_seed(seed)
    classifier, names = nn.Linear(6, 9), torch.randn(9, 5) * 3
    classes = NamedClasses(6, 9, 5, top_k)
    classes.learn(classifier, names)
    return classes, classifier, names


@settings(max_examples=25, deadline=None)
@given(top_k=st.integers(1, 9), seed=st.integers(0, 1000))
def test_the_mixture_is_the_papers(top_k: int, seed: int) -> None:
    """ConSE, section 3.2: f(x) = 1/Z sum over t of p(t-th likeliest class) * s(that class)."""
    classes, classifier, names = made(top_k, seed)
    weight, bias = classifier.weight.detach(), classifier.bias.detach()
    pooled = torch.randn(4, 6)
    for row, found in zip(pooled, classes(pooled), strict=True):
        logits = [float(weight[c] @ row + bias[c]) for c in range(9)]
        exponentials = [torch.tensor(one, dtype=torch.float64).exp() for one in logits]
        probability = [one / sum(exponentials) for one in exponentials]
        ranked = sorted(range(9), key=lambda c: -probability[c])[:top_k]
        z = sum(probability[c] for c in ranked)
        mixture = torch.zeros(5, dtype=torch.float64)
        for c in ranked:
            mixture += probability[c] / z * (names[c].double() / names[c].double().norm())
        assert torch.allclose(found.double(), mixture / mixture.norm(), atol=1e-5)


def test_a_sure_answer_is_the_class_name_itself() -> None:
    classes, _, names = made(top_k=3)
    with torch.no_grad():
        classes.class_bias[4] = 1e4
    found = classes(torch.randn(2, 6))
    assert torch.allclose(found, (names[4] / names[4].norm()).expand(2, 5), atol=1e-6)


def test_it_is_part_of_the_state_and_learns_nothing_by_itself() -> None:
    classes, _, _ = made(top_k=2)
    assert set(classes.state_dict()) == {"class_weight", "class_bias", "name_vectors"}
    assert list(classes.parameters()) == []
    again = NamedClasses(6, 9, 5, 2)
    again.load_state_dict(classes.state_dict())
    pooled = torch.randn(3, 6)
    assert torch.equal(again(pooled), classes(pooled))


def test_low_precision_features_give_fp32_unit_vectors() -> None:
    classes, _, _ = made(top_k=9)
    found = classes(torch.randn(3, 6).bfloat16())
    assert found.dtype == torch.float32
    assert torch.allclose(found.norm(dim=1), torch.ones(3), atol=1e-6)


def test_it_keeps_its_own_copy_of_the_classifier() -> None:
    classes, classifier, _ = made(top_k=2)
    pooled = torch.randn(3, 6)
    before = classes(pooled)
    with torch.no_grad():
        classifier.weight.zero_()
    assert torch.equal(classes(pooled), before)
