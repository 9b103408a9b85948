"""A frozen tower on a CPU takes a batch in pieces, one core each.

Torch's own way is all cores on one layer after the other, with a wait at the end of each; one
core that is busy decoding the next pictures holds up all of them, at every layer. Pieces on
single cores wait for nobody, stay in the cache, and give the same bits with any number of cores.

Shape legend: M inputs.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from interlingua.tokens import Tokens

Encode = Callable[[Tensor, Tensor | None, Sequence[int]], Tokens]


def encode_in_pieces(
    encode: Encode, values: Tensor, mask: Tensor | None, layers: Sequence[int], at_once: int
) -> Tokens:
    """``encode(values, mask, layers)``, a few inputs at a time on each core.

    Where gradients are wanted, off the CPU, or where ``at_once`` is 0, it is one plain call.

    Args:
        encode: a tower's encoding of whole batches.
        values: [M, ...].
        mask: [M, ...] or None.
        layers: handed on.
        at_once: inputs in a piece.
    """
    if at_once == 0 or values.device.type != "cpu" or torch.is_grad_enabled():
        return encode(values, mask, layers)
    inference = torch.is_inference_mode_enabled()

    def encode_piece(start: int) -> Tokens:
        piece = slice(start, start + at_once)
        # both switches belong to a thread, and a worker begins with torch's defaults; this
        # order, because inference_mode(False) turns gradients on
        with torch.inference_mode(inference), torch.no_grad():
            return encode(values[piece], None if mask is None else mask[piece], layers)

    starts = range(0, max(1, len(values)), at_once)
    num_threads = torch.get_num_threads()
    if num_threads == 1:
        return _join([encode_piece(start) for start in starts])
    return _join(list(_workers(num_threads, os.getpid()).map(encode_piece, starts)))


@functools.lru_cache(maxsize=1)
def _workers(count: int, process: int) -> ThreadPoolExecutor:
    """Threads that compute on one core each; the process is named because a fork loses them."""
    all_there = threading.Barrier(count + 1)

    def begin() -> None:
        torch.get_num_threads()  # the first question in a thread sets its number, so ask before
        torch.set_num_threads(1)
        all_there.wait()

    workers = ThreadPoolExecutor(count, thread_name_prefix="tower", initializer=begin)
    for _ in range(count):
        workers.submit(lambda: None)
    all_there.wait()
    torch.set_num_threads(count)  # what was set last is what threads of others begin with
    return workers


def _join(parts: list[Tokens]) -> Tokens:
    first = parts[0]

    def together(tensors: list[Tensor | None]) -> Tensor | None:
        present = [tensor for tensor in tensors if tensor is not None]
        return torch.cat(present) if present else None

    layers = None
    if first.layers is not None:
        layers = {
            number: torch.cat([part.layers[number] for part in parts if part.layers is not None])
            for number in first.layers
        }
    return Tokens(
        states=together([part.states for part in parts]),
        mask=together([part.mask for part in parts]),
        pooled=together([part.pooled for part in parts]),
        grid=first.grid,
        time=first.time,
        layers=layers,
    )
