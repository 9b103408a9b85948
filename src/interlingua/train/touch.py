"""Outputs that no loss reads: a tower that ran gets a gradient, if only zero.

In many processes every rank must run every trained tower backward too, even where its own samples
give the losses nothing to do there. One process does the same, so that it trains alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor


def touched(outputs: Any) -> Tensor | float:
    """0, with a graph back to every output that has one."""
    return _zero([one for one in _tensors(outputs) if one.requires_grad])


def reading_all(loss: Tensor, outputs: Any) -> Tensor:
    """The loss, plus zero times every output that it doesn't depend on yet."""
    return loss + _zero(_unread(loss, [one for one in _tensors(outputs) if one.requires_grad]))


def _zero(outputs: list[Tensor]) -> Tensor | float:
    return torch.stack([one.float().sum() for one in outputs]).sum() * 0.0 if outputs else 0.0


def _unread(loss: Tensor, outputs: list[Tensor]) -> list[Tensor]:
    """The outputs that a walk from the loss doesn't meet; it goes no further than the outputs."""
    made_by = {one.grad_fn: one for one in outputs if one.grad_fn is not None}
    leaves = {id(one): one for one in outputs if one.grad_fn is None}
    met: set[int] = set()
    waiting: list[Any] = [loss.grad_fn]
    seen: set[Any] = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)  # of a leaf
        if node in made_by:
            met.add(id(made_by[node]))
        elif id(variable) in leaves:
            met.add(id(variable))
        else:
            waiting += [following for following, _ in node.next_functions]
    return [one for one in outputs if id(one) not in met]


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _tensors(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _tensors(inner)
    elif is_dataclass(value):
        for one in fields(value):
            yield from _tensors(getattr(value, one.name))
