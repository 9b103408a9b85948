from __future__ import annotations

import pytest
import torch
from torch import nn

from interlingua.layouts import rule
from interlingua.layouts.rule import Change, Rule, prefixed


@pytest.mark.parametrize(
    ("change", "theirs"),
    [
        (rule.TRANSPOSED, torch.randn(3, 5)),
        (rule.PATCH_KERNEL, torch.randn(4, 3, 6, 6)),
        (rule.PATCH_PIXELS, torch.randn(4, 6 * 6 * 3)),
        (rule.ONE_NUMBER, torch.randn(1)),
        (rule.BATCH_OF_ONE, torch.randn(1, 7, 4)),
        (rule.ONE_TOKEN, torch.randn(1, 1, 4)),
        (rule.TEMPERATURE, torch.tensor(0.07)),
    ],
)
def test_changes_go_both_ways(change: Change, theirs: torch.Tensor) -> None:
    back = change.to_theirs(change.to_ours(theirs))
    assert back.shape == theirs.shape
    assert torch.allclose(back, theirs)


def test_patches_as_a_convolution_and_as_pixels_are_the_same_matrix() -> None:
    kernel, pixels = torch.randn(4, 3, 2, 2), torch.randn(1, 3, 2, 2)
    convolved = nn.functional.conv2d(pixels, kernel)[0, :, 0, 0]
    assert torch.allclose(rule.PATCH_KERNEL.to_ours(kernel) @ pixels.flatten(), convolved)
    by_pixel = kernel.permute(0, 2, 3, 1).flatten(1)
    assert torch.equal(rule.PATCH_PIXELS.to_ours(by_pixel), rule.PATCH_KERNEL.to_ours(kernel))


def test_a_temperature_is_the_inverse_of_the_scale() -> None:
    assert rule.TEMPERATURE.to_ours(torch.tensor(0.5)).exp().item() == pytest.approx(2.0)


def test_parts_of_unequal_shares() -> None:
    joined = Rule("qkv", ("q", "kv"), shares=(1, 2))
    q, kv = torch.randn(4, 3), torch.randn(8, 3)
    ours = joined.to_ours([q, kv])
    assert ours.shape == (12, 3)
    again = joined.to_theirs(ours)
    assert torch.equal(again[0], q) and torch.equal(again[1], kv)


def test_rules_of_a_tower_in_a_model() -> None:
    (moved,) = prefixed("towers.text.", [Rule("norm.{p}", ("a.{p}", "b.{p}"))], "text_model.")
    assert moved.ours == "towers.text.norm.{p}"
    assert moved.sources == ("text_model.a.{p}", "text_model.b.{p}")
