"""Columns of numbers as tokens: what the contract of all towers doesn't say."""

from __future__ import annotations

import pytest
import torch

from interlingua.config import validate
from interlingua.errors import ConfigError
from interlingua.towers.number_columns import NumberColumns
from interlingua.towers.pretrained import build_tower


def tower(**options) -> NumberColumns:
    settings = {"name": "number_columns", "mean": [10.0, 0.0], "std": [2.0, 1.0], "width": 8}
    torch.manual_seed(0)
    return build_tower(validate(NumberColumns.Config, {**settings, **options}, "test")).eval()


def test_a_token_is_the_number_times_its_columns_vector_plus_bias() -> None:
    one = tower()
    states = one(torch.tensor([[14.0, -3.0]])).states
    assert torch.allclose(states[0, 0], 2.0 * one.weight[0] + one.bias[0], atol=1e-6)
    assert torch.allclose(states[0, 1], -3.0 * one.weight[1] + one.bias[1], atol=1e-6)


def test_a_missing_number_has_no_token_and_changes_no_other() -> None:
    one = tower(num_layers=2, num_heads=2)
    whole = one(torch.tensor([[14.0, float("nan")]]))
    assert whole.mask.tolist() == [[True, False]]
    assert not whole.states[0, 1].any()
    masked = one(torch.tensor([[14.0, 5.0]]), torch.tensor([[True, False]]))
    assert torch.equal(masked.states, whole.states)
    assert torch.allclose(whole.pooled[0], whole.states[0, 0])


def test_a_row_without_any_number_is_zeros_with_finite_gradients() -> None:
    one = tower(num_layers=1, num_heads=2).train()
    tokens = one(torch.tensor([[float("nan")] * 2, [1.0, 2.0]]))
    assert not tokens.mask[0].any() and not tokens.pooled[0].any()
    tokens.pooled.square().sum().backward()
    assert all(value.grad.isfinite().all() for value in one.parameters())


def test_numbers_far_outside_are_cut_at_the_limit() -> None:
    one = tower(limit=4.0)
    values = torch.tensor([[18.0, 4.0], [1e30, float("inf")]])
    states = one(values).states
    assert torch.allclose(states[0], states[1])


def test_the_statistics_travel_with_the_weights() -> None:
    kept = tower().state_dict()
    assert kept["mean"].tolist() == [10.0, 0.0] and kept["std"].tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"std": [1.0]}, "2 means, but 1 deviations"),
        ({"std": [0.0, 1.0]}, "std.0"),
        ({"mean": [float("nan"), 0.0]}, "not a finite number"),
        ({"mean": [], "std": []}, "mean"),
        ({"num_layers": 1, "num_heads": 3}, "3 heads do not divide"),
    ],
)
def test_wrong_settings_are_named(options, message) -> None:
    with pytest.raises(ConfigError, match=message):
        tower(**options)


def test_another_number_of_columns_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3,\) numbers in a row"):
        tower()(torch.zeros(1, 3))
