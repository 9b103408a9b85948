"""The benchmark of the loss alone: its own definition, what is left out, and its sums."""

from __future__ import annotations

import argparse
from typing import Any

import pytest
import torch

from benchmarks import loss_memory
from benchmarks.loss_memory import OURS, PEER


def options(**changes: Any) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    loss_memory.add_options(parser)
    given = parser.parse_args([])
    given.quick, given.device, given.width = True, "cpu", 32
    for name, value in changes.items():
        setattr(given, name, value)
    return given


@pytest.mark.parametrize("loss", ["info_nce", "sigmoid"])
def test_ours_runs_and_equals_the_definition(loss: str) -> None:
    chosen = options(loss=loss)
    case = next(iter(loss_memory.cases(chosen)))
    value, *gradients = case.sides[0].prepare().run(0)
    of = loss_memory.inputs(256, 32, chosen.scale, "cpu")
    exact = [one.detach().double().requires_grad_() for one in of]
    expected = loss_memory.definition(loss, *exact)
    expected.backward()
    torch.testing.assert_close(value.double(), expected.detach(), rtol=1e-5, atol=0)
    for gradient, one in zip(gradients, exact, strict=False):
        assert one.grad is not None
        assert (gradient - one.grad).norm() <= 1e-4 * one.grad.norm()


def test_what_does_not_fit_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_memory, "_available", lambda device: 6 * 4 * 300.0**2)
    names = [[side.name for side in case.sides] for case in loss_memory.cases(options())]
    assert names == [[OURS, PEER], [OURS]]
    everything = loss_memory.cases(options(all_peers=True))
    assert all(len(case.sides) == 2 for case in everything)


def row(batch: int, ours: float, peer: float | None) -> dict[str, Any]:
    memory = {OURS: {"added": ours}, PEER: None if peer is None else {"added": peer}}
    return {"batch": batch, "memory": memory}


def test_a_missing_peer_is_drawn_on_with_the_square() -> None:
    rows = [row(16_384, 100.0, 6000.0), row(32_768, 200.0, None), row(65_536, 400.0, None)]
    found = loss_memory._growth(rows)
    assert found["slope"] == pytest.approx(1.0)
    assert found["ratio"] == pytest.approx(120.0)
    assert found["ratio_from"] == 16_384
    assert found["held"]
    lines = loss_memory._summary({**found, "gradient_errors": {}})
    assert any("drawn on from B = 16384" in line for line in lines)


def test_the_goals_can_fail() -> None:
    steep = [row(8192, 100.0, 1000.0), row(32_768, 1600.0, 16_000.0)]
    assert not loss_memory._growth(steep)["held"]
