"""Gradient caching against the step that it replaces."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from interlingua.batch import Batch, Media
from interlingua.device import autocast
from interlingua.errors import ConfigError
from interlingua.models.dual_encoder import DualEncoder, DualEncoderOutputs
from interlingua.objectives.contrastive import PairwiseContrastive
from interlingua.objectives.sigmoid import SigmoidContrastive
from interlingua.train.gradient_cache import cached_step

CPU = torch.device("cpu")
NEEDS = frozenset({"vectors"})
# What each of ten samples has; samples 6 and 7 have no image, sample 8 has no text.
OWNERS = {"image": [9, 0, 1, 2, 3, 4, 5, 8], "text": [0, 1, 2, 3, 5, 4, 6, 7, 9]}
OBJECTIVES = {"info_nce": PairwiseContrastive, "sigmoid": SigmoidContrastive}


class Towers(nn.Module):
    """Two small towers in fp64, where a model of the library gives fp32 vectors."""

    def __init__(self, dropout: float = 0.0, norm: type[nn.Module] = nn.LayerNorm):
        super().__init__()
        torch.manual_seed(0)
        self.image = nn.Sequential(nn.Linear(5, 8), norm(8), nn.Dropout(dropout), nn.Linear(8, 6))
        self.text = nn.Sequential(nn.Linear(4, 8), nn.Dropout(dropout), nn.Linear(8, 6))
        self.log_scale = nn.Parameter(torch.ones(()))
        self.bias = nn.Parameter(torch.tensor(-2.0))
        self.seen: list[tuple[int, bool]] = []
        self.double()

    def forward(self, batch: Batch, needs: Any = ()) -> DualEncoderOutputs:
        self.seen.append((len(batch), torch.is_grad_enabled()))
        outputs = DualEncoderOutputs(scale=self.log_scale.exp(), bias=self.bias.clone())
        for view, media in batch.media.items():
            if len(media):
                outputs.vectors[view] = functional.normalize(getattr(self, view)(media.values))
                outputs.owner[view] = media.owner
        return outputs


def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    media = {}
    for view, width in (("image", 5), ("text", 4)):
        owner = torch.tensor(OWNERS[view])
        values = torch.randn(len(owner), width, generator=generator, dtype=torch.float64)
        media[view] = Media(owner=owner, slot=torch.zeros_like(owner), values=values)
    component = torch.tensor([0, 1, 2, 0, 3, 4, 5, 6, 7, 8])
    return Batch([str(number) for number in range(10)], media, component=component)


def loss_of(name: str) -> Any:
    objective = OBJECTIVES[name](OBJECTIVES[name].Config())
    return lambda outputs, batch: 3 * objective(outputs, batch).total


def cached(model: nn.Module, name: str, micro_batch: int, of: Batch | None = None) -> Tensor:
    of = batch() if of is None else of
    return cached_step(model, of, loss_of(name), NEEDS, micro_batch, torch.float32, CPU)


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: one.grad for name, one in model.named_parameters() if one.grad is not None}


def assert_equal_gradients(mine: nn.Module, reference: nn.Module, **tolerance: float) -> None:
    ours, theirs = gradients(mine), gradients(reference)
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, **tolerance)


@pytest.mark.parametrize("name", list(OBJECTIVES))
@pytest.mark.parametrize("micro_batch", [1, 3, 4, 9, 10, 50])
def test_equals_the_plain_step(name: str, micro_batch: int) -> None:
    model, plain = Towers(), Towers()
    loss = cached(model, name, micro_batch)
    expected = loss_of(name)(plain(batch()), batch())
    expected.backward()
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-12, atol=0)
    assert not loss.requires_grad
    assert_equal_gradients(model, plain, rtol=1e-9, atol=1e-12)


def reference_in_parts(model: nn.Module, name: str, cuts: list[int]) -> None:
    """The same micro-batches in one pass, all graphs kept: what caching saves the memory of."""
    whole, found = batch(), []
    for start, stop in itertools.pairwise(cuts):
        found.append((start, model(whole.select(slice(start, stop)))))
    outputs = found[-1][1]
    for view in OWNERS:
        having = [(start, one) for start, one in found if view in one.vectors]
        outputs.vectors[view] = torch.cat([one.vectors[view] for _, one in having])
        outputs.owner[view] = torch.cat([one.owner[view] + start for start, one in having])
    loss_of(name)(outputs, whole).backward()


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_dropout_is_replayed(name: str) -> None:
    model, plain = Towers(dropout=0.4), Towers(dropout=0.4)
    torch.manual_seed(7)
    cached(model, name, 4)
    state = torch.get_rng_state()
    torch.manual_seed(7)
    reference_in_parts(plain, name, [0, 3, 6, 10])
    assert_equal_gradients(model, plain, rtol=1e-9, atol=1e-12)
    assert torch.equal(state, torch.get_rng_state())


def test_towers_see_a_micro_batch_at_a_time_and_keep_one_graph() -> None:
    model = Towers()
    cached(model, "info_nce", 4)
    assert model.seen == [(3, False), (3, False), (4, False), (3, True), (3, True), (4, True)]


def test_a_batch_that_fits_runs_once() -> None:
    model = Towers()
    cached(model, "info_nce", 10)
    assert model.seen == [(10, True)]


def test_gradients_are_added() -> None:
    once, twice = Towers(), Towers()
    cached(once, "sigmoid", 4)
    for _ in range(2):
        cached(twice, "sigmoid", 4)
    for name, gradient in gradients(once).items():
        torch.testing.assert_close(gradients(twice)[name], 2 * gradient)


def test_a_locked_tower_gets_no_gradient() -> None:
    model, plain = Towers(), Towers()
    for one in (model, plain):
        one.image.requires_grad_(False)
    cached(model, "info_nce", 4)
    loss_of("info_nce")(plain(batch()), batch()).backward()
    assert not any(name.startswith("image.") for name in gradients(model))
    assert_equal_gradients(model, plain, rtol=1e-9, atol=1e-12)


def test_nothing_to_compare_is_no_error() -> None:
    model, empty = Towers(), batch().select(slice(6, 8))  # two texts
    assert cached(model, "info_nce", 1, empty) == 0
    assert all(gradient.abs().max() == 0 for gradient in gradients(model).values())


def test_nan_is_passed_on() -> None:
    model, bad = Towers(), batch()
    bad.media["image"].values[2] = float("nan")
    assert cached(model, "info_nce", 4, bad).isnan()
    assert gradients(model)["image.0.weight"].isnan().any()


def test_batch_norm_in_training_is_refused() -> None:
    model = Towers(norm=nn.BatchNorm1d)
    with pytest.raises(ConfigError, match="BatchNorm") as error:
        cached(model, "info_nce", 4)
    assert "image.1" in str(error.value)
    assert "micro_batch=0" in str(error.value)


def test_batch_norm_in_evaluation_mode_is_fine() -> None:
    model, plain = Towers(norm=nn.BatchNorm1d), Towers(norm=nn.BatchNorm1d)
    for one in (model, plain):
        one.image.eval()
    cached(model, "info_nce", 4)
    loss_of("info_nce")(plain(batch()), batch()).backward()
    assert_equal_gradients(model, plain, rtol=1e-9, atol=1e-12)


def test_other_outputs_than_vectors_are_refused() -> None:
    with pytest.raises(ConfigError, match="an objective reads patches"):
        cached_step(
            Towers(), batch(), loss_of("info_nce"), {"vectors", "patches"}, 4, torch.float32, CPU
        )


def dual_encoder() -> tuple[DualEncoder, Batch]:
    """CLIP with patch dropout, dropout before the projection and a bias; eight pairs."""
    block = {"width": 16, "num_layers": 1, "num_heads": 2, "hidden_width": 32}
    image = {"name": "vit", "image_size": 16, "patch_size": 4, "patch_dropout": 0.5, **block}
    text = {"name": "text_transformer", "vocabulary": 50, "end_id": 49, "max_positions": 8, **block}
    torch.manual_seed(3)
    model = DualEncoder(
        DualEncoder.Config.model_validate(
            {
                "width": 8,
                "initial_bias": -3.0,
                "towers": {"image": {"tower": image, "dropout": 0.3}, "text": {"tower": text}},
            }
        )
    )
    for tower in model.towers.values():
        tower.init_weights()
    owner = torch.arange(8)
    generator = torch.Generator().manual_seed(4)
    pixels = torch.randint(0, 256, (8, 3, 16, 16), generator=generator, dtype=torch.uint8)
    ids = torch.randint(0, 49, (8, 6), generator=generator)
    ids[:, 5] = 49
    values = {"image": pixels, "text": ids}
    return model.train(), Batch(
        [str(number) for number in range(8)],
        {view: Media(owner, torch.zeros_like(owner), one) for view, one in values.items()},
    )


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_real_dual_encoder_with_patch_dropout_and_autocast(precision: torch.dtype) -> None:
    model, pairs = dual_encoder()
    objective = loss_of("sigmoid")
    torch.manual_seed(9)
    loss = cached_step(model, pairs, objective, NEEDS, 3, precision, CPU)
    ours = gradients(model)
    plain, _ = dual_encoder()
    torch.manual_seed(9)
    with autocast(CPU, precision):
        found = [plain(pairs.select(slice(*cut))) for cut in ((0, 2), (2, 5), (5, 8))]
    whole = found[-1]
    for view in ("image", "text"):
        whole.vectors[view] = torch.cat([one.vectors[view] for one in found])
        whole.owner[view] = torch.arange(8)
    expected = objective(whole, pairs)
    expected.backward()
    torch.testing.assert_close(loss, expected.detach())
    assert ours.keys() == gradients(plain).keys()
    for name, gradient in gradients(plain).items():  # bf16: where its sums are rounded may differ
        tolerance = 1e-5 if precision == torch.float32 else 2e-2
        assert (ours[name] - gradient).norm() <= tolerance * gradient.norm() + 1e-7, name
