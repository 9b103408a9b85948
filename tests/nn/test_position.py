from __future__ import annotations

import math

import pytest
import torch

from interlingua.nn.position import sinusoids


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
