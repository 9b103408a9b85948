"""Who may look at whom, and the one function that calls an attention kernel.

Shape legend: B batch, H heads, Q queries, K keys, D width of one head.

Sources: scaled dot-product attention, Vaswani et al. 2017 (arXiv 1706.03762), section 3.2.1;
prefix mask, Raffel et al. 2020 (arXiv 1910.10683), section 3.2.1; sliding window, Beltagy et
al. 2020 (arXiv 2004.05150), section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class AttentionPattern:
    """A value that says which keys each query may look at; all conditions hold at once.

    The queries are the last Q of the K positions, so that a decoder with a cache
    uses the same pattern. A query that may look at nothing gets zeros.

    Attributes:
        key_mask: [B, K] bool, True = real; padding is looked at by nobody.
        causal: a query sees keys up to its own position only.
        prefix: [B] int64, with ``causal``: the first ``prefix`` keys are seen by everyone.
        segments: [B, K] integers: packed sequences see only their own; 0 is padding.
        window: a query sees keys less than this many positions away.

    Raises:
        ValueError: a prefix without ``causal`` or a window below 1.
    """

    key_mask: Tensor | None = None
    causal: bool = False
    prefix: Tensor | None = None
    segments: Tensor | None = None
    window: int | None = None

    def __post_init__(self) -> None:
        if self.prefix is not None and not self.causal:
            raise ValueError("a prefix only means something in a causal pattern")
        if self.window is not None and self.window < 1:
            raise ValueError("a window is at least 1")

    def dense(self, num_queries: int, num_keys: int, device: torch.device) -> Tensor | None:
        """The pattern as bool [B or 1, 1, Q, K], True = may look; None where it is full."""
        allowed: Tensor | None = None
        if self.causal or self.window is not None:
            keys = torch.arange(num_keys, device=device)  # [K]
            queries = keys[num_keys - num_queries :, None]  # [Q, 1]
            allowed = torch.ones(num_queries, num_keys, dtype=torch.bool, device=device)
            if self.causal:
                allowed = keys <= queries
            allowed = allowed[None, None]  # [1, 1, Q, K]
            if self.prefix is not None:
                allowed = allowed | (keys < self.prefix[:, None, None, None])  # [B, 1, Q, K]
            if self.window is not None:
                allowed = allowed & ((queries - keys).abs() < self.window)
        for condition in (self._same_segment(num_queries), self._real_keys()):
            if condition is not None:
                allowed = condition if allowed is None else allowed & condition
        return allowed

    def _same_segment(self, num_queries: int) -> Tensor | None:
        if self.segments is None:
            return None
        keys = self.segments[:, None, None, :]  # [B, 1, 1, K]
        queries = self.segments[:, None, self.segments.shape[1] - num_queries :, None]
        return (queries == keys) & (keys != 0)  # [B, 1, Q, K]

    def _real_keys(self) -> Tensor | None:
        return None if self.key_mask is None else self.key_mask[:, None, None, :]


FULL = AttentionPattern()

# scores in bf16 that stay in the cache of a processor (4 MiB), and that may be kept for a
# backward pass (32 MiB)
MAX_CACHED_SCORES = 1 << 21
MAX_KEPT_SCORES = 1 << 24


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    pattern: AttentionPattern = FULL,
    scale: float | None = None,
) -> Tensor:
    """Scaled dot-product attention; the only place that calls a kernel.

    Args:
        query: [B, H, Q, D].
        key: [B, H, K, D].
        value: [B, H, K, D].
        pattern: who may look at whom.
        scale: of the products; ``D ** -0.5`` where it is not given.

    Returns:
        [B, H, Q, D], zeros for a query that may look at nothing.
    """
    num_queries, num_keys = query.shape[-2], key.shape[-2]
    if _explicit_is_quicker(query, num_keys):
        allowed = pattern.dense(num_queries, num_keys, query.device)
        return _clear_blind_rows(_attend_explicitly(query, key, value, allowed, scale), allowed)
    if num_queries == num_keys and pattern == AttentionPattern(causal=True):
        # the flag lets the kernel skip the upper triangle, which a mask would not
        return functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, scale=scale
        )
    allowed = pattern.dense(num_queries, num_keys, query.device)
    states = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=allowed, scale=scale
    )
    return _clear_blind_rows(states, allowed)


def _clear_blind_rows(states: Tensor, allowed: Tensor | None) -> Tensor:
    # kernels disagree about rows that see nothing (zeros, NaN or a mean): make them all zeros
    return states if allowed is None else states.masked_fill(~allowed.any(-1, keepdim=True), 0.0)


def _explicit_is_quicker(query: Tensor, num_keys: int) -> bool:
    """On CPUs torch's kernel gives bf16 no advantage; two matrix products take half its time."""
    if query.device.type != "cpu" or query.dtype != torch.bfloat16:
        return False
    num_scores = query.shape[0] * query.shape[1] * query.shape[2] * num_keys
    return num_scores <= MAX_KEPT_SCORES or not torch.is_grad_enabled()


def _attend_explicitly(
    query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None, scale: float | None
) -> Tensor:
    """Attention as written in the paper, a few samples or heads at a time."""
    num_samples, num_heads, num_queries, _ = query.shape
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    heads_at_once = max(1, MAX_CACHED_SCORES // (num_queries * key.shape[2]))
    samples_at_once = max(1, heads_at_once // num_heads)
    states = []
    for start in range(0, num_samples, samples_at_once):
        some = slice(start, start + samples_at_once)
        seen = allowed if allowed is None or allowed.shape[0] == 1 else allowed[some]
        parts = []
        for head in range(0, num_heads, heads_at_once):
            heads = slice(head, head + heads_at_once)
            scores = _scaled_products(query[some, heads], key[some, heads], scale)  # [b, h, Q, K]
            if seen is not None:
                # not minus infinity: a row that sees nothing would become NaN, its gradient too
                scores.masked_fill_(~seen, torch.finfo(scores.dtype).min)
            parts.append(scores.softmax(-1) @ value[some, heads])
        states.append(torch.cat(parts, dim=1) if len(parts) > 1 else parts[0])
    return torch.cat(states) if len(states) > 1 else states[0]


def _scaled_products(query: Tensor, key: Tensor, scale: float) -> Tensor:
    """[b, h, Q, K]; the factor goes into the product, so that no pass over anything is its own."""
    samples, heads, num_queries, width = query.shape
    rows = query.reshape(samples * heads, num_queries, width)
    columns = key.reshape(samples * heads, -1, width).transpose(1, 2)
    nothing = query.new_empty(1)
    products = torch.baddbmm(nothing, rows, columns, beta=0, alpha=scale)
    return products.view(samples, heads, num_queries, -1)
