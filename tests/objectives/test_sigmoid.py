"""The sigmoid loss against its definition in fp64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from interlingua.objectives import tiles
from interlingua.objectives.sigmoid import sigmoid_loss


def unit(rows: int, width: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(
        torch.randn(rows, width, generator=generator, dtype=torch.float64), dim=1
    )


def definition(a: Tensor, b: Tensor, scale: Tensor, bias: Tensor, same: Tensor | None) -> Tensor:
    """Algorithm 1 of the paper, with the false negatives taken out."""
    logits = scale * a @ b.T + bias
    labels = 2 * torch.eye(len(a), dtype=a.dtype) - 1
    counts = torch.ones_like(logits)
    if same is not None:
        for i in range(len(a)):
            for j in range(len(a)):
                if i != j and any(x == y and x >= 0 for x, y in zip(same[i], same[j], strict=True)):
                    counts[i, j] = 0
    return -(counts * functional.logsigmoid(labels * logits)).sum() / len(a)


def inputs_of(rows: int, scale: float, bias: float) -> list[Tensor]:
    scalars = [torch.tensor(number, dtype=torch.float64) for number in (scale, bias)]
    return [unit(rows, 6, 1), unit(rows, 6, 2), *scalars]


def with_gradients(tensors: list[Tensor]) -> list[Tensor]:
    return [tensor.clone().requires_grad_() for tensor in tensors]


IDENTITIES = {
    "none": None,
    "both": torch.tensor([[0, 5], [1, 5], [2, 6], [0, 7], [3, 8], [4, 6], [5, -1]]),
    "all the same": torch.zeros(7, 1, dtype=torch.int64),
}


@pytest.mark.parametrize("numbers", [(10.0, -10.0), (100.0, 0.0), (1.0, 30.0), (1e4, -5.0)])
@pytest.mark.parametrize("tile", [1, 3, 7, 100])
@pytest.mark.parametrize("identity", list(IDENTITIES))
def test_value_and_gradient_are_the_definition(
    identity: str, tile: int, numbers: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "CPU_TILE", tile)
    same = IDENTITIES[identity]
    inputs = inputs_of(7, *numbers)
    ours, theirs = with_gradients(inputs), with_gradients(inputs)
    value, expected = sigmoid_loss(*ours, same), definition(*theirs, same)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
    (3 * value).backward()
    (3 * expected).backward()
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, reference.grad, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("rows", [1, 2, 65])
@pytest.mark.parametrize("numbers", [(10.0, -10.0), (100.0, -20.0)])
def test_fp32_against_fp64(
    rows: int, numbers: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "CPU_TILE", 64)
    inputs = inputs_of(rows, *numbers)
    ours, theirs = with_gradients([one.float() for one in inputs]), with_gradients(inputs)
    value, expected = sigmoid_loss(*ours), definition(*theirs, None)
    torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-6)
    value.backward()
    expected.backward()
    for mine, reference in zip(ours, theirs, strict=True):
        error = (mine.grad.double() - reference.grad).norm()
        assert error <= 2e-5 * reference.grad.norm() + 1e-9


def test_a_sure_and_right_answer_still_has_a_gradient() -> None:
    """1 - sigmoid(30) is 0 in fp32; the gradient is 1e-13 all the same."""
    a = unit(1, 4, 3).float().requires_grad_()
    sigmoid_loss(a, a.detach(), torch.tensor(30.0)).backward()
    assert 1e-13 < a.grad.norm() < 1e-11


def test_no_bias_is_a_bias_of_zero() -> None:
    a, b, scale, bias = inputs_of(9, 10.0, 0.0)
    assert torch.equal(sigmoid_loss(a, b, scale), sigmoid_loss(a, b, scale, bias))


def test_runs_in_fp32_under_autocast_and_for_half_precision() -> None:
    a, b = unit(20, 8, 4).bfloat16().requires_grad_(), unit(20, 8, 5).bfloat16()
    numbers = torch.tensor(10.0), torch.tensor(-10.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = sigmoid_loss(a, b, *numbers)
        value.backward()
    torch.testing.assert_close(value, definition(a.float(), b.float(), *numbers, None))
    assert a.grad.dtype == torch.bfloat16


def test_bad_features_give_a_bad_loss_and_no_error() -> None:
    a = unit(20, 8, 6).float()
    a[3, 2] = float("nan")
    a.requires_grad_()
    value = sigmoid_loss(a, unit(20, 8, 7).float(), torch.tensor(10.0))
    assert value.isnan()
    value.backward()
    assert a.grad.isnan().any()


def test_nothing_as_large_as_the_logits_is_kept() -> None:
    kept: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    a, b, scale, bias = with_gradients(
        [unit(400, 8, 8), unit(400, 8, 9), torch.tensor(3.0).double(), torch.tensor(-1.0).double()]
    )
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        sigmoid_loss(a, b, scale, bias)
    assert kept
    assert max(kept) == 400 * 8


@pytest.mark.parametrize("shapes", [((3, 4), (2, 4)), ((0, 4), (0, 4))])
def test_wrong_shapes_are_refused(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="two equal"):
        sigmoid_loss(torch.zeros(shapes[0]), torch.zeros(shapes[1]), torch.tensor(1.0))
