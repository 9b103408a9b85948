"""What ViT does with pixels: patches, other sizes, dropped patches, the pooled state alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from interlingua.errors import ConfigError
from interlingua.nn.patches import choose_patches
from interlingua.towers.pretrained import build_tower
from interlingua.towers.vit import ViT

SMALL: dict[str, Any] = {"image_size": 32, "patch_size": 8, "width": 16, "num_layers": 2,
                         "num_heads": 2, "hidden_width": 32}  # fmt: skip
SIGLIP: dict[str, Any] = {**SMALL, "class_token": False, "pooling": "attention",
                          "pre_norm": False, "patch_bias": True}  # fmt: skip


def make(**options: Any) -> Any:
    return build_tower(ViT.Config(**{**SMALL, **options})).eval()


def pictures(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, (*shape,), dtype=torch.uint8)


def test_the_patch_embedding_is_the_convolution_of_the_papers() -> None:
    tower = make(pre_norm=False)
    pixels = torch.randn(2, 3, 32, 40)
    kernel = tower.patch_embedding.weight.view(16, 3, 8, 8)
    exact = functional.conv2d(pixels, kernel, stride=8).flatten(2).transpose(1, 2)
    positions = tower.position_embedding
    tower.position_embedding = torch.nn.Parameter(torch.zeros_like(positions))
    states = tower(pixels, layers=(0,)).layers[0]
    assert torch.allclose(states[:, 1:], exact, atol=1e-5)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_uint8_and_normalised_floats_give_the_same(memory_format: torch.memory_format) -> None:
    tower = make()
    pixels = pictures(2, 3, 32, 32).contiguous(memory_format=memory_format)
    wanted = tower.preprocess
    mean, std = (torch.tensor(x)[:, None, None] for x in (wanted.mean, wanted.std))
    floats = (pixels.float() / 255 - mean) / std
    before = pixels.clone()
    assert torch.allclose(tower(pixels).pooled, tower(floats).pooled, atol=1e-5)
    assert torch.equal(pixels, before)


def test_other_sizes_keep_the_class_position_and_resample_the_rest() -> None:
    tower = make(pre_norm=False)
    with torch.no_grad():
        tower.patch_embedding.weight.zero_()
        tower.class_token.zero_()
    tokens = tower(pictures(1, 3, 48, 16), layers=(0,))
    assert tokens.grid == (1, 6, 2)
    learned = tower.position_embedding
    assert torch.equal(tokens.layers[0][0, 0], learned[0])
    square = learned[1:].T.reshape(1, 16, 4, 4)
    exact = functional.interpolate(square, size=(6, 2), mode="bicubic", antialias=True)
    assert torch.allclose(tokens.layers[0][0, 1:], exact[0].flatten(1).T, atol=1e-6)
    tokens.layers[0].sum().backward()  # they learn at any size
    assert learned.grad is not None and learned.grad.abs().sum() > 0


def test_a_side_that_patches_do_not_fill_is_refused() -> None:
    with pytest.raises(ValueError, match="32 x 36 can't be cut into patches of 8"):
        make()(pictures(1, 3, 32, 36))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 30}, "30 is no multiple of patch_size 8"),
        ({"num_heads": 3}, "3 heads do not divide a width of 16"),
        ({"class_token": False}, "needs class_token=true"),
        ({"patch_dropout": 1.0}, "less than 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ViT.Config(**{**SMALL, **options})


def test_dropping_patches_keeps_the_rest_with_their_positions() -> None:
    tower = make(patch_dropout=0.75, pre_norm=False)
    pixels = pictures(5, 3, 32, 32)
    whole = tower(pixels, layers=(0,)).layers[0]  # evaluation: an exact no-op
    assert torch.equal(whole, make_equal(tower, patch_dropout=0.0)(pixels, layers=(0,)).layers[0])
    tokens = tower.train()(pixels, layers=(0,))
    dropped = tokens.layers[0]
    assert dropped.shape == (5, 1 + 4, 16) and tokens.grid is None
    assert torch.equal(dropped[:, 0], whole[:, 0])  # the class token is kept
    chosen = []
    for sample in range(5):
        same = (dropped[sample, 1:, None] - whole[sample, None, 1:]).abs().amax(-1) < 1e-5
        assert (same.sum(1) == 1).all()
        chosen.append(tuple(same.int().argmax(1).tolist()))
        assert len(set(chosen[-1])) == 4  # no patch twice
    assert len(set(chosen)) > 1  # each picture loses other ones


def make_equal(tower: Any, **options: Any) -> Any:
    other = ViT(tower.config.model_copy(update=options)).eval()
    other.load_state_dict(tower.state_dict())
    return other


def test_every_patch_is_kept_equally_often() -> None:
    chosen = choose_patches(4000, 8, 0.5, torch.device("cpu"))
    assert chosen.shape == (4000, 4)
    counts = torch.bincount(chosen.flatten(), minlength=8) / 4000
    assert (counts - 0.5).abs().max() < 0.05
    assert choose_patches(2, 8, 0.99, torch.device("cpu")).shape == (2, 1)  # never none


def test_a_stage_sets_size_and_dropout_and_the_next_puts_them_back() -> None:
    tower = make(patch_dropout=0.25)
    tower.enter_stage(image_size=16, patch_dropout=0.5)
    assert (tower.preprocess.size, tower.patch_dropout) == (16, 0.5)
    assert tower(pictures(2, 3, 16, 16)).grid == (1, 2, 2)
    tower.enter_stage()
    assert (tower.preprocess.size, tower.patch_dropout) == (32, 0.25)
    with pytest.raises(ConfigError, match="20 pixels can't be cut into patches of 8"):
        tower.enter_stage(image_size=20)
    with pytest.raises(ConfigError, match="patch_dropout is 1"):
        tower.enter_stage(patch_dropout=1.0)


@pytest.mark.parametrize("options", [SMALL, SIGLIP, {**SMALL, "pooling": "mean"}])
def test_the_pooled_vector_alone_is_the_same_with_the_same_gradients(
    options: dict[str, Any],
) -> None:
    tower = build_tower(ViT.Config(**options)).train()
    pixels = pictures(3, 3, 32, 32)
    results = []
    for alone in (False, True):
        tower.pooled_only = alone
        tower.zero_grad()
        tokens = tower(pixels)
        (tokens.pooled * torch.linspace(-1, 1, 16)).sum().backward()
        results.append((tokens, {n: p.grad.clone() for n, p in tower.named_parameters()}))
    (whole, gradients), (pooled, other) = results
    assert whole.states is not None and pooled.states is None
    assert torch.allclose(whole.pooled, pooled.pooled, atol=1e-5)
    for name, gradient in gradients.items():
        largest = max(1.0, float(gradient.abs().max()))
        assert (gradient - other[name]).abs().max() < 1e-5 * largest, name


def test_mean_pooling_leaves_the_class_token_out() -> None:
    tokens = make(pooling="mean")(pictures(2, 3, 32, 32))
    assert torch.allclose(tokens.pooled, tokens.states[:, 1:].mean(1), atol=1e-6)


def test_a_frozen_tower_equals_the_tower_in_fp32() -> None:
    for options in (SMALL, SIGLIP):
        tower = make(**options)
        pixels = pictures(20, 3, 32, 32)
        with torch.inference_mode():
            exact = tower(pixels).pooled
            frozen = tower.for_inference(torch.float32)
            assert (frozen(pixels).pooled - exact).abs().max() < 1e-5
            frozen.pooled_only = True
            assert (frozen(pixels).pooled - exact).abs().max() < 1e-5
