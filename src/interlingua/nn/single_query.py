"""Attention with one query per sample, at the cost of one token instead of all.

Where only one state of a layer is wanted (a class token, an end token, a probe), keys and values
of the other tokens need not be made. With k = W_k x + b_k, the scores are
``q . k = (W_k^T q) . x + q . b_k``, and as weights sum to one, ``sum a (W_v x + b_v)`` is
``W_v (sum a x) + b_v``: two products of [D, D] for each sample instead of two for each token. It is
the same sum in another order, not an approximation.

Shape legend: M samples, N tokens, D width, H heads, d width of one head.

Source: scaled dot-product attention, Vaswani et al. 2017 (arXiv 1706.03762), section 3.2; the
reordering is the associativity of the matrix product.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SingleQuery(nn.Module):
    """The projections of query, key and value, used by one query per sample.

    No ``nn.Linear``, because its three parts are used apart, which a frozen one that is packed for
    its kernel could not do.

    Args:
        width: D.
        num_heads: H, a divisor of D.

    Raises:
        ValueError: ``num_heads`` does not divide ``width``.
    """

    def __init__(self, width: int, num_heads: int):
        super().__init__()
        if width % num_heads:
            raise ValueError(f"{num_heads} heads do not divide a width of {width}")
        self.num_heads = num_heads
        self.weight = nn.Parameter(torch.empty(3 * width, width))
        self.bias = nn.Parameter(torch.empty(3 * width))
        self.init_weights()

    def init_weights(self) -> None:
        """Normal weights by the width, zero biases."""
        nn.init.normal_(self.weight, std=self.weight.shape[1] ** -0.5)
        nn.init.zeros_(self.bias)

    def forward(self, query: Tensor, states: Tensor, key_mask: Tensor | None = None) -> Tensor:
        """See ``attend_once``."""
        return attend_once(query, states, self.weight, self.bias, self.num_heads, key_mask)


def attend_once(
    query: Tensor,
    states: Tensor,
    weight: Tensor,
    bias: Tensor,
    num_heads: int,
    key_mask: Tensor | None = None,
) -> Tensor:
    """What one query per sample reads from the states.

    Args:
        query: [M, D], or [1, D] for a query that all samples share; not projected yet.
        states: [M, N, D], neither.
        weight: [3 D, D], of query, key and value.
        bias: [3 D].
        num_heads: H.
        key_mask: [M, N] True = may be looked at.

    Returns:
        [M, D], before the output projection.
    """
    width = states.shape[-1]
    states, query = states.to(weight.dtype), query.to(weight.dtype)
    to_query, to_key, to_value = weight.view(3, num_heads, -1, width).unbind()  # each [H, d, D]
    bias_query, bias_key, bias_value = bias.view(3, num_heads, -1).unbind()  # each [H, d]
    heads = torch.einsum("mi,hdi->mhd", query, to_query) + bias_query  # [M, H, d]
    heads = heads * heads.shape[-1] ** -0.5
    folded = torch.einsum("mhd,hdi->mhi", heads, to_key)  # [M, H, D]
    scores = folded @ states.transpose(1, 2)  # [M, H, N]
    # the same for all keys, so the softmax drops it; kept because a bias has a gradient
    scores = scores + (heads * bias_key).sum(-1, keepdim=True)
    if key_mask is not None:
        scores = scores.masked_fill(~key_mask[:, None], torch.finfo(scores.dtype).min)
    mixed = scores.softmax(-1).to(states.dtype) @ states  # [M, H, D]
    values = torch.einsum("mhi,hdi->mhd", mixed, to_value) + bias_value
    return values.flatten(1)
