from __future__ import annotations

import pytest
import torch

from interlingua.nn.patches import choose_patches, normalize_patches, unfold_patches
from interlingua.nn.pixels import normalize_pixels


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_patches_are_cut_row_by_row_in_the_order_of_a_kernel(
    memory_format: torch.memory_format,
) -> None:
    pixels = torch.arange(2 * 3 * 4 * 6).view(2, 3, 4, 6).contiguous(memory_format=memory_format)
    patches = unfold_patches(pixels, 2)
    assert patches.shape == (2, 6, 12)
    for number in range(6):
        row, column = divmod(number, 3)
        exact = pixels[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].flatten(1)
        assert torch.equal(patches[:, number], exact)
    assert unfold_patches(pixels[:0], 2).shape == (0, 6, 12)
    with pytest.raises(ValueError, match="4 x 6 can't be cut into patches of 4"):
        unfold_patches(pixels, 4)


def test_patches_and_pixels_are_normalised_alike() -> None:
    pixels = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.3, 0.4)
    exact = (pixels / 255 - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    whole = normalize_pixels(pixels, mean, std, torch.float32)
    assert torch.allclose(whole, exact, atol=1e-5)
    patches = normalize_patches(unfold_patches(pixels, 4), mean, std)
    assert torch.allclose(patches, unfold_patches(exact, 4), atol=1e-5)
    floats = torch.randn(2, 3, 8, 8)  # floats are normalised already
    assert torch.equal(normalize_pixels(floats, mean, std, torch.float32), floats)


def test_chosen_patches_are_ascending_and_different() -> None:
    chosen = choose_patches(50, 10, 0.3, torch.device("cpu"))
    assert chosen.shape == (50, 7)
    assert (chosen.diff(dim=1) > 0).all() and chosen.min() >= 0 and chosen.max() < 10
