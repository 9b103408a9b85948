"""One rule of a layout: a tensor of ours, and what it is called and looks like in the file.

``{i}`` or ``{part}`` in a name stands for one step of it (between dots or slashes), ``{rest}`` for
all steps that follow; a field must stand on both sides:

    Rule("blocks.{i}.attention.out.{p}", "encoder.layer.{i}.attention.output.dense.{p}")
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

NUM_CHANNELS = 3


@dataclass(frozen=True, slots=True)
class Change:
    """A change of shape or value between the file and us, both ways.

    Attributes:
        to_ours: from the file.
        to_theirs: into the file.
    """

    to_ours: Callable[[Tensor], Tensor]
    to_theirs: Callable[[Tensor], Tensor]


def _patch_side(weight: Tensor) -> int:
    return math.isqrt(weight.shape[1] // NUM_CHANNELS)


def _to_kernel(weight: Tensor) -> Tensor:
    side = _patch_side(weight)
    return weight.reshape(weight.shape[0], NUM_CHANNELS, side, side)


def _from_channels_last(weight: Tensor) -> Tensor:
    side = _patch_side(weight)
    pixels = weight.reshape(weight.shape[0], side, side, NUM_CHANNELS)
    return pixels.permute(0, 3, 1, 2).flatten(1)


TRANSPOSED = Change(torch.t, torch.t)
# theirs [D, 3, P, P], a convolution; ours [D, 3 P P], a matrix
PATCH_KERNEL = Change(lambda kernel: kernel.flatten(1), _to_kernel)
# theirs [D, P P 3], each pixel's colours beside each other; ours [D, 3 P P]
PATCH_PIXELS = Change(
    _from_channels_last, lambda weight: _to_kernel(weight).permute(0, 2, 3, 1).flatten(1)
)
# theirs [1], ours []
ONE_NUMBER = Change(lambda value: value.reshape(()), lambda value: value.reshape(1))
# theirs [1, N, D], ours [N, D]
BATCH_OF_ONE = Change(lambda rows: rows.squeeze(0), lambda rows: rows[None])
# theirs [1, 1, D], ours [D]
ONE_TOKEN = Change(lambda token: token.reshape(token.shape[-1]), lambda token: token[None, None])
# theirs a temperature, ours the logarithm of its inverse
TEMPERATURE = Change(lambda value: -value.float().log(), lambda value: (-value.float()).exp())


@dataclass(frozen=True, slots=True)
class Rule:
    """One tensor of ours, and the one or several of theirs that hold its values.

    Attributes:
        ours: name in our module.
        theirs: name in the file; several are joined along the first axis, and cut again on writing.
        change: of the joined tensor; None = it stays as it is.
        shares: how large each of several is beside the others; empty = all equal.
    """

    ours: str
    theirs: str | tuple[str, ...]
    change: Change | None = None
    shares: tuple[int, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """``theirs`` as a tuple."""
        return (self.theirs,) if isinstance(self.theirs, str) else self.theirs

    def to_ours(self, tensors: list[Tensor]) -> Tensor:
        """Join and change.

        Raises:
            RuntimeError, IndexError: the shapes can't be joined or changed so.
        """
        joined = tensors[0] if len(tensors) == 1 else torch.cat(tensors)
        return joined if self.change is None else self.change.to_ours(joined)

    def to_theirs(self, tensor: Tensor) -> list[Tensor]:
        """Change and cut."""
        tensor = tensor if self.change is None else self.change.to_theirs(tensor)
        if len(self.sources) == 1:
            return [tensor.contiguous()]
        shares = self.shares or (1,) * len(self.sources)
        sizes = [tensor.shape[0] * share // sum(shares) for share in shares]
        return [part.contiguous() for part in tensor.split_with_sizes(sizes)]


def prefixed(ours: str, rules: Iterable[Rule], theirs: str) -> tuple[Rule, ...]:
    """The rules of a tower for a model that it is a part of.

    Args:
        ours: what stands before the names of our tower in the model.
        rules: of the tower alone.
        theirs: what stands before the names in the file.
    """
    return tuple(
        replace(
            rule,
            ours=ours + rule.ours,
            theirs=tuple(theirs + source for source in rule.sources),
        )
        for rule in rules
    )


@functools.lru_cache(maxsize=4096)
def compile_name(pattern: str) -> re.Pattern[str]:
    """``{i}`` stands for one step of a name, ``{rest}`` and ``*`` for any rest."""
    escaped = re.escape(pattern).replace(r"\*", ".*").replace(r"\{rest\}", r"(?P<rest>.+)")
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^./]+)", escaped))
