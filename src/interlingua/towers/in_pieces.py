"""A frozen tower on a CPU takes a batch in pieces, one core each.

Torch's own way is all cores on one layer after the other, with a wait at the end of each; one
core that is busy decoding the next pictures holds up all of them, at every layer. Pieces on
single cores wait for nobody, stay in the cache, and give the same bits with any number of cores.

Texts go shortest first, so that the texts of a piece have about one length and each piece is cut
behind its own longest: padding is work too, and where a piece has none its attention needs no mask.

Shape legend: M inputs, N tokens, D width.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from interlingua.tokens import Tokens

Encode = Callable[[Tensor, Tensor | None, Sequence[int]], Tokens]

TOKENS_AT_ONCE = 256  # of texts, in a piece
NEW_PIECE = 32  # tokens of padding that cost as much as to begin another piece


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

    def encode_piece(start: int) -> Tokens:
        piece = slice(start, start + at_once)
        return encode(values[piece], None if mask is None else mask[piece], layers)

    return _join(_in_workers(encode_piece, range(0, max(1, len(values)), at_once)))


def encode_by_length(
    encode: Encode, values: Tensor, mask: Tensor, layers: Sequence[int], lengths: Tensor
) -> Tokens:
    """``encode(values, mask, layers)`` of texts on a CPU, those of about one length together.

    A piece without padding is encoded without a mask. States behind a piece's longest text are
    zero.

    Args:
        encode: a tower's encoding of whole batches.
        values: [M, N] ids, M >= 1.
        mask: [M, N] True = real.
        layers: handed on.
        lengths: [M] tokens of each text that the tower reads: the last real one is before it.
    """
    pieces = pieces_by_length(lengths)

    def encode_piece(rows: Tensor) -> Tokens:
        longest = max(1, int(lengths[rows[-1]]))
        seen = mask[rows, :longest]
        return encode(values[rows, :longest], None if bool(seen.all()) else seen, layers)

    parts = _in_workers(encode_piece, pieces)
    kept = [part.layers or {} for part in parts]
    found = {number: _in_place([one[number] for one in kept], pieces, mask) for number in kept[0]}
    return Tokens(
        states=_in_place([part.states for part in parts], pieces, mask),
        mask=mask,
        pooled=_in_place([part.pooled for part in parts], pieces, mask),
        layers={number: states for number, states in found.items() if states is not None} or None,
    )


def may_go_by_length(values: Tensor) -> bool:
    """Whether ``encode_by_length`` takes these ids [M, N].

    Off the CPU to ask for lengths would stop the device, and gradients are made of whole batches.
    """
    at_hand = values.device.type == "cpu" and not torch.compiler.is_compiling()
    return at_hand and values.numel() > 0 and not torch.is_grad_enabled()


def pieces_by_length(lengths: Tensor) -> list[Tensor]:
    """Rows of texts [M] in pieces, shortest first; every row is in exactly one.

    A piece ends where its tokens, padding counted, would be too many, and where its padding would
    cost more than another piece does.
    """
    order = lengths.argsort(stable=True)
    pieces: list[list[int]] = [[]]
    real = 0  # tokens of the last piece
    for row, length in zip(order.tolist(), lengths[order].tolist(), strict=True):
        padded = (len(pieces[-1]) + 1) * length
        if pieces[-1] and (padded > TOKENS_AT_ONCE or padded - real - length > NEW_PIECE):
            pieces.append([])
            real = 0
        pieces[-1].append(row)
        real += length
    return [torch.tensor(rows) for rows in pieces]


def _in_workers(encode_piece: Callable[[Any], Tokens], pieces: Sequence[Any]) -> list[Tokens]:
    """Each piece on one core, in order, with the caller's switches."""
    inference = torch.is_inference_mode_enabled()

    def encode_one(piece: Any) -> Tokens:
        # both switches belong to a thread, and a worker begins with torch's defaults; this
        # order, because inference_mode(False) turns gradients on
        with torch.inference_mode(inference), torch.no_grad():
            return encode_piece(piece)

    num_threads = torch.get_num_threads()
    if num_threads == 1:
        return [encode_one(piece) for piece in pieces]
    return list(_workers(num_threads, os.getpid()).map(encode_one, pieces))


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


def _in_place(
    tensors: Sequence[Tensor | None], pieces: Sequence[Tensor], mask: Tensor
) -> Tensor | None:
    """Rows of pieces, [m, D] or [m, n, D], back where they were: [M, D] or [M, N, D]."""
    present = [tensor for tensor in tensors if tensor is not None]
    if not present:
        return None
    first = present[0]
    shape = mask.shape if first.ndim > 2 else mask.shape[:1]
    together = first.new_zeros((*shape, first.shape[-1]))
    for rows, tensor in zip(pieces, present, strict=True):
        if tensor.ndim > 2:
            together[rows, : tensor.shape[1]] = tensor
        else:
            together[rows] = tensor
    return together


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
