from __future__ import annotations

import math

import pytest
import torch

from interlingua.nn.position import Interpolation, resample_positions, sinusoids


def test_sinusoids_by_their_definition() -> None:
    table = sinusoids(50, 16)
    for position in (0, 1, 49):
        for pair in range(8):
            angle = position / 10_000 ** (pair / 7)
            assert table[position, pair].item() == pytest.approx(math.sin(angle), abs=1e-5)
            assert table[position, 8 + pair].item() == pytest.approx(math.cos(angle), abs=1e-5)


def test_sinusoids_equal_whispers_in_transformers() -> None:
    modeling = pytest.importorskip("transformers.models.whisper.modeling_whisper")
    assert torch.allclose(sinusoids(1500, 384), modeling.sinusoids(1500, 384), atol=1e-6)


def test_an_odd_width_is_refused() -> None:
    with pytest.raises(ValueError, match="even width, not 7"):
        sinusoids(4, 7)


@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
def test_positions_of_another_grid(mode: Interpolation) -> None:
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    plane = torch.stack([rows.flatten(), columns.flatten()], dim=1)  # [64, 2], a linear function
    positions = torch.cat([torch.full((1, 2), 9.0), plane])
    assert resample_positions(positions, (8, 8), 1, mode) is positions
    wanted = resample_positions(positions, (4, 16), 1, mode)
    assert wanted.shape == (1 + 64, 2)
    assert torch.equal(wanted[0], positions[0])  # the class token's
    inner = wanted[1:].unflatten(0, (4, 16))[1:3, 4:12]
    # half the rows, twice the columns: centres of the new cells on the old axes
    assert torch.allclose(inner[:, 0, 0], torch.tensor([2.5, 4.5]), atol=0.05)
    assert torch.allclose(inner[0, :, 1], torch.arange(4, 12) / 2 - 0.25, atol=0.05)
    assert resample_positions(positions.bfloat16(), (2, 2), 1, mode).dtype == torch.bfloat16
