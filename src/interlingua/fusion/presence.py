"""Which modalities a sample has: weights over those that are there, and modality dropout.

Modality dropout takes modalities from training samples, so that a model can do without one.

Source: Neverova et al. 2016 (ModDrop, arXiv 1501.00102), section 4.2; here no sample loses
everything that it has.

Shape legend: B samples, M modalities, N tokens, D width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from interlingua.tokens import Tokens


def present(tokens: Iterable[Tokens]) -> Tensor:
    """[B, M] bool: which samples have which of these modalities."""
    there = []
    for one in tokens:
        assert one.mask is not None
        there.append(one.mask.any(1))
    return torch.stack(there, dim=1)


def shares_of_there(scores: Tensor, there: Tensor) -> Tensor:
    """Softmax over the modalities that are there, in fp32 at least.

    Args:
        scores: [B, M] or [B, M, D].
        there: [B, M] bool.

    Returns:
        As ``scores``; zeros where a modality, or everything, is missing.
    """
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    missing = ~there.view(*there.shape, *[1] * (scores.ndim - 2))
    # not minus infinity: where nothing is there it would give NaN, in the gradient too
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(missing, lowest).softmax(1).masked_fill(missing, 0.0)


class StandIn(nn.Module):
    """A learned token in the place of a modality that others have to speak through.

    Where a fusion has a modality that asks the others, or is modulated by them, a sample may lack
    just that one; then this token asks, or is modulated, in its place.

    Args:
        width: D.
    """

    def __init__(self, width: int):
        super().__init__()
        self.token = nn.Parameter(torch.randn(width) * 0.5)

    def forward(self, states: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """States [B, N, D] and their mask [B, N], the first token replaced where all are unreal."""
        missing = ~mask.any(1, keepdim=True)  # [B, 1]
        first = torch.where(missing, self.token, states[:, 0])
        return (
            torch.cat([first[:, None], states[:, 1:]], dim=1),
            torch.cat([mask[:, :1] | missing, mask[:, 1:]], dim=1),
        )


def drop_modalities(tokens: Mapping[str, Tokens], rate: float) -> dict[str, Tokens]:
    """Each modality of each sample is taken away with this chance, one at least is left.

    Where all would go, one of those that the sample has is kept, each equally likely.
    """
    if not rate or len(tokens) < 2:
        return dict(tokens)
    there = present(tokens.values())
    chance = torch.rand(there.shape, device=there.device)
    luckiest = torch.where(there, chance, -1.0).argmax(1, keepdim=True)
    kept = (chance >= rate).scatter(1, luckiest, True)
    return {
        name: replace(one, mask=None if one.mask is None else one.mask & kept[:, number, None])
        for number, (name, one) in enumerate(tokens.items())
    }
