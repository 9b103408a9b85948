"""What a target weighs: means over all targets of a step, whatever batch they come in."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from interlingua.objectives.objective import Loss
from interlingua.train.processes import ALONE
from interlingua.train.target_counts import Tally, mean_parts
from interlingua.train.touch import reading_all, touched

CPU = torch.device("cpu")
VALUES = torch.tensor([1.0, 4.0, 2.0, 8.0, 3.0, 5.0, 9.0])
CUTS = [slice(0, 1), slice(1, 5), slice(5, 7)]  # batches of 1, 4 and 2 targets


def mean_loss(weight: Tensor, values: Tensor, counted: bool = True, of_all: bool = False) -> Loss:
    total = ((weight - values) ** 2).mean() if len(values) else weight * 0
    counts = {"square": len(values)} if counted else {}
    return Loss(total, {"square": total.detach()}, counts, of_all)


def run(weight: nn.Parameter, losses: list[dict[str, Loss]], **weights: float) -> Tally:
    tally = Tally(weights, len(losses), ALONE, CPU)
    for one in losses:
        tally.add(one).backward()
    tally.correct([weight])
    return tally


def test_accumulated_batches_give_the_mean_over_all_targets() -> None:
    weight = nn.Parameter(torch.tensor(0.5))
    tally = run(weight, [{"a": mean_loss(weight, VALUES[cut])} for cut in CUTS], a=3.0)
    whole = mean_loss(weight, VALUES).total
    (expected,) = torch.autograd.grad(3 * whole, weight)
    torch.testing.assert_close(weight.grad, expected)
    assert float(tally.loss()) == pytest.approx(3 * float(whole.detach()))
    assert mean_parts([tally.parts()]) == pytest.approx({"square": float(whole.detach())})


def test_a_batch_without_targets_weighs_nothing() -> None:
    weight = nn.Parameter(torch.tensor(0.5))
    cuts = [slice(0, 0), slice(0, 7), slice(0, 0)]
    tally = run(weight, [{"a": mean_loss(weight, VALUES[cut])} for cut in cuts], a=1.0)
    whole = mean_loss(weight, VALUES).total
    torch.testing.assert_close(weight.grad, torch.autograd.grad(whole, weight)[0])
    assert float(tally.loss()) == pytest.approx(float(whole.detach()))


def test_no_target_at_all_is_a_loss_of_zero() -> None:
    weight = nn.Parameter(torch.tensor(0.5))
    tally = run(weight, [{"a": mean_loss(weight, VALUES[:0])}], a=1.0)
    assert float(tally.loss()) == float(weight.grad) == 0.0


@pytest.mark.parametrize("kind", [{"counted": False}, {"of_all": True}])
def test_what_counts_nothing_or_is_of_all_weighs_batches_alike(kind: dict[str, bool]) -> None:
    weight = nn.Parameter(torch.tensor(0.5))
    run(weight, [{"a": mean_loss(weight, VALUES[cut], **kind)} for cut in CUTS], a=1.0)
    mean = sum(mean_loss(weight, VALUES[cut]).total for cut in CUTS) / 3
    torch.testing.assert_close(weight.grad, torch.autograd.grad(mean, weight)[0])


def test_objectives_of_different_counts_are_exact_in_one_batch() -> None:
    weight = nn.Parameter(torch.tensor(0.5))
    losses = {"a": mean_loss(weight, VALUES), "b": mean_loss(weight, VALUES[:2])}
    tally = run(weight, [losses], a=1.0, b=0.5)
    total = losses["a"].total + 0.5 * losses["b"].total
    assert float(tally.loss()) == pytest.approx(float(total.detach()))
    expected = mean_loss(weight, VALUES).total + 0.5 * mean_loss(weight, VALUES[:2]).total
    torch.testing.assert_close(weight.grad, torch.autograd.grad(expected, weight)[0])
    assert set(tally.parts()) == {"a/square", "b/square"}


def test_an_output_that_no_loss_reads_gets_a_zero_gradient() -> None:
    read, unread, leaf = (nn.Parameter(torch.ones(3)) for _ in range(3))
    outputs = {"read": read * 2, "unread": [unread.exp()], "leaf": leaf, "ids": torch.arange(3)}
    loss = (outputs["read"] ** 2).sum()
    reading_all(loss, outputs).backward()
    assert read.grad.tolist() == [8.0] * 3
    assert unread.grad.tolist() == leaf.grad.tolist() == [0.0] * 3


def test_a_loss_that_reads_all_is_left_as_it_is() -> None:
    weight = nn.Parameter(torch.ones(3))
    inner = weight * 2
    outputs = {"inner": inner, "weight": weight}
    loss = (inner + weight).sum()
    assert reading_all(loss, outputs) is not None
    assert reading_all(loss, outputs).item() == 9.0
    assert touched(outputs).item() == 0.0
    assert touched({"ids": torch.arange(2)}) == 0.0
