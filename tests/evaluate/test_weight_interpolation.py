from __future__ import annotations

import pytest
import torch

from interlingua.errors import DataError
from interlingua.evaluate.weight_interpolation import SHARES, choose, interpolate

START = {"weight": torch.zeros(2, 2), "count": torch.tensor(3)}
TUNED = {"weight": torch.ones(2, 2), "count": torch.tensor(9)}


def test_weights_lie_on_the_line() -> None:
    mixed = interpolate(START, TUNED, 0.25)
    assert torch.equal(mixed["weight"], torch.full((2, 2), 0.25))
    assert mixed["count"] == 9
    assert torch.equal(interpolate(START, TUNED, 0.0)["weight"], START["weight"])
    assert torch.equal(interpolate(START, TUNED, 1.0)["weight"], TUNED["weight"])
    halves = [{"w": torch.rand(5).bfloat16()} for _ in range(2)]
    mixed = interpolate(*halves, 0.5)
    assert mixed["w"].dtype == torch.bfloat16
    exact = (halves[0]["w"].double() + halves[1]["w"].double()) / 2
    assert torch.allclose(mixed["w"].double(), exact, rtol=1e-2)


def test_ends_are_copies_that_can_be_changed() -> None:
    for share in (0.0, 0.5, 1.0):
        interpolate(START, TUNED, share)["weight"].add_(7)
    assert torch.equal(START["weight"], torch.zeros(2, 2))
    assert torch.equal(TUNED["weight"], torch.ones(2, 2))


def test_other_models_are_refused() -> None:
    for other in ({"weight": torch.ones(3)}, {"weight": torch.ones(2, 2)}, {}):
        with pytest.raises(DataError, match="not weights of one model"):
            interpolate(START, other, 0.5)
    with pytest.raises(ValueError, match="share"):
        interpolate(START, TUNED, 1.5)


def test_the_best_point_is_found_on_each_line() -> None:
    late = {"weight": torch.full((2, 2), 4.0), "count": torch.tensor(9)}

    def score(weights) -> tuple[float, float]:
        value = float(weights["weight"].mean())
        return 1 - abs(value - 0.6), 0.0

    best, tried = choose(START, [10, 20], {10: TUNED, 20: late}.__getitem__, score)
    assert (best.step, best.share) == (10, 0.6)
    assert (tried[0].step, tried[0].share) == (0, 0.0)
    assert len(tried) == 1 + 2 * (len(SHARES) - 1)


def test_a_model_that_only_gets_worse_stays_what_it_was() -> None:
    best, _ = choose(
        START, [10], lambda step: TUNED, lambda weights: (-float(weights["weight"].mean()), 0.0)
    )
    assert (best.step, best.share) == (0, 0.0)


def test_likelihood_and_then_nearness_decide_between_equals() -> None:
    best, _ = choose(
        START, [10], lambda step: TUNED, lambda w: (1.0, abs(float(w["weight"].mean()) - 0.4))
    )
    assert best.share == 0.4
    best, _ = choose(START, [10], lambda step: TUNED, lambda w: (1.0, 0.5))
    assert (best.step, best.share) == (0, 0.0)
