"""InfoNCE against its definition in fp64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from interlingua.objectives import info_nce as module
from interlingua.objectives import tiles
from interlingua.objectives.info_nce import info_nce


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


def dense(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    """The same as whole matrices, without false negatives."""
    logits, target = scale * a @ b.T, torch.arange(len(a))
    return (
        functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)
    ) / 2


def with_gradients(tensors: list[Tensor]) -> list[Tensor]:
    return [tensor.clone().requires_grad_() for tensor in tensors]


IDENTITIES = {
    "none": None,
    "all different": torch.arange(14).reshape(7, 2),
    "components": torch.tensor([[0, -1], [1, -1], [0, -1], [2, -1], [1, -1], [0, -1], [3, -1]]),
    "both": torch.tensor([[0, 5], [1, 5], [2, 6], [0, 7], [3, 8], [4, 6], [5, -1]]),
    "unknown is never equal": torch.full((7, 2), -1),
    "all the same": torch.zeros(7, 1, dtype=torch.int64),
}


@pytest.mark.parametrize("scale", [8.0, 100.0, 900.0, 5000.0])  # fp64: no shift, a shift, exact
@pytest.mark.parametrize("tile", [1, 3, 7, 100])
@pytest.mark.parametrize("identity", list(IDENTITIES))
def test_value_and_gradient_are_the_definition(
    identity: str, tile: int, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "CPU_TILE", tile)
    same = IDENTITIES[identity]
    inputs = [unit(7, 5, 1), unit(7, 5, 2), torch.tensor(scale, dtype=torch.float64)]
    ours, theirs = with_gradients(inputs), with_gradients(inputs)
    value = info_nce(*ours, same)
    expected = definition(*theirs, same)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
    (3 * value).backward()
    (3 * expected).backward()
    for mine, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, reference.grad, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("rows", [1, 2, 63, 64, 65, 130])
@pytest.mark.parametrize("scale", [1.0, 14.3, 100.0])
def test_fp32_against_fp64(rows: int, scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "CPU_TILE", 64)
    inputs = [unit(rows, 48, 1), unit(rows, 48, 2), torch.tensor(scale, dtype=torch.float64)]
    ours, theirs = with_gradients([one.float() for one in inputs]), with_gradients(inputs)
    value, expected = info_nce(*ours), dense(*theirs)
    torch.testing.assert_close(value.double(), expected, rtol=2e-6, atol=1e-5)
    value.backward()
    expected.backward()
    for mine, reference in zip(ours, theirs, strict=True):
        error = (mine.grad.double() - reference.grad).norm()
        assert error <= 2e-5 * reference.grad.norm() + 1e-9


def test_gradcheck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "CPU_TILE", 2)
    same = IDENTITIES["both"]
    inputs = [unit(7, 3, 3), unit(7, 3, 4), torch.tensor(5.0, dtype=torch.float64)]
    assert torch.autograd.gradcheck(
        lambda a, b, scale: info_nce(a, b, scale, same),
        [tensor.requires_grad_() for tensor in inputs],
    )


@pytest.mark.parametrize("frozen", [0, 1])
def test_a_locked_side_gets_no_gradient_and_the_other_its_own(frozen: int) -> None:
    inputs = [unit(9, 4, 5), unit(9, 4, 6), torch.tensor(5.0, dtype=torch.float64)]
    ours, theirs = with_gradients(inputs), with_gradients(inputs)
    ours[frozen].requires_grad_(False)
    info_nce(*ours).backward()
    dense(*theirs).backward()
    assert ours[frozen].grad is None
    torch.testing.assert_close(ours[1 - frozen].grad, theirs[1 - frozen].grad)


@pytest.mark.parametrize("scale", [60.0, 100.0, 140.0])
def test_rows_far_below_the_others_are_exact(scale: float) -> None:
    """One pair points away from all else: its terms would vanish beside a common shift."""
    a, b = unit(9, 4, 7), unit(1, 4, 8).repeat(9, 1)
    a[:-1] = b[0]
    a[-1] = -b[0]
    scale_exact = torch.tensor(scale, dtype=torch.float64)
    ours = with_gradients([a.float(), b.float(), scale_exact.float()])
    theirs = with_gradients([a, b, scale_exact])
    value, expected = info_nce(*ours), dense(*theirs)
    torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-5)
    value.backward()
    expected.backward()
    for mine, reference in zip(ours[:2], theirs[:2], strict=True):
        torch.testing.assert_close(mine.grad.double(), reference.grad, rtol=1e-3, atol=scale * 1e-6)


def test_the_quick_sums_are_used_at_the_clamp_of_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> None:
        raise AssertionError("unit vectors at scale 100 took the slow path")

    monkeypatch.setattr(module, "_exact_sums", slow)
    a = unit(300, 64, 9).float().requires_grad_()
    value = info_nce(a, unit(300, 64, 10).float(), torch.tensor(100.0))
    value.backward()
    assert a.grad.isfinite().all()


def test_all_captions_equal_says_nothing() -> None:
    a, b = unit(50, 8, 11).float().requires_grad_(), unit(50, 8, 12).float().requires_grad_()
    scale = torch.tensor(100.0, requires_grad=True)
    value = info_nce(a, b, scale, torch.zeros(50, 1, dtype=torch.int64))
    value.backward()
    for tensor in (value, a.grad, b.grad, scale.grad):
        assert tensor.abs().max() == 0


def test_a_loss_near_zero_keeps_its_digits() -> None:
    """Well trained: the positive far above all else, 1 minus its softmax below fp32's epsilon."""
    a = unit(200, 64, 20)
    b = functional.normalize(a + 0.2 * unit(200, 64, 21), dim=1)
    inputs = [a, b, torch.tensor(30.0, dtype=torch.float64)]
    ours, theirs = with_gradients([one.float() for one in inputs]), with_gradients(inputs)
    value, expected = info_nce(*ours), dense(*theirs)
    assert 1e-9 < expected < 1e-6
    torch.testing.assert_close(value.double(), expected, rtol=1e-4, atol=0)
    value.backward()
    expected.backward()
    for mine, reference in zip(ours, theirs, strict=True):
        assert (mine.grad.double() - reference.grad).norm() <= 1e-4 * reference.grad.norm()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_bad_features_give_a_bad_loss_and_no_error(bad: float) -> None:
    a = unit(20, 8, 13).float()
    a[3, 2] = bad
    a.requires_grad_()
    value = info_nce(a, unit(20, 8, 14).float(), torch.tensor(10.0))
    assert not value.isfinite()
    value.backward()
    assert a.grad.isnan().any()


