"""One hidden layer between vectors that are joined and what comes of them."""

from __future__ import annotations

from torch import nn


def perceptron(width_in: int, hidden_width: int, width_out: int, dropout: float) -> nn.Sequential:
    """[..., width_in] to [..., width_out], with dropout of the hidden layer."""
    return nn.Sequential(
        nn.Linear(width_in, hidden_width),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(hidden_width, width_out),
    )
