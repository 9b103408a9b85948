"""Pictures as rows of patches, and which of the patches a training step keeps.

A convolution whose stride is its kernel is one matrix product over unfolded patches; on a CPU the
product is much the faster of the two. The unfolding moves uint8, a quarter of the bytes of fp32.

Shape legend: M pictures, C channels, H height, W width, P side of a patch, N patches, K kept.

Sources: patch embedding, Dosovitskiy et al. 2020 (arXiv 2010.11929), section 3.1; random
dropping of patches, Li et al. 2023 (FLIP, arXiv 2212.00794), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def unfold_patches(pixels: Tensor, size: int) -> Tensor:
    """Cut pictures into patches, row by row.

    Args:
        pixels: [M, C, H, W] of any dtype.
        size: P.

    Returns:
        [M, (H / P) * (W / P), C * P * P]; within a patch channel, row, column, which is the order
        of a convolution's flattened kernel.

    Raises:
        ValueError: H or W is not a multiple of P.
    """
    batch, channels, height, width = pixels.shape
    if height % size or width % size:
        raise ValueError(f"pixels of {height} x {width} can't be cut into patches of {size}")
    rows, columns = height // size, width // size
    cut = pixels.unflatten(3, (columns, size)).unflatten(2, (rows, size))  # [M, C, h, P, w, P]
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(batch, rows * columns, channels * size * size)


def normalize_patches(patches: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """uint8 patches to floats of about zero mean and unit deviation.

    Args:
        patches: [M, N, C * P * P] uint8, channel first within a patch.
        mean, std: one number for each channel, of values in 0..1.

    Returns:
        float32 [M, N, C * P * P].
    """
    values = patches.float()
    channels = values.unflatten(2, (len(mean), -1))  # [M, N, C, P * P]
    # plain numbers: a tensor of them would wait for the device, on every call
    for channel, (middle, width) in enumerate(zip(mean, std, strict=True)):
        channels[:, :, channel].sub_(255 * middle).div_(255 * width)
    return values


def choose_patches(
    num_pictures: int, num_patches: int, dropout: float, device: torch.device
) -> Tensor:
    """A random subset of the patches of each picture, all subsets of one size.

    Args:
        num_pictures: M.
        num_patches: N.
        dropout: share of the patches that are dropped; at least one patch stays.
        device: where the numbers are drawn.

    Returns:
        int64 [M, K], ascending in each row.
    """
    kept = max(1, round(num_patches * (1 - dropout)))
    draws = torch.rand(num_pictures, num_patches, device=device)
    return draws.topk(kept, dim=1, sorted=False).indices.sort(dim=1).values
