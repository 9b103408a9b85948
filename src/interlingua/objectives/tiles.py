"""All pairs of two sets of vectors, tile by tile: what the contrastive losses are made of.

No [B, B] ever exists. A tile is small enough to stay in the processor's cache between the
product that makes it and the few passes over it, so that those cost next to nothing.

On a CPU the products are oneDNN's in fp32: torch's usual ones (MKL) leave half of an AMD
processor unused.

Shape legend: R rows (queries), C columns (keys), D width, G kinds of identity; n of this rank,
N of all ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from interlingua.nn.frozen_linear import has_onednn_linear
from interlingua.ranks import gather_rows, sizes_of_ranks, world_size

CPU_TILE = 1024  # [1024, 1024] in fp32 is 4 MiB: two of them fit a cache; larger is not faster
DEVICE_TILE = 4096  # 64 MiB: few launches

Share = Callable[[Tensor, slice, slice], Tensor]


def tile_size(device: torch.device) -> int:
    """The edge of a tile."""
    return CPU_TILE if device.type == "cpu" else DEVICE_TILE


def blocks(length: int, size: int) -> Iterator[slice]:
    """``length`` cut into pieces of ``size``."""
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))


def product(queries: Tensor, keys: Tensor, bias: Tensor | None = None) -> Tensor:
    """``queries @ keys.T``, [R, C], plus ``bias`` [C]; transposes are taken as they are."""
    if queries.dtype == torch.float32 and queries.device.type == "cpu" and has_onednn_linear():
        result: Tensor = torch.ops.mkldnn._linear_pointwise(queries, keys, bias, "none", [], "")
        return result
    return queries @ keys.T if bias is None else torch.addmm(bias, queries, keys.T)


@dataclass(frozen=True, slots=True)
class Diagonal:
    """Where row i meets the column that belongs to it, i + ``offset``."""

    offset: int

    def of(self, tile: Tensor, rows: slice, columns: slice) -> Tensor:
        """Its part in a tile, a view; empty where it doesn't pass."""
        return tile.diagonal(self.offset + rows.start - columns.start)

    def rows(self, rows: slice, columns: slice) -> slice:
        """The rows whose own column lies in this tile."""
        start = max(rows.start, columns.start - self.offset)
        return slice(start, max(start, min(rows.stop, columns.stop - self.offset)))


class FalseNegatives:
    """Pairs that are equal without being the same row: they are left out.

    Args:
        same: [N, G] int64 identities of all columns. Two that have an equal, non-negative
            identity in any of the G are equal.
        diagonal: which rows are meant; a row's own column always stays.
    """

    def __init__(self, same: Tensor | None, diagonal: Diagonal):
        self.diagonal = diagonal
        self.codes: list[Tensor] = []  # [N] int32: negative where nothing else is equal
        for identities in () if same is None else same.T:
            _, codes, counts = identities.unique(return_inverse=True, return_counts=True)
            several = (counts > 1)[codes] & (identities >= 0)
            if several.any():
                self.codes.append(torch.where(several, codes, -1).to(torch.int32))

    def allowed(self, like: Tensor, rows: slice, columns: slice) -> Tensor | None:
        """[R, C] one where a pair counts and zero where not; None where all of them do."""
        result = None
        own = slice(rows.start + self.diagonal.offset, rows.stop + self.diagonal.offset)
        for codes in self.codes:
            queries = codes[own, None]
            keys = torch.where(codes[columns] < 0, -2, codes[columns])  # unknown is never equal
            # As numbers, not as bool: comparing and multiplying take the quick path so.
            different = torch.ne(queries, keys, out=torch.empty_like(like))
            result = different if result is None else result.mul_(different)
        if result is not None:
            self.diagonal.of(result, rows, columns).fill_(1.0)
        return result


def weighted_sums(
    queries: Tensor,
    keys: Tensor,
    scale: Tensor,
    share: Share,
    *,
    bias: Tensor | None = None,
    keys_too: bool = True,
) -> tuple[Tensor, Tensor | None]:
    """One sweep of the backward pass: each tile of logits is made once and used for both sides.

    Args:
        queries: [R, D].
        keys: [C, D].
        scale: scalar; logits are ``scale * queries @ keys.T + bias``.
        share: takes a tile of logits, its rows and its columns, and gives the gradient of the
            loss by these logits; it may write into the tile.
        bias: scalar.
        keys_too: give the second result.

    Returns:
        ``shares @ keys`` [R, D] and ``shares.T @ (scale * queries)`` [C, D].
    """
    size = tile_size(queries.device)
    of_queries = torch.zeros_like(queries)
    of_keys = torch.zeros_like(keys) if keys_too else None
    with torch.autocast(queries.device.type, enabled=False):
        for columns in blocks(len(keys), size):
            key = keys[columns]
            tile_bias = None if bias is None else bias.expand(len(key)).contiguous()
            total = None
            for rows in blocks(len(queries), size):
                query = scale * queries[rows]
                weight = share(product(query, key, tile_bias), rows, columns)
                of_queries[rows] += product(weight, key.T)
                if of_keys is not None:
                    part = product(query.T, weight.T)  # [D, C]: in this order the quickest
                    total = part if total is None else total.add_(part)
            if of_keys is not None and total is not None:
                of_keys[columns] = total.T
    return of_queries, of_keys


def check_shapes(name: str, a: Tensor, b: Tensor) -> None:
    """Refuse what is no pair of views.

    Raises:
        ValueError: not two matrices of one shape.
    """
    if a.shape != b.shape or a.ndim != 2:
        raise ValueError(f"{name} needs two equal [B, D], got {list(a.shape)}, {list(b.shape)}")


def exact_dtype(tensor: Tensor) -> torch.dtype:
    """What the losses are computed in: fp32, or fp64 where that is given."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def inner_product(first: Tensor, second: Tensor) -> Tensor:
    """The sum of ``first * second`` over everything, without a third tensor of that size."""
    size = tile_size(first.device)
    parts = [(first[rows] * second[rows]).sum() for rows in blocks(len(first), size)]
    return torch.stack(parts).sum() if parts else first.new_zeros(())


@dataclass(slots=True)
class Gathered:
    """A pair of views of all ranks.

    Attributes:
        a, b: [N, D] of all ranks, one after another.
        same: [N, G] or None.
        own: the rows of this rank.
        sizes: rows of each rank.
    """

    a: Tensor
    b: Tensor
    same: Tensor | None
    own: slice
    sizes: Sequence[int]


def gather_pair(
    a: Tensor, b: Tensor, same: Tensor | None, sizes: Sequence[int] | None = None
) -> Gathered:
    """What the other ranks hold of this pair of views; collective, see ``ranks``."""
    if world_size() == 1:
        return Gathered(a.detach(), b.detach(), same, slice(0, len(a)), [len(a)])
    sizes = sizes_of_ranks(len(a)) if sizes is None else sizes
    all_a, start = gather_rows(a, sizes)
    all_b, _ = gather_rows(b, sizes)
    all_same = None if same is None else gather_rows(same, sizes)[0]
    return Gathered(all_a, all_b, all_same, slice(start, start + len(a)), sizes)
