"""Ranks: the processes of one training run, and what they tell each other.

Without a running process group there is one rank, and every function here is a no-op, so that
nothing else has to ask. Ranks may hold different numbers of rows, none as well.

With a process group every function but ``world_size``, ``rank`` and ``is_main`` is collective:
all ranks call it, in the same order, else they wait for each other until the timeout.

Shape legend: n rows of this rank, N rows of all ranks, W ranks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, distributed


def is_running() -> bool:
    """True where a process group was started."""
    return distributed.is_available() and distributed.is_initialized()


def world_size() -> int:
    """W, how many processes train together."""
    return distributed.get_world_size() if is_running() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return distributed.get_rank() if is_running() else 0


def is_main() -> bool:
    """True for the one rank that writes files and talks to people."""
    return rank() == 0


def sizes_of_ranks(size: int) -> list[int]:
    """The number that each rank gives, in their order."""
    if world_size() == 1:
        return [size]
    table = torch.tensor([[size]], dtype=torch.int64, device=_device())
    return [int(number) for number in _gather_equal(table).flatten().tolist()]


def gather_rows(rows: Tensor, sizes: Sequence[int] | None = None) -> tuple[Tensor, int]:
    """The rows of all ranks, one rank after another; no gradient flows through.

    Args:
        rows: [n, ...]; all but n is equal on all ranks.
        sizes: n of each rank, where it is known already; asked for otherwise.

    Returns:
        [N, ...] contiguous, and the place of this rank's first row in it.
    """
    if world_size() == 1:
        return rows.detach(), 0
    sizes = sizes_of_ranks(len(rows)) if sizes is None else sizes
    longest = max(sizes)
    mine = rows.detach().contiguous()
    if len(mine) < longest:  # the back ends need equal shapes
        mine = torch.cat([mine, mine.new_zeros(longest - len(mine), *mine.shape[1:])])
    everyone = _gather_equal(mine)  # [W * longest, ...]
    if min(sizes) < longest:
        parts = torch.split(everyone, longest)
        everyone = torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])
    return everyone, sum(sizes[: rank()])


def sum_over_ranks(values: Tensor) -> Tensor:
    """The sum, the same bits on every rank; no gradient flows through."""
    return _reduced(values, distributed.ReduceOp.SUM) if world_size() > 1 else values.detach()


def max_over_ranks(values: Tensor) -> Tensor:
    """The largest of each element; what it makes of NaN depends on the back end."""
    return _reduced(values, distributed.ReduceOp.MAX) if world_size() > 1 else values.detach()


def logsumexp_over_ranks(values: Tensor) -> Tensor:
    """Log of the sum of exp of what the ranks hold; -inf adds nothing, NaN stays NaN."""
    if world_size() == 1:
        return values.detach()
    largest = max_over_ranks(values)
    largest = torch.where(largest.isfinite(), largest, 0.0)
    return sum_over_ranks((values - largest).exp()).log() + largest


def names_of_ranks(names: Iterable[str]) -> list[str]:
    """All names that any rank gives, sorted; names hold no line break."""
    own = sorted(set(names))
    if world_size() == 1:
        return own
    text = "".join(f"{name}\n" for name in own).encode()
    letters = torch.tensor(list(text), dtype=torch.uint8, device=_device())
    everyone, _ = gather_rows(letters)
    return sorted(set(bytes(everyone.tolist()).decode().splitlines()))


def _gather_equal(rows: Tensor) -> Tensor:
    """[n, ...] of equal shapes to [W * n, ...]."""
    everyone = rows.new_empty(world_size() * len(rows), *rows.shape[1:])
    if everyone.numel():  # as views of one tensor: nothing is copied a second time
        distributed.all_gather(list(torch.split(everyone, len(rows))), rows)
    return everyone


def _reduced(values: Tensor, operation: distributed.ReduceOp.RedOpType) -> Tensor:
    result = values.detach().clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(result, op=operation)
    return result


def _device() -> torch.device:
    """Where tensors lie that the back end can carry."""
    if "cpu" in distributed.get_backend_config():  # as in "cpu:gloo,cuda:nccl"
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())