def test_identical_vectors() -> None:
    a = unit(1, 8, 15).float().repeat(16, 1).requires_grad_()
    value = info_nce(a, a.detach(), torch.tensor(100.0))
    torch.testing.assert_close(value, torch.tensor(16.0).log())
    value.backward()
    assert a.grad.abs().max() < 1e-4  # of terms up to the scale


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_features_are_computed_in_fp32(dtype: torch.dtype) -> None:
    a, b = unit(20, 8, 16).to(dtype).requires_grad_(), unit(20, 8, 17).to(dtype)
    value = info_nce(a, b, torch.tensor(10.0))
    torch.testing.assert_close(value, dense(a.float(), b.float(), torch.tensor(10.0)))
    value.backward()
    assert a.grad.dtype == dtype


def test_runs_in_fp32_under_autocast() -> None:
    a, b = unit(20, 8, 9).float().requires_grad_(), unit(20, 8, 10).float()
    plain = info_nce(a, b, torch.tensor(10.0))
    (expected,) = torch.autograd.grad(plain, a)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = info_nce(a, b, torch.tensor(10.0))
        (gradient,) = torch.autograd.grad(cast, a)
    assert torch.equal(cast, plain)
    assert torch.equal(gradient, expected)


def test_the_gradient_is_more_exact_than_that_of_logits_in_bf16() -> None:
    """The usual loss runs inside of autocast, where a product rounds its logits to bf16."""
    exact = with_gradients([unit(256, 64, 18), unit(256, 64, 19), torch.tensor(50.0).double()])
    ours = with_gradients([tensor.detach().float() for tensor in exact])
    usual = with_gradients([tensor.detach().float() for tensor in exact])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        info_nce(*ours).backward()
        dense(*usual).backward()
    dense(*exact).backward()
    truth = exact[0].grad
    our_error = (ours[0].grad.double() - truth).norm() / truth.norm()
    usual_error = (usual[0].grad.double() - truth).norm() / truth.norm()
    assert our_error < 1e-5
    assert usual_error > 100 * our_error


def test_memory_grows_with_the_batch_not_its_square(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that the backward keeps is as large as the logits."""
    monkeypatch.setattr(tiles, "CPU_TILE", 32)
    kept: list[int] = []
    a = unit(400, 8, 11).requires_grad_()
    b = unit(400, 8, 12).requires_grad_()

    def pack(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        info_nce(a, b, torch.tensor(3.0, dtype=torch.float64))
    assert kept
    assert max(kept) == 400 * 8


@pytest.mark.parametrize("shapes", [((3, 4), (2, 4)), ((3, 4), (3, 5)), ((0, 4), (0, 4))])
def test_wrong_shapes_are_refused(shapes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="two equal"):
        info_nce(torch.zeros(shapes[0]), torch.zeros(shapes[1]), torch.tensor(1.0))
